//! Every size that input or memory is held to, with its reason. Rates, caps and times that a site may want to turn are
//! configuration; these are not.

use std::time::Duration;

/// Bytes of a user id. Room for a UUID, an e-mail address or a URN.
pub const USER_ID_BYTES: usize = 128;
/// Bytes of `content`: a few screens of text; more belongs behind `link`.
pub const CONTENT_BYTES: usize = 4 * 1024;
/// Bytes of `extra` as compact JSON.
pub const EXTRA_BYTES: usize = 4 * 1024;
/// Bytes of a draft without its `users`.
pub const DRAFT_BYTES: usize = 16 * 1024;
/// Bytes of `link` and `sender.avatar`: what browsers and proxies carry without trouble.
pub const LINK_BYTES: usize = 2 * 1024;
/// Bytes of `key`: it is compared as text and kept after its row.
pub const KEY_BYTES: usize = 256;
/// Bytes of `sender.username`.
pub const USERNAME_BYTES: usize = 256;
/// Longest life of a row by `ttl_s`, ten years: anything longer is a mistake of units.
pub const TTL_MAX_S: u64 = 10 * 365 * 24 * 3600;
/// Nesting of JSON: deep enough for any draft, shallow enough for any parser's stack.
pub const JSON_DEPTH: usize = 32;
/// Values in one JSON text: 10,000 users and the most that a draft of 16 KiB can have. Each takes some 30 times its two
/// bytes of text once it is read.
pub const JSON_VALUES: usize = 20_000;

/// Rows that one request may make, by `users` or by lines: more would hold the writer for too long.
pub const REQUEST_ROWS: usize = 10_000;
/// Bytes of a request body: a draft for 10,000 users of 36 bytes fits.
pub const BODY_BYTES: usize = 512 * 1024;
/// Bytes of a batch body: 10,000 lines of some 800 bytes.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of a request head, as the common proxies have it.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Ids in one mark.
pub const MARK_IDS: usize = 1_000;
/// Ids that an `inbox` event lists; with more it is `changed`, and a client fetches the list.
pub const EVENT_IDS: usize = 100;

/// Items of a list page that names no limit.
pub const LIST_PAGE: usize = 20;
/// Most items of a list page, and of a snapshot.
pub const LIST_PAGE_MAX: usize = 100;
/// Bytes of a snapshot's items, at least one being told: `ready` stays one comfortable event.
pub const SNAPSHOT_BYTES: usize = 64 * 1024;

/// Changes that wait in a mailbox; beyond this the store is the cheaper place to read them from.
pub const MAILBOX_CHANGES: usize = 64;
/// Bytes that wait in a mailbox.
pub const MAILBOX_BYTES: usize = 64 * 1024;
/// Entries of a catch-up page: a reader is free again within a millisecond.
pub const PAGE_ENTRIES: usize = 100;
/// Bytes of a catch-up page, at least one entry being told.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Connections that read the database: pages are short, and two cores answer no more at a time.
pub const READERS: usize = 4;
/// Catch-up reads at a time: a storm of returning streams leaves one reader for lists.
pub const CATCH_UP_READS: usize = READERS - 1;
/// Entries after a cursor that an opening stream is still replayed; over it a list is the cheaper way.
pub const REPLAY_ENTRIES: usize = 1_000;
/// Entries of an inbox's log, so that whoever missed at most [`REPLAY_ENTRIES`] is always replayed.
pub const LOG_ENTRIES: usize = 1_000;
/// Generations that an inbox remembers; a cursor older than 32 restarts with changes between is told `resync`.
pub const GENERATIONS: usize = 32;

/// Rows waiting for the writer, from which on a publisher is told to come back.
pub const QUEUE_ROWS: usize = 16_384;
/// Bytes waiting for the writer, likewise.
pub const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// How long a key outlives a row that its user removed or that was swept: longer than any retry.
pub const KEY_OUTLIVES_MS: i64 = 7 * 24 * 3600 * 1000;
/// Age from which on an entry of the log is swept: a device that was away for longer fetches the list.
pub const LOG_AGE_MS: i64 = 30 * 24 * 3600 * 1000;
/// What one step of a sweep removes at most, of one inbox or of all: it holds the writer for some ten milliseconds.
pub const SWEEP_ROWS: usize = 1_000;
/// Inboxes that one step changes at most: each costs as much as several rows.
pub const SWEEP_INBOXES: usize = 250;

/// Socket send buffer: at its automatic size one reader that never reads pins 3.8 MB of kernel memory.
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// A peer that acknowledged nothing for this long has vanished.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(45);
/// The usual silence after which a stream is sent a `ping`: half of the shortest idle cut of common proxies.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    /// What README and the wire contract say, in plain numbers: a slip in a product of constants would show nowhere else.
    #[test]
    fn the_limits_are_those_that_are_told() {
        let bytes = [
            (USER_ID_BYTES, 128),
            (CONTENT_BYTES, 4_096),
            (EXTRA_BYTES, 4_096),
            (DRAFT_BYTES, 16_384),
            (LINK_BYTES, 2_048),
            (KEY_BYTES, 256),
            (USERNAME_BYTES, 256),
            (BODY_BYTES, 524_288),
            (BATCH_BYTES, 8_388_608),
            (HEAD_BYTES, 16_384),
            (SNAPSHOT_BYTES, 65_536),
            (MAILBOX_BYTES, 65_536),
            (PAGE_BYTES, 65_536),
            (QUEUE_BYTES, 16_777_216),
            (SEND_BUFFER_BYTES, 65_536),
        ];
        let counts = [
            (JSON_DEPTH, 32),
            (JSON_VALUES, 20_000),
            (REQUEST_ROWS, 10_000),
            (MARK_IDS, 1_000),
            (EVENT_IDS, 100),
            (LIST_PAGE, 20),
            (LIST_PAGE_MAX, 100),
            (MAILBOX_CHANGES, 64),
            (PAGE_ENTRIES, 100),
            (READERS, 4),
            (CATCH_UP_READS, 3),
            (REPLAY_ENTRIES, 1_000),
            (LOG_ENTRIES, 1_000),
            (GENERATIONS, 32),
            (QUEUE_ROWS, 16_384),
        ];
        for (limit, told) in bytes.into_iter().chain(counts) {
            assert_eq!(limit, told);
        }
        assert_eq!(TTL_MAX_S, 315_360_000);
        assert_eq!((KEY_OUTLIVES_MS, LOG_AGE_MS), (604_800_000, 2_592_000_000));
        assert_eq!((TCP_USER_TIMEOUT.as_secs(), HEARTBEAT.as_secs()), (45, 15));
    }
}
