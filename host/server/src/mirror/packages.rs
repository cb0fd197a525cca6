//! Files behind links: packages, whole or from an offset on, and a release's signed sums.

use std::io::{Seek, SeekFrom};

use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE};
use http::{HeaderMap, Response, StatusCode};
use tofu_state_providers::mirror::Mirror;
use tofu_state_providers::{Address, Platform, Version};

use super::reply::{self, Refused};
use crate::listener::outgoing::{Outgoing, Part};

/// The names of a release's sums and of their signature.
pub(super) const SUMS: &str = "SHA256SUMS";
/// See [`SUMS`].
pub(super) const SIGNATURE: &str = "SHA256SUMS.sig";

/// The file of that name in a release.
pub(super) async fn file(
    mirror: &Mirror,
    headers: &HeaderMap,
    address: &Address,
    version: &Version,
    name: &str,
) -> Result<Response<Outgoing>, Refused> {
    let missing = || Refused::not_found("The release has no such file.");
    let record = mirror.release(address, version).await?;
    if let SUMS | SIGNATURE = name {
        let sums = mirror.sums(&record)?;
        return Ok(match name {
            SUMS => reply::whole(sums.document, "text/plain"),
            _ => reply::whole(sums.signature, "application/octet-stream"),
        });
    }
    let named = record.packages.iter().find(|(_, package)| package.filename == name);
    let platform: Platform = named.and_then(|(platform, _)| platform.parse().ok()).ok_or_else(missing)?;
    let (mut file, length, sha256) = mirror.package(address, version, &platform).await?;
    let tag = format!("\"{sha256}\"");
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let same = headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let part = range.filter(|_| same).map_or(Asked::All, |text| asked(text, length));
    let (status, from, count) = match part {
        Asked::All => (StatusCode::OK, 0, length),
        Asked::Part(from, count) => (StatusCode::PARTIAL_CONTENT, from, count),
        Asked::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    if from > 0 {
        file.seek(SeekFrom::Start(from))
            .map_err(|error| Refused::from(tofu_state_providers::mirror::MirrorError::Disk(error)))?;
    }
    let mut response = Response::new(Outgoing::Part(Part::new(tokio::fs::File::from_std(file), count)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (ETAG, tag)));
    let span = match part {
        Asked::All => None,
        Asked::Part(from, count) => {
            Some(format!("bytes {from}-{}/{length}", from.saturating_add(count).saturating_sub(1)))
        }
        Asked::Beyond => Some(format!("bytes */{length}")),
    };
    headers.extend(span.and_then(|span| HeaderValue::from_str(&span).ok()).map(|span| (CONTENT_RANGE, span)));
    Ok(response)
}

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    All,
    /// From an offset, so many bytes.
    Part(u64, u64),
    Beyond,
}

/// One range is given; what is malformed or asks for several gets all (RFC 9110, section 14.2).
fn asked(text: &str, length: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::All;
    };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        (Ok(first), Err(_)) if last.is_empty() => (first, u64::MAX),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => (length.saturating_sub(count), u64::MAX),
        _ => return Asked::All,
    };
    if first >= length {
        return Asked::Beyond;
    }
    let end = last.saturating_add(1).min(length);
    Asked::Part(first, end.saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, expected) in [
            ("bytes=0-", Asked::Part(0, 10)),
            ("bytes=4-", Asked::Part(4, 6)),
            ("bytes=4-5", Asked::Part(4, 2)),
            ("bytes=4-99", Asked::Part(4, 6)),
            ("bytes=-3", Asked::Part(7, 3)),
            ("bytes=-99", Asked::Part(0, 10)),
            ("bytes=10-", Asked::Beyond),
            ("bytes=18446744073709551615-", Asked::Beyond),
            ("bytes=5-4", Asked::All),
            ("bytes=-0", Asked::All),
            ("bytes=1-2,4-5", Asked::All),
            ("lines=1-2", Asked::All),
            ("bytes=x", Asked::All),
        ] {
            assert_eq!(asked(text, 10), expected, "{text}");
        }
    }
}
