//! The map of the house.
//!
//! Imports go only downward; rooms on one floor do not know each other. `tests/house.rs` holds this.
//!
//! ```text
//! 4  cmd/         serve send tail token inbox retract            carries out what was typed; alone prints
//!                 presence disconnect erase loadtest term/
//!    config/      layers settings kinds rooms faults print        what can be set; lumen.toml has the defaults
//!    cli/                                                        what can be typed
//! 3  http/        door/   accept listener options body           bytes become a request
//!                 api/    routes publish retract batch inbox     requests become jobs and answers
//!                 api/    marks operator health
//!                 stream/ open refusal body                      a request becomes a subscription
//!                 edge/   caller headers query problem answer    what every answer has
//!    loadtest/    plan pace publisher probe spawn run            measures thousands of streams,
//!                 ledger recovery stats threshold verdict …      computes what became of every message,
//!                 fleet/ stream witness opening orders           opens and reads the streams
//!                 link/ target request answer head body          a connection, and HTTP/1.1 over it
//!                 profile/ lumen templated dialect               how a kind of server is spoken to
//!                 report/ document terminal markdown html/       writes it; yields text, prints nothing
//! 2  hub/         admission registry mailbox subscription        who is open, and what each is told next
//!                 catch_up announcer ticker close housekeeping
//!    client/      endpoint access api inbox operator stream      what every command but serve asks with
//! 1  store/       sqlite/ open schema writer reader …            inboxes on disk; the truth
//!    auth/        caller keys own file jwks token                signs and verifies
//!    home/        dir lock                                       the data directory
//! 0  domain/      draft notification change ids cursor limits …  values and rules; no IO, no async, no clock
//!    wire/        event sse api json problem                     what goes over the wire, both directions
//!    budget  clock  random  telemetry  shutdown  exit  ownership
//! ```
//!
//! **One notification.** `http/api/publish` reads a draft, `domain/draft` checks it, `store` queues the job, its
//! writer commits, `hub/announcer` finds the user's mailboxes, each `hub/subscription` sees its last rev + 1, `wire/event`
//! framed it once, the socket has it; then the caller is answered.
//!
//! **One reconnect.** `http/stream/open` reads the `domain/cursor`, the hub registers a mailbox, `store` pages from the
//! cursor, the mailbox is drained, and the stream is live; at the end one `close` and one log line.

#![forbid(unsafe_code)]

pub mod auth;
pub mod budget;
pub mod cli;
pub mod client;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod domain;
pub mod exit;
pub mod home;
pub mod http;
pub mod hub;
pub mod loadtest;
pub mod ownership;
pub mod random;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod wire;
