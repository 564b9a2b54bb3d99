//! ApiVersions (key 18): what this broker speaks.

use super::Progress;
use super::connections::RequestContext;
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use crate::protocol::{ApiKey, ErrorCode, Listener, Response};

pub(super) fn handle(context: &RequestContext, request: ApiVersionsRequest) -> Progress {
    let named = 3 <= context.api_version;
    let error = if named
        && !(is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version))
    {
        ErrorCode::InvalidRequest
    } else {
        ErrorCode::None
    };
    let api_keys = if error == ErrorCode::None {
        ApiKey::ALL
            .iter()
            .copied()
            .filter(|key| is_served(*key))
            .map(api_version)
            .collect()
    } else {
        Vec::new()
    };
    Progress::Respond(Response::ApiVersions(ApiVersionsResponse {
        error_code: error.code(),
        api_keys,
        ..Default::default()
    }))
}

/// Whether this broker's clients may send requests of an API. Transactions are not served yet.
pub(super) fn is_served(api_key: ApiKey) -> bool {
    let of_transactions = matches!(
        api_key,
        ApiKey::AddPartitionsToTxn
            | ApiKey::AddOffsetsToTxn
            | ApiKey::EndTxn
            | ApiKey::WriteTxnMarkers
            | ApiKey::TxnOffsetCommit
    );
    api_key.listener() != Listener::Controller && !of_transactions
}

/// The answer to an ApiVersions request of an unknown version: in version 0 (KIP-511), so that the
/// client can choose another.
pub(super) fn unsupported() -> Response {
    Response::ApiVersions(ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![api_version(ApiKey::ApiVersions)],
        ..Default::default()
    })
}

fn api_version(api_key: ApiKey) -> ApiVersion {
    let versions = api_key.versions();
    ApiVersion {
        api_key: api_key.code(),
        min_version: versions.min,
        max_version: versions.max,
        ..Default::default()
    }
}

/// `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`:
/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_software_name;

    #[test]
    fn software_names_follow_the_pattern_of_kip_511() {
        for good in ["a", "apache-kafka-java", "2.0.2", "x--y"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "kafka.js.", "ä"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
