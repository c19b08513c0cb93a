//! The terminal: lines out, notes and progress beside them, text made safe to show, interrupts.

mod interrupt;
mod notes;
mod out;
mod progress;
pub mod style;
mod text;

pub use interrupt::{ECHO, Interrupt};
pub use notes::{Notes, failure, fault};
pub use out::{ClosedPipe, Out};
pub use progress::{Live, Progress};
pub use text::{count, gap, local_time, shown, width};
