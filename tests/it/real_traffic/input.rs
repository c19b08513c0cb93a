//! What goes in: messages as the CollegeMsg data has them, or others of the same shape where it is not there; made
//! drafts by `scripts/college-drafts`.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use lumen_inbox::domain::limits::REPLAY_ENTRIES;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/college-msg.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/college-drafts");
/// Of the whole data.
const MESSAGES: usize = 59_835;
const STUDENTS: f64 = 1_899.0;

/// What is sent, in order.
pub struct Input {
    pub name: &'static str,
    pub messages: Vec<Message>,
}

pub struct Message {
    pub to: String,
    /// What its receiver reads.
    pub content: String,
    /// A line of NDJSON with its end.
    pub draft: String,
}

impl Input {
    /// The first `most` messages; all of them without a number.
    pub async fn read(most: Option<usize>) -> Self {
        let (name, text) = match std::fs::read_to_string(DATA) {
            Ok(text) => ("CollegeMsg", text),
            Err(fault) => {
                eprintln!("{DATA}: {fault}; made messages of its shape take its place");
                ("made", made(MESSAGES))
            }
        };
        let text: String = text.split_inclusive('\n').take(1 + most.unwrap_or(MESSAGES)).collect();
        let drafts = drafts(&text).await;
        let messages: Vec<Message> =
            (1..).zip(text.lines().skip(1)).zip(drafts.split_inclusive('\n')).map(message).collect();
        assert_eq!(messages.len(), most.unwrap_or(MESSAGES), "a draft a message");
        Self { name, messages }
    }

    /// What each receiver must have in the end, in order.
    pub fn contents(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut contents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in &self.messages {
            contents.entry(&message.to).or_default().push(&message.content);
        }
        contents
    }
}

/// By the data, not by the draft, which is to be proved too.
fn message(((number, line), draft): ((usize, &str), &str)) -> Message {
    let columns: Vec<&str> = line.split(' ').collect();
    let [src, dst, _] = columns[..] else { panic!("message {number}: {line}") };
    Message { to: dst.to_owned(), content: format!("message {number} from {src}"), draft: draft.to_owned() }
}

/// The same each time: few get much and many a little, in short bursts.
fn made(messages: usize) -> String {
    // Multiples of an irrational number are spread evenly over their fractions, and their powers crowd at the low end.
    let spread = |n: usize, by: f64| (n as f64 * by).fract();
    let line = |n: usize| {
        let (src, dst) = (STUDENTS * spread(n, 0.618_034), STUDENTS * spread(n / 3, 0.414_214).powf(1.8));
        format!("{} {} {}\n", src as u32 + 1, dst as u32 + 1, 1_082_040_961 + n * 278)
    };
    ["src dst time\n".to_owned()].into_iter().chain((0..messages).map(line)).collect()
}

async fn drafts(text: &str) -> String {
    let output = college_drafts(text).await;
    assert!(output.status.success(), "scripts/college-drafts: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("drafts are text")
}

async fn college_drafts(text: &str) -> Output {
    let mut command = Command::new(SCRIPT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut script = command.spawn().expect("scripts/college-drafts runs");
    let mut stdin = script.stdin.take().expect("its stdin");
    let feed = async move {
        // One that ends early has said why.
        let _ = stdin.write_all(text.as_bytes()).await;
    };
    let ((), output) = tokio::join!(feed, script.wait_with_output());
    output.expect("its output")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_message_becomes_a_draft() {
        let drafts = drafts("src dst time\n1 2 1082040961\n3 4 1082155839\n").await;
        let drafts: Vec<Value> = drafts.lines().map(|line| line.parse().unwrap()).collect();
        let draft = |src: &str, dst: &str, content: &str, time: i64| {
            json!({"user": dst, "type": "comment", "sender": {"username": src}, "content": content,
                "extra": {"time": time}})
        };
        let expected =
            [draft("1", "2", "message 1 from 1", 1_082_040_961), draft("3", "4", "message 2 from 3", 1_082_155_839)];
        assert_eq!(drafts, expected);
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        let output = college_drafts("src dst time\n1 \"2\" 3\n").await;
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "line 2 is not `src dst time`: 1 \"2\" 3\n");
    }

    #[test]
    fn made_messages_have_the_shape_of_real_ones() {
        let mut received: BTreeMap<String, usize> = BTreeMap::new();
        for line in made(MESSAGES).lines().skip(1) {
            *received.entry(line.split(' ').nth(1).unwrap().to_owned()).or_default() += 1;
        }
        let mut numbers: Vec<usize> = received.into_values().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(numbers.iter().sum::<usize>(), MESSAGES);
        let busiest: usize = numbers[..200].iter().sum();
        assert!(numbers.len() > 1_500 && busiest * 4 > MESSAGES, "{busiest} to 200 of {}", numbers.len());
        // A stream that was away for more than this is told `resync` by right.
        assert!(numbers[0] < REPLAY_ENTRIES, "{}", numbers[0]);
    }
}
