//! Sockets: how they are opened, how bytes of a connection become requests, and how much of a body is taken.

pub mod accept;
mod bare;
pub mod body;
mod connection;
pub mod listener;
mod options;
pub mod peer;
mod socket_file;
mod turns;
mod watched;
