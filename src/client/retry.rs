//! When to try again, and the seeded randomness that keeps clients from doing so in step.

use crate::protocol::ErrorCode;

use super::error::KafkaError;

/// KafkaJS's retry options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryConfig {
    /// The first delay.
    pub initial_retry_time_ms: u64,
    /// No delay is longer.
    pub max_retry_time_ms: u64,
    /// How far, as a share, a delay may lie from its middle, to both sides.
    pub factor: f64,
    /// How much longer each delay is than the one before.
    pub multiplier: f64,
    /// How often something is tried again before its error is given to the caller.
    pub retries: u32,
}

impl Default for RetryConfig {
    fn default() -> RetryConfig {
        RetryConfig {
            initial_retry_time_ms: 300,
            max_retry_time_ms: 30_000,
            factor: 0.2,
            multiplier: 2.0,
            retries: 5,
        }
    }
}

/// Between attempts at what the client repeats by itself until a deadline (batches, joining,
/// fetching): Java's `retry.backoff.ms` and `retry.backoff.max.ms`. KafkaJS's 30 s would leave a
/// page waiting long after a broker is back.
pub(super) const BACKOFF: RetryConfig = RetryConfig {
    initial_retry_time_ms: 100,
    max_retry_time_ms: 1_000,
    factor: 0.2,
    multiplier: 2.0,
    retries: u32::MAX,
};

/// Between connection attempts and between requests for metadata: Java's `reconnect.backoff.ms`
/// and `reconnect.backoff.max.ms`.
pub(super) const RECONNECT: RetryConfig = RetryConfig {
    initial_retry_time_ms: 50,
    ..BACKOFF
};

impl RetryConfig {
    /// All delays together: how long something that cannot succeed is tried.
    pub fn budget_ms(&self) -> u64 {
        // Beyond the longest delay every one is the same; nobody waits through 1,000 of them.
        let delays = (0..self.retries.min(1_000)).map(|n| {
            let middle = self.initial_retry_time_ms as f64 * self.multiplier.powi(n as i32);
            middle.min(self.max_retry_time_ms as f64) as u64
        });
        delays.sum()
    }

    /// How long to wait before trying again after `failures` failures (from 1).
    pub fn delay_ms(&self, failures: u32, random: &mut Random) -> u64 {
        // Far beyond the longest delay, whatever the multiplier.
        let exponent = failures.saturating_sub(1).min(1_000) as i32;
        let middle = self.initial_retry_time_ms as f64 * self.multiplier.powi(exponent);
        let jittered = middle * (1.0 + self.factor * (2.0 * random.unit() - 1.0));
        jittered.clamp(0.0, self.max_retry_time_ms as f64) as u64
    }
}

/// How often something has failed in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    count: u32,
    /// Those that a broker has answered. One that answers is there: it is not asked for longer than
    /// the retries say. One that is away is waited for.
    refusals: u32,
}

impl Failures {
    pub fn add(&mut self, error: &KafkaError) {
        self.count = self.count.saturating_add(1);
        if is_refusal(error) {
            self.refusals = self.refusals.saturating_add(1);
        }
    }

    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// How often it was tried again.
    pub fn retries(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    /// How long to wait when it is tried again in any case.
    pub fn backoff_ms(&self, random: &mut Random) -> u64 {
        BACKOFF.delay_ms(self.count, random)
    }

    /// How long to wait after the last failure, which was `error`; `None` when it is not to be tried
    /// again.
    pub fn again_after_ms(
        &self,
        error: &KafkaError,
        retry: &RetryConfig,
        random: &mut Random,
    ) -> Option<u64> {
        if !error.retriable {
            return None;
        }
        match is_refusal(error) {
            true if self.refusals > retry.retries => None,
            true => Some(retry.delay_ms(self.refusals, random)),
            false => Some(self.backoff_ms(random)),
        }
    }
}

/// A coordinator that loads will have loaded: it is waited for as if it were away.
fn is_refusal(error: &KafkaError) -> bool {
    !error.is_virtual() && error.code != ErrorCode::CoordinatorLoadInProgress
}

/// A seeded generator (SplitMix64): enough for jitter and for where a round robin starts.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_jitter_up_to_the_longest() {
        let config = RetryConfig::default();
        let mut random = Random::new(7);
        for (failures, middle) in [(1, 300), (2, 600), (3, 1_200), (4, 2_400)] {
            for _ in 0..100 {
                let delay = config.delay_ms(failures, &mut random);
                assert!(
                    (middle * 4 / 5..=middle * 6 / 5).contains(&delay),
                    "{failures}: {delay}"
                );
            }
        }
        assert!(config.delay_ms(40, &mut random) <= 30_000);
        assert_eq!(config.delay_ms(u32::MAX, &mut random), 30_000);
    }

    #[test]
    fn the_budget_is_the_sum_of_the_delays() {
        assert_eq!(
            RetryConfig::default().budget_ms(),
            300 + 600 + 1_200 + 2_400 + 4_800
        );
        assert_eq!(
            RetryConfig {
                retries: 0,
                ..Default::default()
            }
            .budget_ms(),
            0
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let delays = |seed| {
            let mut random = Random::new(seed);
            (1..9)
                .map(|n| RetryConfig::default().delay_ms(n, &mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
