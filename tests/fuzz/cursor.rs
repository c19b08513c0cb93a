//! Cursors: any text is one or none, and one that is written is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lumen_inbox::domain::cursor::Cursor;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
    }
});
