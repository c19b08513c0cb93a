//! A producer takes back what it sent, by the key that it gave it.

use super::fault::Fault;
use super::group::Group;
use super::{keys, rows};
use crate::domain::change::{Counts, Rows, What};
use crate::domain::ids::UserId;
use crate::domain::notification::Key;
use crate::store::commit::{Answer, Outcome, Retracted};

/// Removes the row of this key, if it is there, and frees the key in any case: the same key may notify anew.
pub(super) fn retract(group: &mut Group, user: &UserId, key: &Key) -> Result<Outcome, Fault> {
    let outcome = |change, removed, counts| Outcome::new(change, Answer::Retracted(Retracted { removed, counts }));
    let Some(mut inbox) = group.inbox(user)? else { return Ok(outcome(None, false, Counts::default())) };
    let row = match keys::free(group.connection, inbox.id, key)? {
        Some(id) => rows::find(group, &inbox, id)?,
        None => None,
    };
    let Some(row) = row else { return Ok(outcome(None, false, inbox.counts())) };
    rows::remove(group, &mut inbox, &row)?;
    let entry = group.log(&mut inbox, What::Deleted, Rows::Ids(vec![row.id]), None)?;
    let change = group.change(user, &inbox, entry);
    group.keep(user, inbox);
    Ok(outcome(Some(change), true, inbox.counts()))
}
