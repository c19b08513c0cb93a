//! What all streams are told at once.

use tokio::sync::watch;

/// The state of a run, as a stream has to know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orders {
    /// How many times a share of the streams was cut.
    pub storms: u32,
    /// Nothing more is sent: slow readers read as fast as they can.
    pub settling: bool,
    /// It is over.
    pub end: bool,
}

pub type Told = watch::Receiver<Orders>;
pub type Teller = watch::Sender<Orders>;

pub fn channel() -> (Teller, Told) {
    watch::channel(Orders::default())
}
