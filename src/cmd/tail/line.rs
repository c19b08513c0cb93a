//! An event as a line.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::known::Known;
use crate::client::stream::Told;
use crate::cmd::term::style::{KIND, SENDER, TIME, UNREAD};
use crate::cmd::term::{Out, count, local_time, shown};
use crate::domain::change::What;
use crate::wire::event::{Event, InboxData, MessageData};

/// Characters of a notification that a change quotes.
const QUOTED_CHARS: usize = 60;

/// An event for people, where it tells them something; with the count, where that is the count of then.
pub fn human(event: &Event, counted: bool, known: &Known, out: &Out) -> Option<String> {
    let (line, unread) = match event {
        Event::Message(message) => (notification(message, out), message.counts.unread),
        Event::Inbox(inbox) => (change(inbox, known, out), inbox.counts.unread),
        _ => return None,
    };
    Some(if counted { line + badge(unread, out).as_str() } else { line })
}

/// An event for programs, with its data as they were sent.
pub fn json(told: &Told) -> String {
    let one_line = !told.data.contains('\n') && serde_json::from_str::<IgnoredAny>(&told.data).is_ok();
    let data = if one_line { told.data.clone() } else { Value::from(told.data.as_str()).to_string() };
    let id = told.id.as_deref().map_or(Value::Null, Value::from);
    format!("{{\"event\":{},\"id\":{id},\"data\":{data}}}", Value::from(told.name.as_str()))
}

fn notification(message: &MessageData, out: &Out) -> String {
    let data = &message.data;
    let mut line = out.styled(TIME, local_time(&data.created_at));
    line += &format!("  {}", out.styled(KIND, shown(&message.kind)));
    let sender = data.sender.as_ref().and_then(|sender| sender.get("username")).and_then(Value::as_str);
    if let Some(sender) = sender {
        line += &format!("  {}", out.styled(SENDER, shown(sender)));
    }
    line += &format!("  {}", shown(&data.content));
    if let Some(link) = &data.link {
        line += &format!("  {}", shown(link));
    }
    if data.read {
        line += &format!("  {}", out.styled(TIME, "read"));
    }
    line
}

fn change(inbox: &InboxData, known: &Known, out: &Out) -> String {
    let several = |ids: usize| if ids == 1 { "one".to_owned() } else { count(ids as u64) };
    let only = match inbox.ids.as_deref() {
        Some([id]) => known.content(*id),
        _ => None,
    };
    let rows = match (&inbox.ids, inbox.up_to) {
        (Some(ids), _) => several(ids.len()),
        (None, Some(rev)) => format!("all up to rev {rev}"),
        (None, None) => "many".to_owned(),
    };
    let what = match inbox.change {
        What::Read => "read",
        What::Unread => "unread again",
        What::Seen => "seen",
        What::Deleted => "deleted",
        What::Changed => "changed",
    };
    let told = only.map_or_else(|| format!("{rows} {what}"), |content| format!("{what}: {}", quoted(content)));
    out.styled(TIME, told)
}

fn quoted(content: &str) -> String {
    let (mut start, cut) = match content.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => (shown(&content[..end]), "…"),
        None => (shown(content), ""),
    };
    start.push_str(cut);
    format!("\"{start}\"")
}

fn badge(unread: u64, out: &Out) -> String {
    format!("  {}", out.styled(UNREAD, format!("({} unread)", count(unread))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event;

    fn told(name: &str, data: &str) -> Told {
        let event = event::parse(name, data).unwrap();
        Told { name: name.into(), id: Some("k3f9q2-1".into()), data: data.into(), event }
    }

    fn line(name: &str, data: &str) -> Option<String> {
        human(&told(name, data).event, true, &Known::default(), &Out::plain())
    }

    #[test]
    fn a_notification_is_a_line_that_cannot_steer_the_terminal() {
        let data = r#"{"type":"like","unread_count":1234,"unseen_count":2,"rev":1,"data":{
            "id":"01932f4e-5b1c-7000-8000-000000000000","sender":{"username":"b\u001bob"},"content":"点赞\n了",
            "link":"/posts/9","read":false,"created_at":"soon"}}"#;
        let expected = "soon  like  b\\u{1b}ob  点赞\\n了  /posts/9  (1,234 unread)";
        assert_eq!(line("message", data).unwrap(), expected);
    }

    #[test]
    fn other_changes_are_told_in_words() {
        let badge = r#""unread_count":1,"unseen_count":0,"rev":2,"origin":null"#;
        let id = r#""01932f4e-5b1c-7000-8000-000000000000""#;
        for (rows, words) in [
            (format!(r#""change":"read","ids":[{id}]"#), "one read  (1 unread)"),
            (format!(r#""change":"deleted","ids":[{id},{id}]"#), "2 deleted  (1 unread)"),
            (r#""change":"seen","up_to":7"#.to_owned(), "all up to rev 7 seen  (1 unread)"),
            (r#""change":"changed""#.to_owned(), "many changed  (1 unread)"),
        ] {
            assert_eq!(line("inbox", &format!("{{{rows},{badge}}}")).unwrap(), words);
        }
        assert_eq!(line("ping", "{}"), None);
    }

    #[test]
    fn what_was_told_is_named_when_it_changes() {
        let id = "01932f4e-5b1c-7000-8000-000000000000";
        let data = format!(
            r#"{{"change":"read","ids":["{id}"],"unread_count":1,"unseen_count":0,"rev":2,"origin":null,"replayed":true}}"#
        );
        let event = told("inbox", &data).event;
        let mut known = Known::default();
        known.keep(id.parse().unwrap(), "点赞了\u{1b}");
        assert_eq!(human(&event, false, &known, &Out::plain()).unwrap(), "read: \"点赞了\\u{1b}\"");
        known.keep(id.parse().unwrap(), &"长".repeat(QUOTED_CHARS + 1));
        let long = format!("read: \"{}…\"  (1 unread)", "长".repeat(QUOTED_CHARS));
        assert_eq!(human(&event, true, &known, &Out::plain()).unwrap(), long);
    }

    #[test]
    fn what_is_read_says_so() {
        let data = r#"{"type":"like","unread_count":0,"unseen_count":0,"rev":1,"replayed":true,"counts_rev":2,"data":{
            "id":"01932f4e-5b1c-7000-8000-000000000000","content":"x","read":true,"created_at":"soon"}}"#;
        let event = told("message", data).event;
        assert_eq!(human(&event, false, &Known::default(), &Out::plain()).unwrap(), "soon  like  x  read");
    }

    #[test]
    fn programs_get_the_data_as_they_were_sent() {
        let written = json(&told("ping", r#"{ "b":1, "a":1.0 }"#));
        assert_eq!(written, r#"{"event":"ping","id":"k3f9q2-1","data":{ "b":1, "a":1.0 }}"#);
        let odd = Told { id: None, ..told("later\"", "not\njson") };
        assert_eq!(json(&odd), r#"{"event":"later\"","id":null,"data":"not\njson"}"#);
    }
}
