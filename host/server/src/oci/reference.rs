//! `oci://registry/repository@sha256:HEX`

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Names one manifest in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry: a host, with a port if it is not the usual one.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The manifest's SHA-256, in lower-case hex.
    pub sha256: String,
}

/// The text is no such reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected oci://REGISTRY/REPOSITORY@sha256:DIGEST with 64 hex digits; a tag alone can change and is not taken")]
pub struct NoReference;

/// What every reference begins with.
pub const SCHEME: &str = "oci://";

/// The longest repository that registries take.
const LONGEST_REPOSITORY: usize = 255;

impl FromStr for Reference {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        let rest = text.strip_prefix(SCHEME).ok_or(NoReference)?;
        let (name, sha256) = rest.split_once("@sha256:").ok_or(NoReference)?;
        let (registry, repository) = name.split_once('/').ok_or(NoReference)?;
        // A tag beside the digest is for people.
        let repository = repository.split_once(':').map_or(repository, |(repository, _)| repository);
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_digest || !is_registry(registry) || !is_repository(repository) {
            return Err(NoReference);
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            sha256: sha256.to_ascii_lowercase(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, sha256 } = self;
        write!(f, "{SCHEME}{registry}/{repository}@sha256:{sha256}")
    }
}

impl Reference {
    /// Whether the registry runs on this machine: only there it may speak plain HTTP.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(host(&self.registry))
    }
}

/// Whether `host`, as it stands in a URL, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The registry without its port.
pub(super) fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn is_registry(registry: &str) -> bool {
    let host = host(registry);
    let is_name = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) && !host.is_empty()
    };
    let is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()));
    is_name(host) || is_ipv6
}

/// Lower-case words with single separators between them (the distribution specification's grammar, without its finer
/// points: the registry has the last word).
fn is_repository(repository: &str) -> bool {
    let part = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    repository.len() <= LONGEST_REPOSITORY && repository.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_the_form_and_nothing_else() {
        for (registry, repository, loopback) in [
            ("ghcr.io", "team/policies/freeze", false),
            ("127.0.0.1:5000", "p", true),
            ("[::1]:5000", "p", true),
            ("localhost:5000", "a.b_c-d/e", true),
            ("localhost.example.com", "p", false),
        ] {
            let text = format!("oci://{registry}/{repository}@sha256:{DIGEST}");
            let reference: Reference = text.parse().unwrap();
            assert_eq!((&*reference.registry, &*reference.repository), (registry, repository));
            assert_eq!(reference.is_loopback(), loopback, "{registry}");
            assert_eq!(reference.to_string(), text);
        }
        let tagged: Reference = format!("oci://r.io/p/q:v1@sha256:{}", DIGEST.to_uppercase()).parse().unwrap();
        assert_eq!((&*tagged.repository, &*tagged.sha256), ("p/q", DIGEST));
        for bad in [
            format!("r.io/p@sha256:{DIGEST}"),
            "oci://r.io/p:v1".to_owned(),
            format!("oci://r.io@sha256:{DIGEST}"),
            format!("oci:///p@sha256:{DIGEST}"),
            format!("oci://r.io/@sha256:{DIGEST}"),
            format!("oci://r.io/../p@sha256:{DIGEST}"),
            format!("oci://r.io/p//q@sha256:{DIGEST}"),
            format!("oci://r.io/P@sha256:{DIGEST}"),
            format!("oci://user@r.io/p@sha256:{DIGEST}"),
            format!("oci://r.io/p?x@sha256:{DIGEST}"),
            format!("oci://r.io/p@sha256:{}", &DIGEST[1..]),
            format!("oci://r.io/p@sha256:{DIGEST}0"),
        ] {
            assert_eq!(bad.parse::<Reference>(), Err(NoReference), "{bad}");
        }
    }
}
