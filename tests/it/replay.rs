//! A replay of real traffic is planned as it once was: `lumen loadtest --replay` before anything is sent.

use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use lumen_inbox::loadtest::replay::{self, Pace};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/college-msg.txt");

#[test]
fn all_messages_of_a_student_network_are_due_in_order_and_the_busiest_users_come_first() {
    let file = match File::open(DATA) {
        Ok(file) => BufReader::new(file),
        Err(fault) => {
            eprintln!("not run: {DATA}: {fault}");
            return;
        }
    };
    let replay = replay::read(file, Pace::Within(Duration::from_secs(30))).unwrap();
    assert_eq!(replay.lines.len(), 59_835);
    assert!(replay.lines.is_sorted_by_key(|line| line.due));
    assert_eq!(replay.lines.last().unwrap().due.as_millis(), 30_000);
    let mut got = vec![0; replay.users as usize];
    for line in &replay.lines {
        got[line.user as usize] += 1;
    }
    assert!(got.is_sorted_by(|more, fewer| more >= fewer) && got[0] > 100 && got.last() == Some(&1), "{got:?}");
    // 193 days in half a minute.
    assert!((500_000.0..600_000.0).contains(&replay.speed), "{}", replay.speed);
}
