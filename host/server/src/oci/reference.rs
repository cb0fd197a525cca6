//! `oci://registry/repository@sha256:HEX`

use std::fmt;
use std::str::FromStr;

use tofu_state_providers::oci::name::{host, is_loopback, is_registry, is_repository};

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
