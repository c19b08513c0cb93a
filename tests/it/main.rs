//! The stories: each module one thing that lumen promises, told through its own doors.

mod store_contract;
mod store_files;
mod streams;
mod support;
