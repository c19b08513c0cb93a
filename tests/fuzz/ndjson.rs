//! The lines of a batch: each is JSON or not, a draft or not, and none is taken that a plain parser would refuse.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lumen_inbox::domain::draft::check;
use lumen_inbox::wire::json::parse;
use serde_json::Value;

fuzz_target!(|lines: &[u8]| {
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(value) = parse(line) else { continue };
        assert_eq!(serde_json::from_slice::<Value>(line).ok().as_ref(), Some(&value));
        match check(value) {
            Ok(addressed) => {
                assert!(!addressed.users.is_empty());
                let body: Value = serde_json::from_str(addressed.notification.body.as_str()).expect("a body is JSON");
                assert!(body["content"].as_str().is_some_and(|content| !content.is_empty()));
            }
            Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.detail.is_empty())),
        }
    }
});
