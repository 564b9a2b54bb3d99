//! What `bench.mjs` calls, in wasm: ways to compute CRC-32C, and the codecs.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::LazyLock;

use tablog::record::{Compression, INFLATED_BYTES_MAX};

const INPUT_BYTES: usize = 1_000_000;

/// JSON events with some entropy: what is sent compressed.
static INPUT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 42u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut input = String::new();
    while input.len() < INPUT_BYTES {
        let event =
            ["checkout", "login", "search", "view", "purchase", "refund"][random(6) as usize];
        let user = ["alice", "bob", "carol"][random(3) as usize];
        let city = ["Berlin", "Tokyo", "Lima"][random(3) as usize];
        write!(
            input,
            r#"{{"id":{},"event":"{event}","user":"{user}-{}","city":"{city}","amount":{}.{:02}}}"#,
            random(100_000_000),
            random(5000),
            random(500),
            random(100),
        )
        .expect("a String takes every write");
    }
    input.into_bytes()
});

/// By id, the first `bytes` of the input compressed.
fn packed(id: u32, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    Compression::ALL[id as usize].compress(black_box(&INPUT[..bytes as usize]), &mut out);
    out
}

#[unsafe(no_mangle)]
pub extern "C" fn compress(id: u32, bytes: u32, times: u32) -> u32 {
    (0..times)
        .map(|_| packed(id, bytes).len() as u32)
        .max()
        .unwrap_or(0)
}

#[unsafe(no_mangle)]
pub extern "C" fn decompress(id: u32, bytes: u32, times: u32) -> u32 {
    let packed = packed(id, bytes);
    let inflate = || Compression::ALL[id as usize].decompress(&packed, INFLATED_BYTES_MAX);
    (0..times)
        .map(|_| inflate().map_or(0, |out| out.len() as u32))
        .min()
        .unwrap_or(0)
}

fn crc(bytes: u32, times: u32, crc: impl Fn(&[u8]) -> u32) -> u32 {
    (0..times).fold(0, |sum, _| sum ^ crc(black_box(&INPUT[..bytes as usize])))
}

#[unsafe(no_mangle)]
pub extern "C" fn crc_tablog(bytes: u32, times: u32) -> u32 {
    crc(bytes, times, tablog::record::crc32c)
}

#[unsafe(no_mangle)]
pub extern "C" fn crc_crate_crc32c(bytes: u32, times: u32) -> u32 {
    crc(bytes, times, crc32c::crc32c)
}

#[unsafe(no_mangle)]
pub extern "C" fn crc_crate_crc_fast(bytes: u32, times: u32) -> u32 {
    crc(bytes, times, |bytes| {
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
    })
}
