//! The one timer of a machine.

use crate::now::Instant;

/// Waking up later than asked by more than this means that nobody could run meanwhile: the laptop
/// slept, the tab was frozen, or an application's handler had the thread. Far less than the shortest
/// session timeout: a member is due to be expired only a part of it after the gap has begun.
pub const GAP_MS_MIN: u64 = 1_000;

/// The one timer of a machine, and what its lateness tells.
#[derive(Debug, Default)]
pub struct Alarm {
    set_for: Option<Instant>,
    last_event_at: Instant,
}

impl Alarm {
    /// An event has come. Answers for how many milliseconds nobody could run before it: by so much
    /// deadlines are moved, so that nobody is expired for them. All since the last event count: what
    /// came of others meanwhile may stand in the queue behind this event.
    pub fn gap_ms(&mut self, now: Instant) -> u64 {
        let asleep_ms = now.ms_since(self.last_event_at);
        self.last_event_at = now;
        match self.set_for {
            Some(at) if now.ms_since(at) > GAP_MS_MIN => asleep_ms,
            _ => 0,
        }
    }

    /// It rang, maybe a little early: it must be set again for what is not yet due.
    pub fn rang(&mut self) {
        self.set_for = None;
    }

    /// Sets it. Answers when the edge must wake the machine, unless it knows already.
    pub fn set(&mut self, deadline: Option<Instant>) -> Option<Instant> {
        let changed = deadline.filter(|_| deadline != self.set_for);
        self.set_for = deadline;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_once_for_one_deadline() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(Some(Instant(5))), Some(Instant(5)));
        assert_eq!(alarm.set(Some(Instant(5))), None);
        alarm.rang();
        assert_eq!(alarm.set(Some(Instant(5))), Some(Instant(5)));
        assert_eq!(alarm.set(None), None);
    }

    #[test]
    fn only_being_late_is_a_gap_and_it_lasts_since_the_last_event() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.gap_ms(Instant(60_000)), 0, "nothing was due");
        alarm.set(Some(Instant(70_000)));
        assert_eq!(alarm.gap_ms(Instant(70_000 + GAP_MS_MIN)), 0);
        assert_eq!(alarm.gap_ms(Instant(90_000)), 20_000 - GAP_MS_MIN);
    }
}
