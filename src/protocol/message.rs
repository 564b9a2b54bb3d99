use bytes::{BufMut, Bytes, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::reader::Reader;
use super::uuid::Uuid;
use super::view::View;

/// A message, or a struct in one. Generated for everything in `schema/*.table`.
pub trait Message: Sized {
    /// Kafka's name.
    const NAME: &'static str;
    /// The versions that can be written and read. What a broker offers may be less:
    /// [`ApiKey::versions`](super::ApiKey::versions).
    const VERSIONS: VersionRange;

    /// Appends the message to `out`. An error when it says something that the version cannot say;
    /// `out` then holds a part of it.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// Takes the message from `input`. Bytes behind it are left in `input`.
    fn decode(version: i16, input: &mut Reader) -> Result<Self, DecodeError>;

    /// The fields of that version by name.
    fn view(&self, version: i16) -> View;
}

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` is in the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// What generated code calls for each field. `flexible` says whether the version has compact
/// lengths (KIP-482).
pub(super) trait Field: Sized {
    fn put(&self, out: &mut BytesMut, version: i16, flexible: bool) -> Result<(), EncodeError>;
    fn take(input: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError>;
    fn view(&self, version: i16) -> View;
}

/// A type that has a null on the wire.
pub(super) trait Nullable: Field {
    fn put_null(out: &mut BytesMut, flexible: bool);
    fn take_nullable(
        input: &mut Reader,
        version: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError>;
}

impl<T: Nullable> Field for Option<T> {
    fn put(&self, out: &mut BytesMut, version: i16, flexible: bool) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.put(out, version, flexible),
            None => {
                T::put_null(out, flexible);
                Ok(())
            }
        }
    }

    fn take(input: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        T::take_nullable(input, version, flexible)
    }

    fn view(&self, version: i16) -> View {
        self.as_ref()
            .map_or(View::Null, |value| value.view(version))
    }
}

macro_rules! number {
    ($type:ty, $put:ident, $take:ident) => {
        impl Field for $type {
            fn put(&self, out: &mut BytesMut, _: i16, _: bool) -> Result<(), EncodeError> {
                out.$put(*self);
                Ok(())
            }

            fn take(input: &mut Reader, _: i16, _: bool) -> Result<Self, DecodeError> {
                input.$take()
            }

            fn view(&self, _: i16) -> View {
                View::Int(i64::from(*self))
            }
        }
    };
}

number!(i8, put_i8, i8);
number!(i16, put_i16, i16);
number!(u16, put_u16, u16);
number!(i32, put_i32, i32);
number!(i64, put_i64, i64);

impl Field for bool {
    fn put(&self, out: &mut BytesMut, _: i16, _: bool) -> Result<(), EncodeError> {
        out.put_u8(u8::from(*self));
        Ok(())
    }

    fn take(input: &mut Reader, _: i16, _: bool) -> Result<Self, DecodeError> {
        input.bool()
    }

    fn view(&self, _: i16) -> View {
        View::Bool(*self)
    }
}

impl Field for Uuid {
    fn put(&self, out: &mut BytesMut, _: i16, _: bool) -> Result<(), EncodeError> {
        out.put_slice(&self.0);
        Ok(())
    }

    fn take(input: &mut Reader, _: i16, _: bool) -> Result<Self, DecodeError> {
        input.uuid()
    }

    fn view(&self, _: i16) -> View {
        View::Uuid(*self)
    }
}

impl Field for String {
    fn put(&self, out: &mut BytesMut, _: i16, flexible: bool) -> Result<(), EncodeError> {
        // Kafka's limit in flexible versions too.
        let len =
            i16::try_from(self.len()).map_err(|_| EncodeError::TooLong { len: self.len() })?;
        if flexible {
            put_unsigned_varint(out, len as u32 + 1);
        } else {
            out.put_i16(len);
        }
        out.put_slice(self.as_bytes());
        Ok(())
    }

    fn take(input: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        Self::take_nullable(input, version, flexible)?.ok_or(DecodeError::UnexpectedNull)
    }

    fn view(&self, _: i16) -> View {
        View::Text(self.clone())
    }
}

impl Nullable for String {
    fn put_null(out: &mut BytesMut, flexible: bool) {
        if flexible {
            put_unsigned_varint(out, 0)
        } else {
            out.put_i16(-1)
        }
    }

    fn take_nullable(
        input: &mut Reader,
        _: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(len) = input.string_length(flexible)? else {
            return Ok(None);
        };
        let bytes = input.bytes(len)?;
        let text = str::from_utf8(&bytes).map_err(|_| DecodeError::InvalidUtf8)?;
        Ok(Some(text.to_string()))
    }
}

impl Field for Bytes {
    fn put(&self, out: &mut BytesMut, _: i16, flexible: bool) -> Result<(), EncodeError> {
        put_length(out, self.len(), flexible)?;
        out.put_slice(self);
        Ok(())
    }

    fn take(input: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        Self::take_nullable(input, version, flexible)?.ok_or(DecodeError::UnexpectedNull)
    }

    fn view(&self, _: i16) -> View {
        View::Bytes(self.clone())
    }
}

impl Nullable for Bytes {
    fn put_null(out: &mut BytesMut, flexible: bool) {
        put_null_length(out, flexible);
    }

    fn take_nullable(
        input: &mut Reader,
        _: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(len) = input.length(flexible)? else {
            return Ok(None);
        };
        input.bytes(len).map(Some)
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut BytesMut, version: i16, flexible: bool) -> Result<(), EncodeError> {
        put_length(out, self.len(), flexible)?;
        self.iter()
            .try_for_each(|item| item.put(out, version, flexible))
    }

    fn take(input: &mut Reader, version: i16, flexible: bool) -> Result<Self, DecodeError> {
        Self::take_nullable(input, version, flexible)?.ok_or(DecodeError::UnexpectedNull)
    }

    fn view(&self, version: i16) -> View {
        View::List(self.iter().map(|item| item.view(version)).collect())
    }
}

impl<T: Field> Nullable for Vec<T> {
    fn put_null(out: &mut BytesMut, flexible: bool) {
        put_null_length(out, flexible);
    }

    fn take_nullable(
        input: &mut Reader,
        version: i16,
        flexible: bool,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(len) = input.length(flexible)? else {
            return Ok(None);
        };
        // A count is a claim: before elements prove it, no more memory than the bytes that remain.
        let justified = input.remaining() / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(len.min(justified));
        for _ in 0..len {
            items.push(T::take(input, version, flexible)?);
        }
        Ok(Some(items))
    }
}

impl<M: Message> Field for M {
    fn put(&self, out: &mut BytesMut, version: i16, _: bool) -> Result<(), EncodeError> {
        self.encode(version, out)
    }

    fn take(input: &mut Reader, version: i16, _: bool) -> Result<Self, DecodeError> {
        M::decode(version, input)
    }

    fn view(&self, version: i16) -> View {
        Message::view(self, version)
    }
}

/// The tagged fields of a struct while it is encoded: those that the table knows and those that it
/// kept for a newer peer, written in the order of their tags.
#[derive(Default)]
pub(super) struct TaggedFields {
    fields: Vec<(u32, Bytes)>,
}

impl TaggedFields {
    pub(super) fn put(
        &mut self,
        tag: u32,
        value: &impl Field,
        version: i16,
    ) -> Result<(), EncodeError> {
        let mut bytes = BytesMut::new();
        value.put(&mut bytes, version, true)?;
        self.fields.push((tag, bytes.freeze()));
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        unknown: &[(u32, Bytes)],
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.fields.extend_from_slice(unknown);
        self.fields.sort_by_key(|(tag, _)| *tag);
        if let Some(pair) = self.fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(EncodeError::DuplicateTag { tag: pair[0].0 });
        }
        put_unsigned_varint(out, self.fields.len() as u32);
        for (tag, bytes) in &self.fields {
            put_unsigned_varint(out, *tag);
            put_unsigned_varint(out, length_of(bytes.len())? as u32);
            out.put_slice(bytes);
        }
        Ok(())
    }
}

/// Appends an UNSIGNED_VARINT.
pub(super) fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn put_length(out: &mut BytesMut, len: usize, flexible: bool) -> Result<(), EncodeError> {
    let length = length_of(len)?;
    if flexible {
        put_unsigned_varint(out, length as u32 + 1);
    } else {
        out.put_i32(length);
    }
    Ok(())
}

fn put_null_length(out: &mut BytesMut, flexible: bool) {
    if flexible {
        put_unsigned_varint(out, 0)
    } else {
        out.put_i32(-1)
    }
}

fn length_of(len: usize) -> Result<i32, EncodeError> {
    i32::try_from(len).map_err(|_| EncodeError::TooLong { len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::fetch_request::FetchRequest;
    use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
    use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};

    fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::new();
        message.encode(version, &mut out).map(|()| out.freeze())
    }

    #[test]
    fn a_field_that_the_version_does_not_have_is_an_error_unless_it_may_be_ignored() {
        let static_member = HeartbeatRequest {
            group_instance_id: Some("i".to_string()),
            ..Default::default()
        };
        assert_eq!(
            encode(&static_member, 2),
            Err(EncodeError::FieldNotInVersion {
                message: "HeartbeatRequest",
                field: "group_instance_id",
                version: 2
            })
        );
        assert!(encode(&static_member, 3).is_ok());

        let ignorable = FetchRequest {
            rack_id: "r".to_string(),
            ..Default::default()
        };
        assert_eq!(encode(&ignorable, 10), encode(&FetchRequest::default(), 10));
    }

    #[test]
    fn null_that_the_version_does_not_have_is_an_error() {
        let all_topics = MetadataRequest {
            topics: None,
            ..Default::default()
        };
        assert_eq!(
            encode(&all_topics, 0),
            Err(EncodeError::NullNotInVersion {
                message: "MetadataRequest",
                field: "topics",
                version: 0
            })
        );
        assert!(encode(&all_topics, 1).is_ok());
    }

    #[test]
    fn a_version_that_the_table_does_not_have_is_an_error() {
        let request = FetchRequest::default();
        let unsupported = |version| EncodeError::UnsupportedVersion {
            message: "FetchRequest",
            version,
        };
        assert_eq!(encode(&request, 3), Err(unsupported(3)));
        assert_eq!(encode(&request, 19), Err(unsupported(19)));
    }

    #[test]
    fn tagged_fields_that_nobody_knows_are_kept_in_the_order_of_their_tags() {
        let tags = vec![
            (9, Bytes::from_static(b"nine")),
            (3, Bytes::from_static(b"three")),
        ];
        let request = MetadataRequest {
            unknown_tagged_fields: tags,
            ..Default::default()
        };
        let bytes = encode(&request, 9).unwrap();
        let decoded = MetadataRequest::decode(9, &mut Reader::new(bytes.clone())).unwrap();
        assert_eq!(
            decoded.unknown_tagged_fields,
            [
                (3, Bytes::from_static(b"three")),
                (9, Bytes::from_static(b"nine"))
            ]
        );
        assert_eq!(encode(&decoded, 9), Ok(bytes));
        assert_eq!(
            encode(&decoded, 8),
            Err(EncodeError::TaggedFieldsNotInVersion {
                message: "MetadataRequest",
                version: 8
            })
        );
    }

    #[test]
    fn a_tag_that_is_there_twice_is_an_error() {
        let tags = vec![(3, Bytes::new()), (3, Bytes::new())];
        let request = MetadataRequest {
            unknown_tagged_fields: tags,
            ..Default::default()
        };
        assert_eq!(
            encode(&request, 9),
            Err(EncodeError::DuplicateTag { tag: 3 })
        );
    }

    #[test]
    fn a_string_beyond_its_length_field_is_an_error() {
        let topic = MetadataRequestTopic {
            name: Some("x".repeat(32_768)),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            ..Default::default()
        };
        for version in [1, 9] {
            assert_eq!(
                encode(&request, version),
                Err(EncodeError::TooLong { len: 32_768 })
            );
        }
    }

    #[test]
    fn a_view_has_the_fields_of_the_version() {
        let request = MetadataRequest {
            topics: None,
            ..Default::default()
        };
        let view = |version| Message::view(&request, version).to_string();
        assert_eq!(view(1), r#"{"topics":null}"#);
        assert_eq!(
            view(4),
            r#"{"topics":null,"allow_auto_topic_creation":true}"#
        );
    }
}
