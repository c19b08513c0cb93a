//! The stories: each module one thing that lumen promises, told through its own doors.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a story that cannot go on panics, and what stories share is test code outside of any #[test]"
)]

mod asleep;
mod browser;
mod commands;
mod configuration;
mod disk_fails;
mod disk_full;
mod doors;
mod drain;
mod files_at_start;
mod files_taken_away;
mod help;
mod inbox_model;
mod input;
mod key_files;
mod kills;
mod lifecycle;
mod loadtest;
mod loadtest_bad_servers;
mod loadtest_figures;
mod loadtest_limits;
mod loadtest_scenarios;
mod loadtest_tls;
mod operator;
mod operator_commands;
mod other_servers;
mod power_cuts;
mod powercut_shim;
mod problems;
mod proxies;
mod raw_heads;
mod real_traffic;
mod refusals;
mod reloads;
mod replay;
mod requests;
mod sending;
mod sockets;
mod store_contract;
mod store_files;
mod store_leftovers;
mod streams;
mod support;
mod tokens;
