//! The codecs of record batches, with a bound on what they inflate to.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress};

use super::RecordError;

/// The most that the records of one batch may take uncompressed, in bytes: 100 MiB, Kafka's
/// largest request (`socket.request.max.bytes`). What is compressed may so be as large as what
/// is not, and a few bytes cannot fill the memory of a tab.
pub const INFLATED_BYTES_MAX: usize = 100 << 20;

/// The largest window that a zstd frame may ask for, in bytes: the decoder allocates it at once.
/// Enough for every zstd level up to 20, or 32 MiB compressed in one piece.
const ZSTD_WINDOW_BYTES_MAX: u64 = 32 << 20;

/// No snappy bytes inflate to more than this many times their length: the densest element is a
/// copy of 64 bytes, which takes 3.
const SNAPPY_EXPANSION_MAX: usize = 22;

/// What starts a snappy stream of xerial's snappy-java, whose framing Kafka adopted: a magic,
/// then the version and the least compatible version, each an i32 that is 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// The magic is enough to tell it from raw snappy.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";

/// Uncompressed bytes of one xerial block, as snappy-java cuts them.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

/// How the records of a batch are compressed, with Kafka's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952, written at level 6, Kafka's default.
    Gzip,
    /// Snappy in xerial's framing; raw snappy is read too.
    Snappy,
    /// LZ4 frames of independent blocks of 64 KiB, the only kind that Kafka's Java client reads.
    Lz4,
    /// Zstandard (KIP-110), written at ruzstd's only level, about 1 of the reference
    /// implementation, where Kafka takes 3: 1 MB of JSON becomes 254 KB instead of 209 (gzip: 189).
    /// It inflates as fast as gzip and compresses twice as fast (`benches/record`).
    Zstd,
}

impl Compression {
    /// All of them, by id.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The id in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec of an id, or `UnsupportedCompression`.
    pub fn from_id(id: u8) -> Result<Compression, RecordError> {
        let codec = Compression::ALL.get(usize::from(id)).copied();
        codec.ok_or(RecordError::UnsupportedCompression(id))
    }

    /// Kafka's name, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec of Kafka's name.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
    }

    /// Appends `input`, compressed, to `out`.
    pub fn compress(self, input: &[u8], out: &mut Vec<u8>) {
        const VEC: &str = "writing to a Vec cannot fail";
        match self {
            Compression::None => out.extend_from_slice(input),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                encoder.write_all(input).expect(VEC);
                encoder.finish().expect(VEC);
            }
            Compression::Snappy => compress_xerial(input, out),
            Compression::Lz4 => {
                let frame = FrameInfo::new()
                    .block_mode(BlockMode::Independent)
                    .block_size(BlockSize::Max64KB);
                let mut encoder = FrameEncoder::with_frame_info(frame, out);
                encoder.write_all(input).expect(VEC);
                encoder.finish().expect(VEC);
            }
            Compression::Zstd => compress(input, out, CompressionLevel::Fastest),
        }
    }

    /// The uncompressed bytes of `input`.
    ///
    /// Errors: `MalformedCompression`; `TooLarge` if they would be more than `bytes_max`, without
    /// having allocated much more than that.
    pub fn decompress(self, input: &[u8], bytes_max: usize) -> Result<Vec<u8>, RecordError> {
        match self {
            Compression::None if input.len() > bytes_max => Err(RecordError::TooLarge),
            Compression::None => Ok(input.to_vec()),
            Compression::Gzip => {
                let mut out = Vec::new();
                self.read(MultiGzDecoder::new(input), &mut out, bytes_max)?;
                Ok(out)
            }
            Compression::Snappy => match input.strip_prefix(XERIAL_MAGIC) {
                Some(framed) => decompress_xerial(framed, bytes_max),
                None => {
                    let mut out = Vec::new();
                    decompress_snappy(input, &mut out, bytes_max)?;
                    Ok(out)
                }
            },
            Compression::Lz4 => {
                let mut out = Vec::new();
                self.read(FrameDecoder::new(input), &mut out, bytes_max)?;
                Ok(out)
            }
            Compression::Zstd => self.decompress_zstd(input, bytes_max),
        }
    }

    /// A zstd stream may be several frames; an empty one is none.
    fn decompress_zstd(self, mut input: &[u8], bytes_max: usize) -> Result<Vec<u8>, RecordError> {
        use ruzstd::decoding::errors::FrameDecoderError;
        let mut out = Vec::new();
        while !input.is_empty() {
            let frame =
                StreamingDecoder::new_with_max_window_size(&mut input, ZSTD_WINDOW_BYTES_MAX);
            let frame = frame.map_err(|error| match error {
                FrameDecoderError::WindowSizeTooBig { .. } => RecordError::TooLarge,
                _ => RecordError::MalformedCompression(self),
            })?;
            self.read(frame, &mut out, bytes_max)?;
        }
        Ok(out)
    }

    /// Reads all of `decoder` behind what is in `out`, which never grows beyond `bytes_max + 1`.
    fn read(
        self,
        decoder: impl Read,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), RecordError> {
        let room = bytes_max - out.len();
        let read = decoder.take(room as u64 + 1).read_to_end(out);
        let read = read.map_err(|_| RecordError::MalformedCompression(self))?;
        if read > room {
            Err(RecordError::TooLarge)
        } else {
            Ok(())
        }
    }
}

fn compress_xerial(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&XERIAL_HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(XERIAL_BLOCK_BYTES) {
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder
            .compress(block, &mut out[start..])
            .expect("32 KiB are within snappy's limits and the output has max_compress_len");
        out[length_at..start].copy_from_slice(&(length as u32).to_be_bytes());
        out.truncate(start + length);
    }
}

/// `framed` is what follows the magic: two versions, then blocks, each behind its length.
fn decompress_xerial(framed: &[u8], bytes_max: usize) -> Result<Vec<u8>, RecordError> {
    const MALFORMED: RecordError = RecordError::MalformedCompression(Compression::Snappy);
    let mut rest = framed
        .get(XERIAL_HEADER.len() - XERIAL_MAGIC.len()..)
        .ok_or(MALFORMED)?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(MALFORMED)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, behind) = behind.split_at_checked(length).ok_or(MALFORMED)?;
        decompress_snappy(block, &mut out, bytes_max)?;
        rest = behind;
    }
    Ok(out)
}

/// Appends the bytes of one raw snappy block, whose own statement of its size is not believed.
fn decompress_snappy(block: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<(), RecordError> {
    const MALFORMED: RecordError = RecordError::MalformedCompression(Compression::Snappy);
    let size = snap::raw::decompress_len(block).map_err(|_| MALFORMED)?;
    if size > block.len().saturating_mul(SNAPPY_EXPANSION_MAX) {
        return Err(MALFORMED);
    }
    let start = out.len();
    if size > bytes_max - start {
        return Err(RecordError::TooLarge);
    }
    out.resize(start + size, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]);
    match written {
        Ok(written) if written == size => Ok(()),
        _ => Err(MALFORMED),
    }
}
