use std::error::Error;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::api_key::ApiKey;
use super::error::{DecodeError, EncodeError};
use super::message::{Message, VersionRange};
use super::messages::request_header::RequestHeader;
use super::messages::response_header::ResponseHeader;
use super::messages::{Request, Response};
use super::reader::Reader;

/// Reads a request frame, without its length prefix. Bytes behind the body are ignored, as Kafka
/// ignores them.
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, Request), RequestError> {
    let mut peek = Reader::new(frame.clone());
    let code = peek.i16()?;
    let version = peek.i16()?;
    let api_key = ApiKey::from_code(code).ok_or(RequestError::UnknownApiKey { code })?;

    let mut input = Reader::new(frame);
    let header = RequestHeader::decode(api_key.request_header_version(version), &mut input)?;
    if !request_versions(api_key).contains(version) {
        return Err(RequestError::UnsupportedVersion { api_key, header });
    }
    let request = Request::decode(api_key, version, &mut input)?;
    Ok((header, request))
}

/// Writes a request frame, without its length prefix. The header says the version.
pub fn encode_request(header: &RequestHeader, request: &Request) -> Result<Bytes, EncodeError> {
    let api_key = request.api_key();
    if api_key.code() != header.request_api_key {
        return Err(EncodeError::ApiKeyMismatch);
    }
    let version = header.request_api_version;
    let mut frame = BytesMut::new();
    header.encode(api_key.request_header_version(version), &mut frame)?;
    request.encode(version, &mut frame)?;
    Ok(frame.freeze())
}

/// Writes the frame that answers a request of `version`, without its length prefix.
pub fn encode_response(
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &Response,
) -> Result<Bytes, EncodeError> {
    if response.api_key() != api_key {
        return Err(EncodeError::ApiKeyMismatch);
    }
    let header = ResponseHeader {
        correlation_id,
        ..Default::default()
    };
    let mut frame = BytesMut::new();
    header.encode(api_key.response_header_version(version), &mut frame)?;
    response.encode(version, &mut frame)?;
    Ok(frame.freeze())
}

/// Reads the frame that answers a request of `version`: its correlation id and its body.
///
/// A broker that does not know the version of an ApiVersions request answers in version 0
/// (KIP-511); a client that gets an error here should decode the frame again as such.
pub fn decode_response(
    api_key: ApiKey,
    version: i16,
    frame: Bytes,
) -> Result<(i32, Response), DecodeError> {
    let mut input = Reader::new(frame);
    let header = ResponseHeader::decode(api_key.response_header_version(version), &mut input)?;
    let response = Response::decode(api_key, version, &mut input)?;
    Ok((header.correlation_id, response))
}

/// The versions that are decoded: those offered, but for the old ones of Produce.
fn request_versions(api_key: ApiKey) -> VersionRange {
    match api_key {
        ApiKey::Produce => VersionRange {
            min: 3,
            ..api_key.versions()
        },
        _ => api_key.versions(),
    }
}

/// Why a request frame gets no ordinary answer.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestError {
    /// The API is served, not in this version. For ApiVersions, answer version 0 with
    /// UNSUPPORTED_VERSION (KIP-511); for any other, close the connection, as Kafka does.
    UnsupportedVersion {
        /// The API asked for.
        api_key: ApiKey,
        /// Has the version and the correlation id.
        header: RequestHeader,
    },
    /// The API is not served. Close the connection.
    UnknownApiKey {
        /// The number on the wire.
        code: i16,
    },
    /// The bytes are not a request. Close the connection.
    Malformed(DecodeError),
}

impl From<DecodeError> for RequestError {
    fn from(error: DecodeError) -> RequestError {
        RequestError::Malformed(error)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion { api_key, header } => {
                write!(
                    f,
                    "{} {} is not served",
                    api_key.name(),
                    header.request_api_version
                )
            }
            Self::UnknownApiKey { code } => write!(f, "there is no api key {code}"),
            Self::Malformed(error) => write!(f, "the request is malformed: {error}"),
        }
    }
}

impl Error for RequestError {}
