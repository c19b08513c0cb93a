//! What the database of a directory holds, whatever became of its server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lumen_inbox::domain::ids::NotificationId;
use rusqlite::Connection;
use serde_json::Value;

/// Copies the files of a directory into another.
pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file is copied");
    }
}

/// Content and id of each row; `None` where not even the tables came to the disk. Looks at a copy, since to look at a
/// database recovers it.
///
/// # Panics
/// When it is damaged, or its counts are not what the rows add up to.
pub fn stored(dir: &Path) -> Option<BTreeMap<String, NotificationId>> {
    let aside = tempfile::tempdir().expect("a directory");
    copy(dir, aside.path());
    let database = Connection::open(aside.path().join("lumen.db")).expect("a database");
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok");
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    if number("SELECT COUNT(*) FROM sqlite_schema") == 0 {
        return None;
    }
    let drifted = number(
        "SELECT COUNT(*) FROM inbox WHERE unread != (SELECT COUNT(*) FROM notification WHERE inbox = inbox.id)
         OR head != (SELECT MAX(rev) FROM notification WHERE inbox = inbox.id)",
    );
    assert_eq!(drifted, 0, "counts and heads are of their rows");
    let mut select = database.prepare("SELECT body, id FROM notification").expect("the tables");
    let rows = select.query_map([], |row| {
        let body: Value = serde_json::from_str(row.get_ref(0)?.as_str()?).expect("a body is JSON");
        let content = body["content"].as_str().expect("a content");
        Ok((content.to_owned(), NotificationId::from_bytes(row.get(1)?)))
    });
    Some(rows.expect("rows").map(|row| row.expect("a row")).collect())
}
