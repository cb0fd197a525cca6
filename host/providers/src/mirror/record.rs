//! What the mirror knows of a release, a file of its own on disk: written once with the release's sums, and again
//! when a package was hashed. It never changes otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cache::Known;
use crate::hashing::Sha256Sum;
use crate::sources::LockSet;
use crate::{Address, Hash, Platform, Version};

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The document's format; a higher one is a newer program's.
    pub format: u32,
    /// The provider's address, as people write it.
    pub provider: String,
    /// The version.
    pub version: String,
    /// By platform, its package.
    pub packages: BTreeMap<String, Package>,
    /// Every sum that was signed, the manifest's too.
    pub sums: BTreeMap<String, Sha256Sum>,
    /// What vouches for the sums.
    pub signed: Option<Signed>,
    /// The plugin protocols that the registry names.
    pub protocols: Vec<String>,
    /// The registry, or who uploaded it.
    pub origin: String,
    /// When it was first seen, in seconds since 1970.
    pub at: u64,
}

/// A release's signature, as its registry gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The ID of the key; none, if the registry may go unsigned.
    pub key: Option<String>,
    /// `SHA256SUMS`, byte for byte, in base64.
    pub document: String,
    /// Its binary signature, in base64.
    pub signature: String,
    /// The keys that the registry names, in its own JSON.
    pub keys: serde_json::Value,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The zip's file name.
    pub filename: String,
    /// Its SHA-256.
    pub sha256: Sha256Sum,
    /// What it hashes to; none until it was downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

/// The present [`Record::format`].
pub const FORMAT: u32 = 1;

impl Record {
    /// Whether it was uploaded, and is not a registry's.
    #[must_use]
    pub fn is_uploaded(&self) -> bool {
        self.signed.is_none()
    }

    /// Whether every package was hashed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.packages.values().all(|package| package.known.is_some())
    }

    /// The hashes that a client may hold the package's zip against and lock: its `h1:`, once it is known, and its `zh:`.
    #[must_use]
    pub fn hashes(&self, platform: &str) -> Vec<String> {
        let Some(package) = self.packages.get(platform) else { return Vec::new() };
        let h1 = package.known.as_ref().and_then(Known::hashes).map(|hashes| hashes.h1);
        h1.iter().chain([&package.sha256.zh()]).map(Hash::to_string).collect()
    }

    /// Everything that a lock file may hold of the release.
    #[must_use]
    pub fn lock_set(&self) -> LockSet {
        let h1 = |(platform, package): (&String, &Package)| {
            let hashes = package.known.as_ref()?.hashes()?;
            Some((platform.clone(), hashes.h1.to_string()))
        };
        let mut zh: Vec<_> = self.sums.values().map(|sum| sum.zh().to_string()).collect();
        zh.sort();
        zh.dedup();
        LockSet {
            zh,
            h1: self.packages.iter().filter_map(h1).collect(),
            signed_by: self.signed.as_ref().and_then(|signed| signed.key.clone()),
            origin: self.origin.clone(),
            at: self.at,
            complete: self.is_complete(),
        }
    }
}

/// Platform and sum of every package in a release's sums, by the names that all packages have.
pub(super) fn packages(
    provider: &Address,
    version: &Version,
    sums: &BTreeMap<String, Sha256Sum>,
) -> BTreeMap<String, Package> {
    let prefix = format!("terraform-provider-{}_{version}_", provider.kind());
    let package = |(name, sum): (&String, &Sha256Sum)| {
        let platform: Platform = name.strip_prefix(&prefix)?.strip_suffix(".zip")?.parse().ok()?;
        Some((platform.to_string(), Package { filename: name.clone(), sha256: *sum, known: None }))
    };
    sums.iter().filter_map(package).collect()
}
