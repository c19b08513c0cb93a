//! What the stories stand on: devices, a breaking link, a server to run, a client, a model to compare with.

// The stories that use all of it come after it.
#![allow(dead_code)]

pub mod chaos;
pub mod desk;
pub mod link;
pub mod opening;
pub mod patience;
pub mod place;
pub mod reader;
pub mod responses;
pub mod script;
pub mod shelf;
