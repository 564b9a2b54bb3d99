//! When the coordinator hears that this member is there.

use crate::client::KafkaError;
use crate::client::retry::{Failures, Random, RetryConfig};
use crate::now::{Instant, Now};

/// See the module. One is under way at a time.
#[derive(Debug)]
pub(super) struct Heartbeats {
    interval_ms: u64,
    next_at: Instant,
    in_flight: bool,
    failures: Failures,
}

impl Heartbeats {
    pub fn new(interval_ms: u64) -> Heartbeats {
        Heartbeats {
            interval_ms,
            next_at: Instant::default(),
            in_flight: false,
            failures: Failures::default(),
        }
    }

    /// The coordinator has heard of this member by something else.
    pub fn postpone(&mut self, now: Now) {
        self.next_at = now.monotonic + self.interval_ms;
    }

    /// Whether one is to be sent, which then is under way.
    pub fn begin(&mut self, now: Now) -> bool {
        let due = !self.in_flight && self.next_at <= now.monotonic;
        if due {
            self.in_flight = true;
            self.postpone(now);
        }
        due
    }

    /// The one that was under way is answered, or lost.
    pub fn end(&mut self) {
        self.in_flight = false;
    }

    pub fn succeeded(&mut self) {
        self.failures = Failures::default();
    }

    /// Failed in a way that may pass: tries again soon, or gives the error if that was too often.
    pub fn failed(
        &mut self,
        now: Now,
        error: KafkaError,
        retry: &RetryConfig,
        random: &mut Random,
    ) -> Result<(), KafkaError> {
        self.failures.add(&error);
        let Some(delay_ms) = self.failures.again_after_ms(&error, retry, random) else {
            return Err(error.after_retries(self.failures.retries()));
        };
        // The session goes on without us: a coordinator that is back should hear of us soon.
        self.next_at = self.next_at.min(now.monotonic + delay_ms);
        Ok(())
    }

    /// The member has left. One that is under way will still be answered.
    pub fn of_next_membership(&self) -> Heartbeats {
        Heartbeats {
            in_flight: self.in_flight,
            ..Heartbeats::new(self.interval_ms)
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!self.in_flight).then_some(self.next_at)
    }
}
