//! Every codec, there and back, and what may not come back.

use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn compressed(codec: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.compress(input, &mut out);
    out
}

/// Bytes with repeats and without, longer than every codec's block.
fn long_input() -> Vec<u8> {
    let mut random = oorandom::Rand32::new(7);
    let mut input = Vec::new();
    while input.len() < 500_000 {
        let byte = random.rand_u32() as u8;
        let run = if random.rand_u32().is_multiple_of(4) {
            random.rand_range(1..300)
        } else {
            1
        };
        input.extend(std::iter::repeat_n(byte, run as usize));
    }
    input
}

#[test]
fn what_is_compressed_comes_back() {
    let long = long_input();
    for codec in Compression::ALL {
        for input in [&b""[..], b"a", b"hello hello hello hello", &long] {
            let output = codec
                .decompress(&compressed(codec, input), input.len())
                .unwrap();
            assert!(output == input, "{codec:?}, {} bytes", input.len());
        }
    }
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let zeros = vec![0; 1 << 20];
    for codec in CODECS {
        let bomb = compressed(codec, &zeros);
        assert!(bomb.len() < 60_000, "{codec:?} takes {} bytes", bomb.len());
        assert_eq!(
            codec.decompress(&bomb, zeros.len() - 1),
            Err(RecordError::TooLarge)
        );
        assert_eq!(codec.decompress(&bomb, 0), Err(RecordError::TooLarge));
        assert_eq!(
            codec.decompress(&bomb, zeros.len()).unwrap().len(),
            zeros.len()
        );
    }
    assert_eq!(
        Compression::None.decompress(b"ab", 1),
        Err(RecordError::TooLarge)
    );
}

#[test]
fn a_refused_bomb_takes_little_memory() {
    let zeros = vec![0; 8 << 20];
    for codec in CODECS {
        let bomb = compressed(codec, &zeros);
        let used = allocation_counter::measure(|| {
            assert_eq!(codec.decompress(&bomb, 1 << 20), Err(RecordError::TooLarge));
        });
        assert!(
            used.bytes_max < 4 << 20,
            "{codec:?} takes {} bytes",
            used.bytes_max
        );
    }
}

#[test]
fn many_small_members_cannot_pass_the_limit_together() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let one = compressed(codec, &[0; 1000]);
        assert_eq!(codec.decompress(&one.repeat(3), 3000).unwrap(), [0; 3000]);
        assert_eq!(
            codec.decompress(&one.repeat(4), 3000),
            Err(RecordError::TooLarge)
        );
    }
}

#[test]
fn a_size_that_snappy_only_claims_is_not_allocated() {
    // A varint of 4 GiB - 1, and no data.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let malformed = RecordError::MalformedCompression(Compression::Snappy);
    assert_eq!(
        Compression::Snappy.decompress(&lie, INFLATED_BYTES_MAX),
        Err(malformed)
    );
}

#[test]
fn a_zstd_window_beyond_the_limit_is_not_allocated() {
    // Magic, no flags, a window of 2^27 bytes, an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    assert_eq!(
        Compression::Zstd.decompress(&frame, 1000),
        Err(RecordError::TooLarge)
    );
    let smaller = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x01, 0x00, 0x00];
    assert_eq!(Compression::Zstd.decompress(&smaller, 1000), Ok(vec![]));
}

#[test]
fn snappy_is_written_in_xerials_framing_and_read_raw_too() {
    let input = long_input();
    let framed = compressed(Compression::Snappy, &input);
    assert!(framed.starts_with(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"));
    let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert!(Compression::Snappy.decompress(&raw, input.len()).unwrap() == input);
}

#[test]
fn names_and_ids_are_kafkas() {
    let names: Vec<&str> = Compression::ALL.iter().map(|codec| codec.name()).collect();
    assert_eq!(names, ["none", "gzip", "snappy", "lz4", "zstd"]);
    for (id, codec) in (0..).zip(Compression::ALL) {
        assert_eq!(Compression::from_id(id), Ok(codec));
        assert_eq!(Compression::from_name(codec.name()), Some(codec));
    }
    assert_eq!(
        Compression::from_id(5),
        Err(RecordError::UnsupportedCompression(5))
    );
    assert_eq!(Compression::from_name("producer"), None);
}

proptest! {
    #[test]
    fn any_bytes_come_back(input in proptest::collection::vec(0..4u8, 0..4000)) {
        for codec in Compression::ALL {
            let output = codec.decompress(&compressed(codec, &input), input.len());
            prop_assert_eq!(output.as_deref(), Ok(&input[..]));
        }
    }

    /// Bytes of some length, but never a panic.
    #[test]
    fn damaged_bytes_do_no_harm(
        input in proptest::collection::vec(any::<u8>(), 0..300),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for codec in CODECS {
            let mut damaged = compressed(codec, &input);
            for (index, byte) in &flips {
                let index = index.index(damaged.len());
                damaged[index] = *byte;
            }
            damaged.truncate(cut.index(damaged.len() + 1));
            if let Ok(output) = codec.decompress(&damaged, 1 << 20) {
                prop_assert!(output.len() <= 1 << 20);
            }
        }
    }
}
