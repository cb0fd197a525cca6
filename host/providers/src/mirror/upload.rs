//! Uploads of private providers, package by package. A package that is there is never replaced.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::record::{FORMAT, Package, Record};
use super::{Mirror, MirrorError, count};
use crate::cache::now;
use crate::fetch::Fetched;
use crate::{Address, Platform, Version};

/// How the origin of what was uploaded begins.
pub(super) const ORIGIN: &str = "uploaded by ";

impl Mirror {
    /// Where an upload is put while it comes.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.inner.archives.incoming()
    }

    /// Whether packages of that provider are taken in.
    #[must_use]
    pub fn takes(&self, provider: &Address) -> bool {
        self.is_uploaded(provider)
    }

    /// Takes a package in. The same once more changes nothing, and gives `false`.
    ///
    /// # Errors
    /// See [`MirrorError`]; [`MirrorError::Conflict`] if there is another zip for that platform.
    pub async fn upload(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
        zip: Fetched,
        by: &str,
    ) -> Result<bool, MirrorError> {
        if !self.is_uploaded(provider) {
            return Err(MirrorError::NotAllowed(provider.clone()));
        }
        let inner = &self.inner;
        let _turn = inner.flights.turn(format!("release {provider} {version}")).await;
        let (name, sha256) = (platform.to_string(), zip.sha256);
        let mut record = inner.records.get(provider, version)?.unwrap_or_else(|| Record {
            format: FORMAT,
            provider: provider.to_string(),
            version: version.to_string(),
            packages: BTreeMap::new(),
            sums: BTreeMap::new(),
            signed: None,
            protocols: vec!["5.0".to_owned()],
            origin: format!("{ORIGIN}{by}"),
            at: now(),
        });
        let named = format!("{provider} {version} for {platform}");
        match record.packages.get(&name) {
            Some(package) if package.sha256 != sha256 => {
                return Err(MirrorError::Conflict(format!(
                    "{named} is there already, with the SHA-256 {}: a release does not change; upload a new version",
                    package.sha256
                )));
            }
            Some(_) if inner.archives.path_of(&sha256).is_some() => return Ok(false),
            _ => {}
        }
        self.keep(zip, &format!("{ORIGIN}{by}"), &named).await?;
        let filename = format!("terraform-provider-{}_{version}_{platform}.zip", provider.kind());
        record.sums.insert(filename.clone(), sha256);
        record.packages.insert(name, Package { filename, sha256, known: None });
        inner.records.put(provider, version, &record)?;
        count(&inner.counters.uploaded);
        Ok(true)
    }
}
