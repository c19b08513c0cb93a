//! What the stories stand on: devices, a breaking link, a server to run, a client, a model to compare with.

pub mod shelf;
