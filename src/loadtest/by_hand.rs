//! Small runs made by hand, for tests of what is computed of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::measured::{Arrival, Generator, Moment, Sent, Track};
use super::plan::{Mode, Schedule};
use super::scenario::Scenario;
use super::stamp::RunId;
use super::tally::latencies;
use super::{Measured, Plan};

/// Unicast, a message each 10 ms.
pub fn plan(streams: u32, users: u32, messages: u32) -> Plan {
    Plan {
        run: RunId::new([7; 8]),
        seed: 42,
        streams,
        users,
        mode: Mode::Unicast,
        schedule: Schedule::Even { rate: 100.0, messages },
        ramp: 1_000.0,
        warmup: Duration::ZERO,
        settle: Duration::from_secs(10),
        late: Duration::from_secs(1),
        payload_bytes: 64,
        scenario: Scenario::Steady,
        threads: 1,
    }
}

/// A run in which all went well: each message was begun when it was due, accepted 1 ms and delivered 2 ms later.
pub fn all_went_well(plan: &Plan) -> Measured {
    let sent = |message| Sent { begun: after(plan, message, 0), answered: after(plan, message, 1) };
    Measured {
        began_at: 1_795_507_200_123,
        sent: (0..plan.messages()).map(sent).collect(),
        refusals: BTreeMap::new(),
        held_up: 0,
        in_vain: BTreeMap::new(),
        tracks: (0..plan.streams).map(|stream| all_came(plan, stream)).collect(),
        latencies: latencies(),
        seconds: Vec::new(),
        generator: Generator::default(),
        server: None,
        server_gone: None,
        acts: Vec::new(),
        published_for: plan.length(),
        interrupted: false,
    }
}

/// What a stream saw of it.
pub fn all_came(plan: &Plan, stream: u32) -> Track {
    let user = plan.user_of(stream);
    let mine = (0..plan.messages()).filter(|message| plan.is_for(*message, user));
    let arrivals: Vec<Arrival> = mine.map(|message| Arrival { message, at: after(plan, message, 2) }).collect();
    let unread = Some(arrivals.len() as u64);
    Track { user, arrivals, opened: vec![ms(0)], unread, ..Track::default() }
}

/// So many milliseconds after a message was to be sent.
pub fn after(plan: &Plan, message: u32, millis: u64) -> Moment {
    Moment::at(plan.due(message) + Duration::from_millis(millis))
}

pub fn ms(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}
