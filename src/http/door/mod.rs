//! Sockets: how they are opened, how bytes of a connection become requests, and how much of a body is taken.

pub mod accept;
pub mod body;
mod connection;
pub mod listener;
mod options;
mod socket_file;
