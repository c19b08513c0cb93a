//! Drafts that go in one request: as many as there are, up to what a request may hold.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

use super::lines::{Draft, Fault, Line};
use crate::client::failure;
use crate::domain::limits::{BATCH_BYTES, REQUEST_ROWS};
use crate::wire::problem::Problem;

/// Drafts of one request.
#[derive(Debug, Default)]
pub struct Batch {
    drafts: Vec<Draft>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    pub fn lines(&self) -> usize {
        self.drafts.len()
    }

    pub fn body(&self) -> Bytes {
        let mut body = Vec::with_capacity(self.bytes);
        for draft in &self.drafts {
            body.extend_from_slice(&draft.text);
        }
        body.into()
    }

    /// Takes out the lines that a refusal names, and returns their numbers in the input, each with what is wrong.
    /// None at all, if it names none: then it is about something else.
    pub fn take_faulty(&mut self, refusal: &Problem) -> Vec<(u64, String)> {
        let mut whys: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for error in &refusal.errors {
            if let Some(line) = error.line {
                whys.entry(line).or_default().push(failure::fault(error));
            }
        }
        let (mut faulty, mut good) = (Vec::new(), Batch::default());
        for (line, draft) in (1..).zip(std::mem::take(&mut self.drafts)) {
            match whys.get(&line) {
                Some(why) => faulty.push((draft.number, why.join(", "))),
                None => good.push(draft),
            }
        }
        *self = good;
        faulty
    }

    /// Whether another draft fits. The first always does: the server says what is wrong with it.
    fn takes(&self, draft: &Draft, most: usize) -> bool {
        self.is_empty()
            || (self.drafts.len() < most
                && self.rows + draft.rows <= REQUEST_ROWS
                && self.bytes + draft.text.len() <= BATCH_BYTES)
    }

    fn push(&mut self, draft: Draft) {
        self.rows += draft.rows;
        self.bytes += draft.text.len();
        self.drafts.push(draft);
    }
}

/// Lines that were read, in order, on their way into batches.
pub struct Queue {
    reads: Receiver<Vec<Line>>,
    waiting: VecDeque<Line>,
    /// Lines of a batch, at most.
    most: usize,
}

/// What the input has next.
#[derive(Debug)]
pub enum Next {
    Batch(Batch),
    Fault(Fault),
    End,
}

impl Queue {
    pub fn new(reads: Receiver<Vec<Line>>, most: usize) -> Self {
        Self { reads, waiting: VecDeque::new(), most }
    }

    /// Waits for lines only while it has none: what is there goes out, full batch or not, so that a slow producer's
    /// drafts are not held back.
    pub async fn next(&mut self) -> Next {
        let mut batch = Batch::default();
        loop {
            while let Some(line) = self.waiting.pop_front() {
                match line {
                    Line::Draft(draft) if batch.takes(&draft, self.most) => batch.push(draft),
                    Line::Fault(fault) if batch.is_empty() => return Next::Fault(fault),
                    later => {
                        self.waiting.push_front(later);
                        return Next::Batch(batch);
                    }
                }
            }
            let read = if batch.is_empty() { self.reads.recv().await } else { self.reads.try_recv().ok() };
            match read {
                Some(lines) => self.waiting.extend(lines),
                None if batch.is_empty() => return Next::End,
                None => return Next::Batch(batch),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::wire::problem::FieldError;

    fn draft(number: u64, rows: usize, bytes: usize) -> Line {
        Line::Draft(Draft { number, rows, text: vec![b'x'; bytes] })
    }

    fn faulty(number: u64) -> Line {
        Line::Fault(Fault::Line { number, why: "bad".into() })
    }

    /// The numbers of the lines of each batch; a fault stands alone.
    async fn batches(reads: Vec<Vec<Line>>, most: usize) -> Vec<Vec<u64>> {
        let (sender, receiver) = mpsc::channel(reads.len());
        for read in reads {
            sender.send(read).await.unwrap();
        }
        drop(sender);
        let mut queue = Queue::new(receiver, most);
        let mut batches = Vec::new();
        loop {
            match queue.next().await {
                Next::Batch(batch) => batches.push(batch.drafts.iter().map(|draft| draft.number).collect()),
                Next::Fault(Fault::Line { number, .. }) => batches.push(vec![number]),
                Next::Fault(other) => panic!("{other:?}"),
                Next::End => return batches,
            }
        }
    }

    #[tokio::test]
    async fn a_batch_is_full_by_lines_rows_or_bytes() {
        let by_lines = vec![vec![draft(1, 1, 1), draft(2, 1, 1)], vec![draft(3, 1, 1), draft(4, 1, 1), draft(5, 1, 1)]];
        assert_eq!(batches(by_lines, 2).await, [vec![1, 2], vec![3, 4], vec![5]]);
        let by_rows = vec![vec![draft(1, 1, 1), draft(2, REQUEST_ROWS - 1, 1), draft(3, 1, 1)]];
        assert_eq!(batches(by_rows, 9).await, [vec![1, 2], vec![3]]);
        let by_bytes = vec![vec![draft(1, 1, 2), draft(2, 1, BATCH_BYTES - 2), draft(3, 1, 1)]];
        assert_eq!(batches(by_bytes, 9).await, [vec![1, 2], vec![3]]);
    }

    #[tokio::test]
    async fn a_draft_too_large_for_any_batch_goes_alone_and_faults_in_their_place() {
        let reads = vec![vec![draft(1, 1, 1), draft(2, REQUEST_ROWS + 1, 1), draft(3, 1, 1)], vec![]];
        assert_eq!(batches(reads, 9).await, [vec![1], vec![2], vec![3]]);
        let reads = vec![vec![draft(1, 1, 1), faulty(2), faulty(3), draft(4, 1, 1)]];
        assert_eq!(batches(reads, 9).await, [vec![1], vec![2], vec![3], vec![4]]);
    }

    #[tokio::test]
    async fn what_is_there_is_not_held_back() {
        let (sender, receiver) = mpsc::channel(1);
        let mut queue = Queue::new(receiver, 500);
        sender.send(vec![draft(1, 1, 1)]).await.unwrap();
        assert!(matches!(queue.next().await, Next::Batch(batch) if batch.lines() == 1));
    }

    #[test]
    fn the_good_lines_stay_without_the_bad_ones() {
        let mut batch = Batch::default();
        for number in [11, 12, 13] {
            batch.push(Draft {
                number,
                rows: 1,
                text: format!(
                    "{number}
"
                )
                .into_bytes(),
            });
        }
        let error = |line: Option<usize>, field: &str| FieldError {
            line,
            user: None,
            field: field.into(),
            code: "c".into(),
            detail: "bad".into(),
        };
        let refusal = |errors| Problem::new(422, "c", "t", "d", "u").with_errors(errors);
        let errors = vec![error(Some(2), "link"), error(Some(2), "type"), error(Some(9), "link"), error(None, "x")];
        assert_eq!(batch.take_faulty(&refusal(errors)), [(12, "link: bad, type: bad".to_owned())]);
        assert_eq!((batch.lines(), batch.rows, batch.body()), (2, 2, Bytes::from("11\n13\n")));
        assert_eq!(batch.take_faulty(&refusal(vec![error(None, "x")])), []);
        assert_eq!(batch.lines(), 2);
    }
}
