//! Who wrote to whom and when, from a file: a line a message, `src dst time`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::time::Duration;

use super::plan::{Line, MESSAGES_MAX};

/// A file's messages, ready to be sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// In the order in which they are due. User 0 gets the most of them, so that the first users, who have the streams,
    /// are those that get something.
    pub lines: Vec<Line>,
    /// Users that get at least one.
    pub users: u32,
    /// How many times faster than it once was.
    pub speed: f64,
    /// Messages of the file that come later than the run takes.
    pub left_out: u64,
}

/// How fast it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// All of it in this time.
    Within(Duration),
    /// So many times faster than it once was, and what comes after this time is left out.
    Times(f64, Duration),
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFault {
    #[error(
        "line {number} {what}; a line is who writes, to whom and when: 17 42 1082040961, with spaces, tabs or commas \
             between and the time in seconds"
    )]
    Line { number: usize, what: &'static str },
    #[error("line {number} cannot be read: {source}")]
    Unreadable { number: usize, source: io::Error },
    #[error("it has no message; a line is who writes, to whom and when: 17 42 1082040961")]
    Empty,
    #[error("it has over {MESSAGES_MAX} messages, more than one run sends; take a part of it")]
    TooMany,
}

/// A message as the file has it: to which user, numbered as they first appear, and when.
struct Written {
    to: usize,
    at: f64,
}

/// Reads a file. Its first line may be a head.
///
/// # Errors
/// The first line that is no message, or a file without any.
pub fn read(file: impl BufRead, pace: Pace) -> Result<Replay, ReplayFault> {
    let mut written = messages(file)?;
    written.sort_by(|a, b| a.at.total_cmp(&b.at));
    let (Some(first), Some(last)) = (written.first(), written.last()) else { return Err(ReplayFault::Empty) };
    let (first, took) = (first.at, last.at - first.at);
    let speed = match pace {
        Pace::Times(speed, _) => speed,
        // Of what all was written at once nothing can be drawn out or pressed together.
        Pace::Within(_) if took == 0.0 => 1.0,
        Pace::Within(time) => took / time.as_secs_f64(),
    };
    let due = |at: f64| Duration::try_from_secs_f64((at - first) / speed).unwrap_or(Duration::MAX);
    let all = written.len();
    if let Pace::Times(_, time) = pace {
        written.retain(|message| due(message.at) < time);
    }
    let (ranks, users) = ranked(&written);
    let lines = written.iter().map(|message| Line { due: due(message.at), user: ranks[&message.to] }).collect();
    Ok(Replay { lines, users, speed, left_out: (all - written.len()) as u64 })
}

fn messages(file: impl BufRead) -> Result<Vec<Written>, ReplayFault> {
    let (mut written, mut known) = (Vec::new(), HashMap::new());
    for (number, line) in (1..).zip(file.lines()) {
        let line = line.map_err(|source| ReplayFault::Unreadable { number, source })?;
        let mut fields = line.split([' ', '\t', ',', '\r']).filter(|field| !field.is_empty());
        let fields = [fields.next(), fields.next(), fields.next(), fields.next()];
        let (to, time) = match fields {
            [None, ..] => continue,
            [Some(_), Some(to), Some(time), None] => (to, time),
            [.., Some(_)] => return Err(ReplayFault::Line { number, what: "has more than three fields" }),
            _ => return Err(ReplayFault::Line { number, what: "has fewer than three fields" }),
        };
        match time.parse::<f64>().ok().filter(|time| time.is_finite()) {
            Some(at) => {
                let next = known.len();
                written.push(Written { to: *known.entry(to.to_owned()).or_insert(next), at });
            }
            None if number == 1 => {}
            None => return Err(ReplayFault::Line { number, what: "has no time in its third field" }),
        }
        if written.len() > MESSAGES_MAX as usize {
            return Err(ReplayFault::TooMany);
        }
    }
    Ok(written)
}

/// The number of each user, by how many messages it gets; of as many, who came first. And how many users there are.
fn ranked(written: &[Written]) -> (HashMap<usize, u32>, u32) {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    for message in written {
        *counts.entry(message.to).or_default() += 1;
    }
    let mut users: Vec<(usize, u64)> = counts.into_iter().collect();
    users.sort_by_key(|(user, count)| (Reverse(*count), *user));
    let ranks: HashMap<usize, u32> = users.iter().map(|(user, _)| *user).zip(0..).collect();
    // Not more than the messages, whose number was checked.
    let users = ranks.len() as u32;
    (ranks, users)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lines(replay: &Replay) -> Vec<(u64, u32)> {
        replay.lines.iter().map(|line| (line.due.as_millis() as u64, line.user)).collect()
    }

    fn told(text: &str) -> String {
        read(text.as_bytes(), Pace::Within(SECOND)).unwrap_err().to_string()
    }

    #[test]
    fn messages_are_due_in_order_and_the_busiest_is_first() {
        let text = "src dst time\n1 b 130\n\n2\ta\t110.5\r\n3,b,100\n 4 , c, 120 \n";
        let replay = read(text.as_bytes(), Pace::Times(10.0, 100 * SECOND)).unwrap();
        // Of a and c, who get one each, c came later.
        assert_eq!(lines(&replay), [(0, 0), (1050, 1), (2000, 2), (3000, 0)]);
        assert_eq!((replay.users, replay.speed), (3, 10.0));
    }

    #[test]
    fn without_a_speed_it_fits_and_with_one_it_is_cut() {
        let text = "a 1 1000\na 2 1010\na 2 1020\na 3 1040\n";
        let fits = read(text.as_bytes(), Pace::Within(2 * SECOND)).unwrap();
        assert_eq!(lines(&fits), [(0, 1), (500, 0), (1000, 0), (2000, 2)]);
        assert_eq!((fits.users, fits.speed, fits.left_out), (3, 20.0, 0));
        let cut = read(text.as_bytes(), Pace::Times(10.0, 2 * SECOND)).unwrap();
        assert_eq!(lines(&cut), [(0, 0), (1000, 1)]);
        assert_eq!((cut.users, cut.left_out), (2, 2));
        let at_once = read("a 1 7\na 2 7\n".as_bytes(), Pace::Within(2 * SECOND)).unwrap();
        assert_eq!((lines(&at_once), at_once.speed), (vec![(0, 0), (0, 1)], 1.0));
    }

    #[test]
    fn a_line_that_is_no_message_is_named() {
        assert!(told("a 1 7\na 2\n").starts_with("line 2 has fewer than three fields; a line is who writes, to whom"));
        assert!(told("src dst time\na 2 7 8\n").starts_with("line 2 has more than three fields"));
        for time in ["later", "inf", "NaN"] {
            assert!(told(&format!("a 1 7\na 2 {time}\n")).starts_with("line 2 has no time"), "{time}");
        }
        for empty in ["", "\n\n", "src dst time\n"] {
            assert!(told(empty).starts_with("it has no message"), "{empty:?}");
        }
        let odd = read(&b"a 1 7\n\xff 2 3\n"[..], Pace::Within(SECOND)).unwrap_err().to_string();
        assert!(odd.starts_with("line 2 cannot be read"), "{odd}");
    }
}
