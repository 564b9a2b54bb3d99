//! Zigzag variable-length integers, as records use them (`ByteUtils.readVarint`, `readVarlong`).

use bytes::BufMut;

/// Writes `value` in 1 to 5 bytes.
pub(super) fn put_varint(out: &mut impl BufMut, value: i32) {
    put_varlong(out, i64::from(value));
}

/// Writes `value` in 1 to 10 bytes.
pub(super) fn put_varlong(out: &mut impl BufMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// The number of bytes that [`put_varint`] writes.
pub(super) fn varint_size(value: i32) -> usize {
    varlong_size(i64::from(value))
}

/// The number of bytes that [`put_varlong`] writes.
pub(super) fn varlong_size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Takes a varint off the front of `input`; `None` when it is cut short or longer than 5 bytes.
pub(super) fn read_varint(input: &mut &[u8]) -> Option<i32> {
    // The fifth byte's bits above 32 are dropped, as Java's shift drops them.
    let value = read_unsigned(input, 5)? as u32;
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

/// Takes a varlong off the front of `input`; `None` when it is cut short or longer than 10 bytes.
pub(super) fn read_varlong(input: &mut &[u8]) -> Option<i64> {
    let value = read_unsigned(input, 10)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

fn read_unsigned(input: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut value = 0;
    for index in 0..bytes_max {
        let byte = *input.get(index)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *input = &input[index + 1..];
            return Some(value);
        }
    }
    None
}

/// Puts small numbers of either sign in few bits. An `i32` gives the same as in 32 bits.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_kafkas_bytes() {
        let cases: [(i32, &[u8]); 7] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-65, &[0x81, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
        let mut out = Vec::new();
        put_varlong(&mut out, i64::MIN);
        assert_eq!(
            out,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
    }

    #[test]
    fn refuses_what_is_cut_short_or_too_long() {
        assert_eq!(read_varint(&mut &[][..]), None);
        assert_eq!(read_varint(&mut &[0x80][..]), None);
        assert_eq!(
            read_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]),
            None
        );
        assert_eq!(read_varlong(&mut &[0x80; 11][..]), None);
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(int in any::<i32>(), long in any::<i64>()) {
            let mut out = Vec::new();
            put_varint(&mut out, int);
            prop_assert_eq!(out.len(), varint_size(int));
            put_varlong(&mut out, long);
            prop_assert_eq!(out.len(), varint_size(int) + varlong_size(long));
            let mut input = &out[..];
            prop_assert_eq!(read_varint(&mut input), Some(int));
            prop_assert_eq!(read_varlong(&mut input), Some(long));
            prop_assert!(input.is_empty());
        }
    }
}
