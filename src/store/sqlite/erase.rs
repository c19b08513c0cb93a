//! What an operator does to a user: the inbox loses its name, or tokens signed until some moment are refused.

use rusqlite::params;

use super::fault::Fault;
use super::group::Group;
use crate::domain::ids::{Millis, UserId};
use crate::store::commit::{Answer, Ended, Outcome};

/// Takes the name off the user's inbox, which is nobody's from then on. What was in it goes with the next sweeps.
pub(super) fn erase(group: &mut Group, user: &UserId) -> Result<Outcome, Fault> {
    let inbox = group.inbox(user)?;
    if let Some(inbox) = &inbox {
        let mut unlink =
            group.connection.prepare_cached("UPDATE inbox SET user = NULL, not_before = NULL WHERE id = ?1")?;
        unlink.execute([inbox.id])?;
        group.forget(user, inbox);
    }
    // Whoever never got anything may have streams open all the same.
    Ok(Outcome {
        changes: Vec::new(),
        ended: Some(Ended::Erased(user.clone())),
        answer: Answer::Erased(inbox.is_some()),
    })
}

/// Notes from when on the user's tokens must be signed; the moment only rises.
pub(super) fn refuse_before(group: &mut Group, user: &UserId, not_before: Millis) -> Result<Outcome, Fault> {
    let inbox = group.inbox_or_new(user)?;
    let mut raise = group.connection.prepare_cached(
        "UPDATE inbox SET not_before = MAX(IFNULL(not_before, ?2), ?2) WHERE id = ?1 RETURNING not_before",
    )?;
    let risen = raise.query_row(params![inbox.id, not_before], |row| row.get(0))?;
    group.refuse_before(user, risen);
    group.keep(user, inbox);
    Ok(Outcome { changes: Vec::new(), ended: Some(Ended::Refused(user.clone(), risen)), answer: Answer::Refused(0) })
}
