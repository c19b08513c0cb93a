//! For how long a thread of ours had a CPU.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A thread, once it has told which it is.
#[derive(Debug, Clone)]
pub struct Thread {
    pub name: String,
    schedule: Arc<OnceLock<PathBuf>>,
}

/// By which a thread tells.
pub struct Name(Arc<OnceLock<PathBuf>>);

impl Thread {
    /// A thread that is to be started, and the word that it has to say.
    pub fn waiting(name: String) -> (Self, Name) {
        let schedule = Arc::new(OnceLock::new());
        (Self { name, schedule: schedule.clone() }, Name(schedule))
    }

    /// The time for which it had a CPU; `None` where the system does not tell, or before the thread did.
    pub fn cpu(&self) -> Option<Duration> {
        let schedule = fs::read_to_string(self.schedule.get()?).ok()?;
        schedule.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }
}

impl Name {
    /// Says that this is the thread.
    pub fn tell(self) {
        if let Ok(link) = fs::read_link("/proc/thread-self") {
            let _ = self.0.set(PathBuf::from("/proc").join(link).join("schedstat"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_busy() {
        let (thread, name) = Thread::waiting("worker".into());
        assert_eq!(thread.cpu(), None);
        let working = thread.clone();
        let spent = std::thread::spawn(move || {
            name.tell();
            let before = working.cpu().unwrap();
            let begun = std::time::Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {
                std::hint::black_box(working.name.len());
            }
            working.cpu().unwrap() - before
        });
        assert!(spent.join().unwrap() > Duration::ZERO);
    }
}
