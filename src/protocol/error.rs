use std::error::Error;
use std::fmt;

/// Why bytes are not the message that they should be. A broker closes the connection, as Kafka does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A length, a count or a fixed type reaches beyond the end.
    Truncated {
        /// Bytes that must follow.
        needed: usize,
        /// Bytes that do.
        remaining: usize,
    },
    /// A length below -1, which stands for null.
    NegativeLength {
        /// What was read.
        length: i64,
    },
    /// A string beyond 32,767 bytes, which Kafka allows in no version.
    StringTooLong {
        /// What was read.
        length: i64,
    },
    /// Null where this version has none.
    UnexpectedNull,
    /// A string that is not UTF-8.
    InvalidUtf8,
    /// An unsigned varint beyond 32 bits.
    VarintTooLong,
    /// Bytes behind the end of a message or a tagged field.
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// The table has no such version of the message.
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A record type or key version that the table does not have.
    UnknownRecord {
        /// The number that says what the record is.
        key: i16,
    },
    /// A metadata record in a frame that is not version 1.
    UnknownFrameVersion {
        /// The version read.
        version: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, remaining } => {
                write!(f, "{needed} bytes are needed, {remaining} remain")
            }
            Self::NegativeLength { length } => write!(f, "the length {length} is negative"),
            Self::StringTooLong { length } => write!(f, "a string has {length} bytes"),
            Self::UnexpectedNull => write!(f, "a field that cannot be null is null"),
            Self::InvalidUtf8 => write!(f, "a string is not UTF-8"),
            Self::VarintTooLong => write!(f, "an unsigned varint is longer than 32 bits"),
            Self::TrailingBytes { bytes } => write!(f, "{bytes} bytes are left over"),
            Self::UnsupportedVersion { message, version } => {
                write!(f, "{message} has no version {version}")
            }
            Self::UnknownRecord { key } => write!(f, "there is no record type {key}"),
            Self::UnknownFrameVersion { version } => {
                write!(f, "there is no metadata record frame of version {version}")
            }
        }
    }
}

impl Error for DecodeError {}

/// Why a message cannot be written in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The table has no such version of the message.
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field has a value that matters and does not exist in the version.
    FieldNotInVersion {
        /// The struct's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field is null, which the version does not allow.
    NullNotInVersion {
        /// The struct's name.
        message: &'static str,
        /// The field's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Tagged fields in a version without them.
    TaggedFieldsNotInVersion {
        /// The struct's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A tag that is there twice.
    DuplicateTag {
        /// The tag.
        tag: u32,
    },
    /// A string, array or byte sequence that is longer than its length field can say.
    TooLong {
        /// Its length.
        len: usize,
    },
    /// The response belongs to another API than the request.
    ApiKeyMismatch,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion { message, version } => {
                write!(f, "{message} has no version {version}")
            }
            Self::FieldNotInVersion {
                message,
                field,
                version,
            } => {
                write!(f, "{message} has no field {field} in version {version}")
            }
            Self::NullNotInVersion {
                message,
                field,
                version,
            } => {
                write!(
                    f,
                    "{field} of {message} cannot be null in version {version}"
                )
            }
            Self::TaggedFieldsNotInVersion { message, version } => {
                write!(f, "{message} has no tagged fields in version {version}")
            }
            Self::DuplicateTag { tag } => write!(f, "the tag {tag} is there twice"),
            Self::TooLong { len } => write!(f, "the length {len} does not fit its length field"),
            Self::ApiKeyMismatch => write!(f, "the message belongs to another api key"),
        }
    }
}

impl Error for EncodeError {}
