//! How many streams and users there are: any two of streams, users and devices say the third.

use crate::cli::loadtest::{Load, ModeName};

const STREAMS: u32 = 1_000;
/// Devices of a user in mode fanout, unless it is said otherwise.
const FANOUT: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    pub streams: u32,
    pub users: u32,
}

impl Crowd {
    /// # Errors
    /// Numbers that contradict each other, in words.
    pub fn of(load: &Load) -> Result<Self, String> {
        match (load.streams, load.users, load.devices) {
            (Some(streams), Some(users), Some(devices)) => match Self::each(users, devices)? {
                crowd if crowd.streams == streams => Ok(crowd),
                Crowd { streams: product, .. } => Err(format!(
                    "{users} users with {devices} devices each are {product} streams, and not {streams}: leave --streams, \
                     --users or --devices out"
                )),
            },
            (None, Some(users), Some(devices)) => Self::each(users, devices),
            (streams, None, Some(devices)) => Self::shared(streams, devices),
            (streams, Some(users), None) => Ok(Self { streams: streams.unwrap_or(STREAMS), users }),
            (streams, None, None) => {
                let streams = streams.unwrap_or(STREAMS);
                let devices = if load.mode == ModeName::Fanout { FANOUT } else { 1 };
                Ok(Self { streams, users: streams.div_ceil(devices) })
            }
        }
    }

    /// Of a replay, whose users are those of its file.
    pub fn of_replay(load: &Load, users: u32) -> Self {
        Self { streams: load.streams.unwrap_or(STREAMS.min(users)), users }
    }

    /// Streams as devices of a user each; about as many as usual, unless it is said how many.
    fn shared(streams: Option<u32>, devices: u32) -> Result<Self, String> {
        let users = streams.unwrap_or(STREAMS) / devices;
        match streams.unwrap_or(users * devices) {
            _ if users == 0 => {
                let streams = streams.unwrap_or(STREAMS);
                Err(format!(
                    "{devices} devices of a user need as many streams, and there are {streams}: say more --streams"
                ))
            }
            streams if streams > users * devices => Err(format!(
                "{streams} streams are no whole number of users with {devices} devices each: say --streams {}, or --users \
                 instead of --devices",
                users * devices
            )),
            streams => Ok(Self { streams, users }),
        }
    }

    fn each(users: u32, devices: u32) -> Result<Self, String> {
        let streams = users.checked_mul(devices);
        let streams =
            streams.ok_or_else(|| format!("{users} users with {devices} devices each are too many streams"))?;
        Ok(Self { streams, users })
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::typed;
    use super::*;

    fn crowd(line: &str) -> Result<(u32, u32), String> {
        Crowd::of(&typed(line).0.load).map(|crowd| (crowd.streams, crowd.users))
    }

    #[test]
    fn any_two_say_the_third() {
        for (line, expected) in [
            ("", (1_000, 1_000)),
            ("--streams 7", (7, 7)),
            ("--users 50", (1_000, 50)),
            ("--streams 7 --users 50", (7, 50)),
            ("--devices 4", (1_000, 250)),
            ("--devices 3", (999, 333)),
            ("--devices 1000", (1_000, 1)),
            ("--streams 12 --devices 4", (12, 3)),
            ("--streams 10 --users 3", (10, 3)),
            ("--streams 4 --devices 4", (4, 1)),
            ("--users 50 --devices 4", (200, 50)),
            ("--streams 200 --users 50 --devices 4", (200, 50)),
            ("--mode fanout", (1_000, 40)),
            ("--mode fanout --streams 10", (10, 1)),
            ("--mode fanout --streams 1010", (1_010, 41)),
            ("--mode fanout --users 2", (1_000, 2)),
            ("--mode audience", (1_000, 1_000)),
        ] {
            assert_eq!(crowd(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn numbers_that_contradict_each_other_are_told() {
        let told = crowd("--streams 201 --users 50 --devices 4").unwrap_err();
        assert!(told.starts_with("50 users with 4 devices each are 200 streams, and not 201"), "{told}");
        let told = crowd("--streams 3 --devices 4").unwrap_err();
        assert!(told.starts_with("4 devices of a user need as many streams, and there are 3"), "{told}");
        let told = crowd("--devices 1001").unwrap_err();
        assert!(told.starts_with("1001 devices of a user need as many streams, and there are 1000"), "{told}");
        let told = crowd("--streams 10 --devices 4").unwrap_err();
        assert!(
            told.starts_with("10 streams are no whole number of users with 4 devices each: say --streams 8"),
            "{told}"
        );
        let told = crowd("--users 100000 --devices 100000").unwrap_err();
        assert!(told.ends_with("are too many streams"), "{told}");
    }

    #[test]
    fn a_replays_users_are_its_files() {
        let of = |line: &str, users: u32| Crowd::of_replay(&typed(line).0.load, users);
        assert_eq!(of("--replay f", 1_899), Crowd { streams: 1_000, users: 1_899 });
        assert_eq!(of("--replay f", 20), Crowd { streams: 20, users: 20 });
        assert_eq!(of("--replay f --streams 40", 20), Crowd { streams: 40, users: 20 });
    }
}
