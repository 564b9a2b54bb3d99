//! Time as a value. The core has no clock: `runtime` and `sim` say what time it is.

use std::ops::Add;

/// The two clocks at the moment of an event. Deadlines use the first, records the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Never goes back; says nothing about the date.
    pub monotonic: Instant,
    /// The date, for record timestamps and retention. It may jump.
    pub wall: Timestamp,
}

/// Milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(pub u64);

/// Milliseconds since the Unix epoch, as in Kafka's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Instant {
    /// Milliseconds from `earlier` to this moment; 0 when `earlier` is later.
    pub fn ms_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Instant {
    type Output = Instant;
    /// The instant `ms` milliseconds later.
    fn add(self, ms: u64) -> Instant {
        Instant(self.0.saturating_add(ms))
    }
}
