//! Kafka's type DOUBLE.

use std::str::FromStr;

/// Digits that every such number keeps; further ones are read as zeros.
const DIGITS_MAX: u32 = 15;

/// A number in the forms of `Double.parseDouble`, but for hexadecimal ones, `NaN` and `Infinity`,
/// which are no ratios. The parser of std brings 11 KB of tables for the digits beyond
/// [`DIGITS_MAX`], more than the rest of the configs.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Double(pub f64);

impl FromStr for Double {
    type Err = ();

    fn from_str(text: &str) -> Result<Double, ()> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let unsigned = match unsigned {
            [rest @ .., b'd' | b'D' | b'f' | b'F'] => rest,
            rest => rest,
        };
        let mut halves = unsigned.splitn(2, |byte| matches!(byte, b'e' | b'E'));
        let significand = halves.next().unwrap_or_default();
        let mut exponent = match halves.next() {
            None => 0,
            Some(exponent) => {
                let text = std::str::from_utf8(exponent).map_err(|_| ())?;
                text.parse::<i16>().map_err(|_| ())?.into()
            }
        };
        let (mut mantissa, mut digits, mut kept, mut in_fraction) = (0_u64, 0, 0, false);
        for byte in significand {
            match byte {
                b'.' if !in_fraction => in_fraction = true,
                b'0'..=b'9' => {
                    digits += 1;
                    let keeps = kept < DIGITS_MAX;
                    if keeps {
                        mantissa = 10 * mantissa + u64::from(byte - b'0');
                        kept += u32::from(mantissa > 0);
                    }
                    exponent += i32::from(!keeps) - i32::from(in_fraction);
                }
                _ => return Err(()),
            }
        }
        if digits == 0 {
            return Err(());
        }
        // A quotient of two numbers without rounding is the nearest to the decimal one.
        let magnitude = match exponent {
            0.. => mantissa as f64 * 10_f64.powi(exponent),
            _ => mantissa as f64 / 10_f64.powi(-exponent),
        };
        Ok(Double(if negative { -magnitude } else { magnitude }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_is_read_as_java_reads_it() {
        let texts = [
            "0.5",
            "1",
            "0",
            ".25",
            "1.",
            "+0.75",
            "-0.5",
            "5e-1",
            "50E-2",
            "0.001e3",
            "0.1",
            "0.30000000000000",
            "0.123456789012345",
            "00.7",
            "123456.789",
            "1e22",
            "0.999999999999",
        ];
        for text in texts {
            let found: Double = text.parse().unwrap();
            assert_eq!(found.0, text.parse::<f64>().unwrap(), "{text}");
        }
        assert_eq!("0.5d".parse(), Ok(Double(0.5)));
        assert_eq!("1F".parse(), Ok(Double(1.0)));
        let long: Double = "0.12345678901234567890123".parse().unwrap();
        assert!((long.0 - 0.123_456_789_012_345_67).abs() < 1e-15);
        assert_eq!("1e400".parse(), Ok(Double(f64::INFINITY)));
        assert_eq!("1e-400".parse(), Ok(Double(0.0)));
    }

    #[test]
    fn what_is_no_number_is_no_double() {
        for text in [
            "", ".", "-", "e5", "1e", "0.5.5", "half", "1,5", "0x1p3", "NaN", "1e99999", "١",
        ] {
            assert_eq!(text.parse::<Double>(), Err(()), "{text}");
        }
    }
}
