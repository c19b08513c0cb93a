//! What the notifications said that were told last: a change names only their ids.

use std::collections::{HashMap, VecDeque};

use crate::domain::ids::NotificationId;

/// Kept, at most: of 4 KiB each some 2 MiB.
const KEPT: usize = 500;

#[derive(Default)]
pub struct Known {
    contents: HashMap<NotificationId, String>,
    /// Oldest first.
    order: VecDeque<NotificationId>,
}

impl Known {
    pub fn keep(&mut self, id: NotificationId, content: &str) {
        if self.contents.insert(id, content.to_owned()).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.contents.remove(&oldest);
        }
    }

    pub fn content(&self, id: NotificationId) -> Option<&str> {
        self.contents.get(&id).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_known() {
        let id = |n: usize| format!("01932f4e-5b1c-7000-8000-{n:012}").parse::<NotificationId>().unwrap();
        let mut known = Known::default();
        for n in 0..=KEPT {
            known.keep(id(n), &n.to_string());
            known.keep(id(n), &n.to_string());
        }
        assert_eq!((known.content(id(0)), known.content(id(1))), (None, Some("1")));
        assert_eq!((known.contents.len(), known.order.len()), (KEPT, KEPT));
    }
}
