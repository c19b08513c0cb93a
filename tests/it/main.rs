//! The stories: each module one thing that lumen promises, told through its own doors.

mod support;
