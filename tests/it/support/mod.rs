//! What the stories stand on: devices, a breaking link, a server to run, a client, a model to compare with.

pub mod browser;
pub mod chaos;
pub mod child;
pub mod command;
pub mod conduct;
pub mod desk;
pub mod device;
pub mod follower;
pub mod gcc;
pub mod http;
pub mod link;
pub mod model;
pub mod opening;
pub mod ops;
pub mod patience;
pub mod place;
pub mod powercut;
pub mod publishers;
pub mod reader;
pub mod responses;
pub mod script;
pub mod server;
pub mod shelf;
pub mod signer;
pub mod tokens;
pub mod told;
