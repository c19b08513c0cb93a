//! Drafts become rows: first all their keys are looked at, then all is written.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use super::cache::Inbox;
use super::fault::Fault;
use super::group::Group;
use super::keys;
use crate::domain::change::{Entry, Item};
use crate::domain::ids::{NotificationId, UserId};
use crate::domain::notification::{Addressed, Fingerprint, Key, Notification};
use crate::random;
use crate::store::commit::{Answer, Appended, Outcome};
use crate::store::error::{Conflict, Error};

/// What one draft is for one user.
enum Step {
    New(NotificationId),
    Duplicate(NotificationId),
}

/// Appends all drafts, or none where a key holds another body. The results are in the drafts' order.
pub(super) fn append(group: &mut Group, drafts: &[Addressed]) -> Result<Result<Outcome, Error>, Fault> {
    let steps = match plan(group, drafts)? {
        Ok(steps) => steps,
        Err(conflicts) => return Ok(Err(Error::Conflict(conflicts))),
    };
    let mut changes = Vec::new();
    let mut results = Vec::with_capacity(steps.len());
    let rows = drafts
        .iter()
        .enumerate()
        .flat_map(|(draft, addressed)| addressed.users.iter().map(move |user| (draft, user, &addressed.notification)));
    for ((draft, user, notification), step) in rows.zip(steps) {
        let mut inbox = group.inbox_or_new(user)?;
        let (id, duplicate) = match step {
            Step::Duplicate(id) => (id, true),
            Step::New(id) => {
                let item = insert(group, &mut inbox, id, notification)?;
                changes.push(group.change(user, &inbox, Entry::Made(Arc::new(item))));
                group.keep(user, inbox);
                (id, false)
            }
        };
        let user = user.clone();
        results.push(Appended { draft, id, user, rev: inbox.head, unread: inbox.unread, streams: 0, duplicate });
    }
    Ok(Ok(Outcome { changes, ended: None, answer: Answer::Appended(results) }))
}

/// Tells for each row whether it is new, without writing, so that a job at fault leaves the group as it was.
fn plan(group: &Group, drafts: &[Addressed]) -> Result<Result<Vec<Step>, Vec<Conflict>>, Fault> {
    let mut steps = Vec::new();
    let mut conflicts = Vec::new();
    // The keys that this very job takes.
    let mut taken: HashMap<(&UserId, &Key), (Fingerprint, NotificationId)> = HashMap::new();
    for (draft, addressed) in drafts.iter().enumerate() {
        let Notification { key, fingerprint, .. } = &*addressed.notification;
        for user in &addressed.users {
            let holder = match key {
                None => None,
                Some(key) => match taken.get(&(user, key)) {
                    Some(holder) => Some(*holder),
                    None => find(group, user, key)?,
                },
            };
            steps.push(match holder {
                Some((held, id)) if held == *fingerprint => Step::Duplicate(id),
                Some((_, id)) => {
                    conflicts.push(Conflict { draft, user: user.clone() });
                    Step::Duplicate(id)
                }
                None => {
                    let id = NotificationId::at(group.now, &random::bytes());
                    if let Some(key) = key {
                        taken.insert((user, key), (*fingerprint, id));
                    }
                    Step::New(id)
                }
            });
        }
    }
    Ok(if conflicts.is_empty() { Ok(steps) } else { Err(conflicts) })
}

fn find(group: &Group, user: &UserId, key: &Key) -> Result<Option<(Fingerprint, NotificationId)>, Fault> {
    let Some(inbox) = group.inbox(user)? else { return Ok(None) };
    let taken = keys::find(group.connection, inbox.id, key, group.now)?;
    Ok(taken.map(|taken| (taken.fingerprint, taken.notification)))
}

fn insert(group: &Group, inbox: &mut Inbox, id: NotificationId, notification: &Notification) -> Result<Item, Fault> {
    let Notification { kind, body, key, ttl_s, fingerprint } = notification;
    let rev = group.take_rev(inbox)?;
    let expires_at = ttl_s.map(|seconds| group.now + seconds as i64 * 1000);
    let mut insert = group.connection.prepare_cached(
        "INSERT INTO notification (inbox, rev, id, type, body, created_at, expires_at, key_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let hash = key.as_ref().map(keys::hash);
    let (kind_text, body_text) = (kind.as_str(), body.as_str());
    insert.execute(params![inbox.id, rev as i64, id.as_bytes(), kind_text, body_text, group.now, expires_at, hash])?;
    if let Some(key) = key {
        keys::take(group.connection, inbox.id, key, fingerprint, id)?;
    }
    inbox.unread += 1;
    inbox.unseen += 1;
    inbox.rows += 1;
    Ok(Item { id, rev, kind: kind.clone(), body: body.clone(), read: false, created_at: group.now })
}
