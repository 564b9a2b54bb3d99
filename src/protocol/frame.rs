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

/// The largest frame, in bytes: Kafka's `socket.request.max.bytes`. An edge that reads lengths from
/// a socket must close the connection at a larger one before it buffers anything.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Reads a request frame, without its length prefix. Bytes behind the body are ignored, as Kafka
/// ignores them.
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, Request), RequestError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(RequestError::TooLarge { bytes: frame.len() });
    }
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
    /// The frame is larger than [`FRAME_BYTES_MAX`]. Close the connection.
    TooLarge {
        /// The length of the frame.
        bytes: usize,
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
            Self::TooLarge { bytes } => write!(f, "the request has {bytes} bytes"),
            Self::Malformed(error) => write!(f, "the request is malformed: {error}"),
        }
    }
}

impl Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;
    use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
    use crate::protocol::messages::api_versions_response::ApiVersionsResponse;
    use crate::protocol::messages::heartbeat_response::HeartbeatResponse;
    use crate::protocol::messages::metadata_request::MetadataRequest;

    fn header(api_key: ApiKey, version: i16) -> RequestHeader {
        RequestHeader {
            request_api_key: api_key.code(),
            request_api_version: version,
            correlation_id: 7,
            client_id: Some("client".to_string()),
            ..Default::default()
        }
    }

    #[test]
    fn a_request_comes_out_as_it_went_in() {
        let header = header(ApiKey::Metadata, 12);
        let request = Request::from(MetadataRequest {
            topics: None,
            ..Default::default()
        });
        let frame = encode_request(&header, &request).unwrap();
        assert_eq!(decode_request(frame), Ok((header, request)));
    }

    #[test]
    fn an_api_versions_request_from_the_future_is_told_with_its_header() {
        // KIP-511: the header of a flexible version can be read, whatever the body is.
        let mut frame = BytesMut::new();
        let header = header(ApiKey::ApiVersions, 99);
        header.encode(2, &mut frame).unwrap();
        frame.extend_from_slice(b"who knows");
        assert_eq!(
            decode_request(frame.freeze()),
            Err(RequestError::UnsupportedVersion {
                api_key: ApiKey::ApiVersions,
                header
            })
        );
    }

    #[test]
    fn a_version_below_what_is_served_is_told_with_its_header() {
        for (api_key, version) in [
            (ApiKey::Fetch, 3),
            (ApiKey::Produce, 2),
            (ApiKey::Fetch, -1),
        ] {
            let mut frame = BytesMut::new();
            let header = header(api_key, version);
            header.encode(1, &mut frame).unwrap();
            assert_eq!(
                decode_request(frame.freeze()),
                Err(RequestError::UnsupportedVersion { api_key, header })
            );
        }
    }

    #[test]
    fn an_api_that_is_not_served_is_told() {
        let frame = Bytes::from_static(&[0, 17, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(
            decode_request(frame),
            Err(RequestError::UnknownApiKey { code: 17 })
        );
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused() {
        let bytes = FRAME_BYTES_MAX + 1;
        let frame = Bytes::from(vec![0; bytes]);
        assert_eq!(decode_request(frame), Err(RequestError::TooLarge { bytes }));
    }

    #[test]
    fn the_answer_to_an_unknown_version_can_be_read_as_version_0() {
        let response = Response::from(ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..Default::default()
        });
        let frame = encode_response(ApiKey::ApiVersions, 0, 7, &response).unwrap();
        assert_eq!(&frame[..], [0, 0, 0, 7, 0, 35, 0, 0, 0, 0]);
        assert_eq!(
            decode_response(ApiKey::ApiVersions, 0, frame),
            Ok((7, response))
        );
    }

    #[test]
    fn header_and_body_of_different_apis_are_not_written() {
        let request = Request::from(ApiVersionsRequest::default());
        let mismatch = Err(EncodeError::ApiKeyMismatch);
        assert_eq!(
            encode_request(&header(ApiKey::Metadata, 1), &request),
            mismatch
        );
        let response = Response::from(HeartbeatResponse::default());
        assert_eq!(encode_response(ApiKey::Metadata, 1, 7, &response), mismatch);
    }

    #[test]
    fn a_negative_api_version_never_counts_as_flexible() {
        assert_eq!(ApiKey::BrokerHeartbeat.request_header_version(-1), 1);
    }
}
