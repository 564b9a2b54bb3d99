use std::fmt;

/// Kafka's UUID: of topics, log directories and broker incarnations. Printed as Kafka prints it, in
/// URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(
    /// Big endian.
    pub [u8; 16],
);

impl Uuid {
    /// Stands for "none".
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        // 22 digits of six bits hold 132 bits: the last digit has four bits of padding.
        for digit in 0..22 {
            let six = match digit {
                21 => bits << 4,
                _ => bits >> (122 - 6 * digit),
            };
            write!(f, "{}", char::from(BASE64_URL[(six & 0x3f) as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_printed_as_kafka_prints_it() {
        // org.apache.kafka.common.Uuid: METADATA_TOPIC_ID and ZERO_UUID.
        assert_eq!(Uuid::from_low(1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
    }

    impl Uuid {
        fn from_low(low: u64) -> Uuid {
            Uuid(u128::from(low).to_be_bytes())
        }
    }
}
