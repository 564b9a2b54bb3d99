use bytes::{Buf, Bytes};

use super::error::DecodeError;
use super::uuid::Uuid;

/// Takes Kafka's primitive types from the front of a frame. Never copies bytes, and never trusts a
/// length: everything taken is checked against the bytes that remain.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
}

impl Reader {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes }
    }

    /// Bytes that were not taken yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Everything that was not taken yet.
    pub fn rest(self) -> Bytes {
        self.bytes
    }

    /// Ends the reading; an error when bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(DecodeError::TrailingBytes { bytes }),
        }
    }

    /// The next `len` bytes, shared with the frame.
    pub fn bytes(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        self.need(len)?;
        Ok(self.bytes.split_to(len))
    }

    /// A boolean; any byte but 0 is true, as in Kafka.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// INT8.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.need(1)?;
        Ok(self.bytes.get_i8())
    }

    /// INT16.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.need(2)?;
        Ok(self.bytes.get_i16())
    }

    /// UINT16.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.need(2)?;
        Ok(self.bytes.get_u16())
    }

    /// INT32.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.need(4)?;
        Ok(self.bytes.get_i32())
    }

    /// INT64.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.need(8)?;
        Ok(self.bytes.get_i64())
    }

    /// UUID.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.need(16)?;
        let mut bytes = [0; 16];
        self.bytes.copy_to_slice(&mut bytes);
        Ok(Uuid(bytes))
    }

    /// UNSIGNED_VARINT: seven bits a byte, the low ones first, at most five bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.i8()? as u8;
            // The fifth byte has room for four bits.
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::VarintTooLong);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong)
    }

    /// The length of an array, or of bytes: INT32, or one more than it as an UNSIGNED_VARINT.
    /// `None` stands for null. Never more than the bytes that remain, since every element takes at
    /// least one of them.
    pub fn length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let length = if flexible {
            i64::from(self.unsigned_varint()?) - 1
        } else {
            i64::from(self.i32()?)
        };
        self.checked_length(length)
    }

    /// The length of a string: INT16, or one more than it as an UNSIGNED_VARINT, which may not be
    /// larger for that.
    pub fn string_length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let length = if flexible {
            i64::from(self.unsigned_varint()?) - 1
        } else {
            i64::from(self.i16()?)
        };
        if length > i64::from(i16::MAX) {
            return Err(DecodeError::StringTooLong { length });
        }
        self.checked_length(length)
    }

    /// The tagged fields at the end of a struct, each as its tag and a reader of its bytes.
    pub fn tagged_fields(
        &mut self,
        mut each: impl FnMut(u32, Reader) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            each(tag, Reader::new(self.bytes(size as usize)?))?;
        }
        Ok(())
    }

    fn checked_length(&self, length: i64) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(length) {
            Ok(length) => self.need(length).map(|()| Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::NegativeLength { length }),
        }
    }

    fn need(&self, bytes: usize) -> Result<(), DecodeError> {
        if bytes > self.remaining() {
            return Err(DecodeError::Truncated {
                needed: bytes,
                remaining: self.remaining(),
            });
        }
        Ok(())
    }
}
