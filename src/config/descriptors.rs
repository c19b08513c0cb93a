//! What fits into the limit of open files: a connection is a descriptor.

/// Descriptors that are no stream's: requests, the database, listeners.
const REST: u64 = 512;
/// Descriptors that are no connection's: the database with its readers opens some twenty.
const OWN: u64 = 64;
/// More than a kernel gives; what has no limit counts as this.
const ALL: u64 = 1 << 20;

/// Streams that fit, with room for requests beside them: of a small limit half.
pub fn streams(open_files: u64) -> usize {
    left(open_files, REST)
}

/// Connections that fit, with room for the database beside them.
pub fn connections(open_files: u64) -> usize {
    left(open_files, OWN)
}

fn left(open_files: u64, reserve: u64) -> usize {
    let open_files = open_files.min(ALL);
    // What is at most a million fits.
    open_files.saturating_sub(reserve).max(open_files / 2) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_others_than_streams() {
        for (open_files, fits) in [
            (256, (128, 192)),
            (64, (32, 32)),
            (1_024, (512, 960)),
            (20_000, (19_488, 19_936)),
            (u64::MAX, (1_048_064, 1_048_512)),
        ] {
            assert_eq!((streams(open_files), connections(open_files)), fits, "{open_files}");
        }
    }
}
