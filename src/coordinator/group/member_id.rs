//! Member ids.

/// How much of a client's name goes into a member id, so that the id always fits into a record.
const MEMBER_ID_PREFIX_BYTES_MAX: usize = 255;

/// Makes member ids from a seed that comes in as a value: the core has no randomness.
#[derive(Clone, Debug)]
pub(super) struct MemberIds {
    seed: [u64; 2],
    count: u64,
}

impl MemberIds {
    /// Two generators with different seeds make different ids; one generator never repeats one.
    pub fn new(seed: [u8; 16]) -> MemberIds {
        let seed = u128::from_be_bytes(seed);
        MemberIds {
            seed: [(seed >> 64) as u64, seed as u64],
            count: 0,
        }
    }

    /// `<prefix>-<UUID>`, as Kafka's `ClassicGroup.generateMemberId`.
    pub fn next(&mut self, prefix: &str) -> String {
        let prefix = &prefix[..prefix.floor_char_boundary(MEMBER_ID_PREFIX_BYTES_MAX)];
        self.count += 1;
        let [high, low] = self.seed.map(|seed| split_mix(seed, self.count));
        // The version and variant of a random UUID (RFC 9562).
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        let uuid = format!("{high:016x}{low:016x}");
        let (a, b, c, d, e) = (
            &uuid[..8],
            &uuid[8..12],
            &uuid[12..16],
            &uuid[16..20],
            &uuid[20..],
        );
        format!("{prefix}-{a}-{b}-{c}-{d}-{e}")
    }
}

/// The `n`-th value of the SplitMix64 sequence that starts at `seed`.
fn split_mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_look_like_kafkas() {
        let id = MemberIds::new([7; 16]).next("app");
        let uuid = id.strip_prefix("app-").expect("the prefix");
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn ids_differ_within_a_seed_and_between_seeds() {
        let mut ids = BTreeSet::new();
        for seed in 0..10 {
            let mut member_ids = MemberIds::new([seed; 16]);
            ids.extend((0..1_000).map(|_| member_ids.next("")));
        }
        assert_eq!(ids.len(), 10_000);
    }
}
