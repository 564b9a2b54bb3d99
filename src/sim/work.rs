//! What is done for each event, in counts.

use super::node::Side;
use super::report::Counts;
use crate::machine::{Effect, Event};
use crate::storage::{StorageReply, StorageRequest};
use std::collections::BTreeMap;

/// How many steps this thread has taken so far, by whatever unit the command counts.
pub type Meter = fn() -> u64;

/// What stands for the bytes of an effect that has none, such as an answer to an application.
const EFFECT_BYTES: u64 = 50;

/// Steps that any event may take.
const EVENT_STEPS: u64 = 8_000;
/// Steps that may be taken for each byte that comes with an event or out of it.
const BYTE_STEPS: u64 = 60;
/// Steps that may be saved up for each thing that the plan has (a partition, a send that waits, a
/// member): what goes through all of them must have been paid before.
const THING_STEPS: u64 = 4_000;

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    /// A machine of a life of the broker.
    Node(u64, Side),
    /// A client.
    Client(usize),
}

/// What one event has cost a machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Of the frame or the row that came, and of those that went.
    pub bytes: u64,
    /// What the machine wanted done.
    pub effects: u64,
    /// Whether the machine has to make anew what it folds from its log.
    pub folds: bool,
    /// Of the meter.
    pub steps: u64,
}

/// What is done for each event, and how much may be.
///
/// An event must not cost more than what comes with it and what comes out of it, whatever else the
/// machine has. The controller alone makes its image anew when a commit has failed, which goes once
/// through everything. What is due less often than at each event (a checkpoint, a look through all
/// partitions) lives on what the events before have saved, of which not more is kept than what
/// goes once through everything.
#[derive(Debug, Default)]
pub struct Work {
    meter: Option<Meter>,
    saved_max: u64,
    saved: BTreeMap<Worker, u64>,
}

impl Work {
    /// The work of a run that has so many things of which there can be many.
    pub fn new(meter: Option<Meter>, things: usize) -> Work {
        Work {
            meter,
            saved_max: THING_STEPS * (things as u64 + 100),
            saved: BTreeMap::new(),
        }
    }

    /// The steps so far; 0 where nobody counts them.
    pub fn steps(&self) -> u64 {
        self.meter.map_or(0, |meter| meter())
    }

    /// A machine has handled an event. Error: it took too many steps.
    pub fn handled(
        &mut self,
        worker: Worker,
        kind: &'static str,
        cost: Cost,
        counts: &mut Counts,
    ) -> Result<(), String> {
        counts.worked(kind, cost);
        let bytes = cost.bytes + EFFECT_BYTES * cost.effects;
        let saved = self.saved.entry(worker).or_insert(self.saved_max);
        if cost.folds {
            *saved = self.saved_max;
        }
        let allowed = *saved + EVENT_STEPS + BYTE_STEPS * bytes;
        *saved = allowed.saturating_sub(cost.steps).min(self.saved_max);
        match cost.steps <= allowed {
            true => Ok(()),
            false => Err(format!(
                "{worker:?} took {} steps for '{kind}', which has {} bytes and {} effects: \
                 {allowed} were left",
                cost.steps, cost.bytes, cost.effects
            )),
        }
    }
}

/// The kind of an event, and the bytes that come with it.
pub fn described(side: Side, event: &Event) -> (&'static str, usize) {
    let of = |broker, controller| match side {
        Side::Broker => broker,
        Side::Controller => controller,
    };
    match event {
        Event::Opened { .. } => (of("broker: opened", "controller: opened"), 0),
        Event::Connected { .. } => (of("broker: connected", "controller: connected"), 0),
        Event::Request { frame, .. } => {
            let kind = of("broker: request", "controller: request");
            (kind, frame.len())
        }
        Event::Closed { .. } => (of("broker: closed", "controller: closed"), 0),
        Event::Reply { frame, .. } => (of("broker: reply", "controller: reply"), frame.len()),
        Event::PeerLost { .. } => (of("broker: peer lost", "controller: peer lost"), 0),
        Event::Storage(StorageReply::Committed { result: Err(_), .. }) => {
            (of("broker: commit failed", "controller: commit failed"), 0)
        }
        Event::Storage(StorageReply::Committed { .. }) => {
            (of("broker: committed", "controller: committed"), 0)
        }
        Event::Storage(StorageReply::Loaded { result, .. }) => {
            let rows = result.iter().flatten();
            let bytes = rows.map(|row| row.key.len() + row.value.len()).sum();
            (of("broker: loaded", "controller: loaded"), bytes)
        }
        Event::Woken => (of("broker: timer", "controller: timer"), 0),
    }
}

/// Whether an event takes back what the image was folded from.
pub fn folds(side: Side, event: &Event) -> bool {
    let failed = matches!(
        event,
        Event::Storage(StorageReply::Committed { result: Err(_), .. })
    );
    side == Side::Controller && failed
}

/// The bytes that go out with an effect.
pub fn effect_bytes(effect: &Effect) -> usize {
    match effect {
        Effect::Respond { frame, .. } | Effect::Send { frame, .. } => frame.len(),
        Effect::Storage(StorageRequest::Commit { batch, .. }) => {
            let puts = batch.puts.iter();
            puts.map(|(_, key, value)| key.len() + value.len()).sum()
        }
        Effect::Storage(StorageRequest::Load { .. })
        | Effect::Close { .. }
        | Effect::WakeAt(_)
        | Effect::Report { .. }
        | Effect::Stop { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fold_may_go_through_everything_time_and_again() {
        let all = THING_STEPS * 110;
        for (folds, holds) in [(true, true), (false, false)] {
            let mut work = Work::new(None, 10);
            let mut counts = Counts::default();
            let cost = Cost {
                steps: all,
                folds,
                ..Cost::default()
            };
            let worker = Worker::Node(1, Side::Controller);
            let mut handled = || work.handled(worker, "", cost, &mut counts).is_ok();
            assert!(handled());
            assert_eq!(handled(), holds);
        }
    }

    #[test]
    fn a_fold_may_not_go_through_everything_twice() {
        let mut work = Work::new(None, 10);
        let cost = Cost {
            steps: 2 * THING_STEPS * 110,
            folds: true,
            ..Cost::default()
        };
        let worker = Worker::Node(1, Side::Controller);
        let handled = work.handled(worker, "", cost, &mut Counts::default());
        assert!(handled.is_err());
    }
}
