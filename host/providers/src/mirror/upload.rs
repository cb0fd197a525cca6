//! Uploads of private providers, package by package. A package that is there is never replaced.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::record::{FORMAT, Package, Record};
use super::{Mirror, MirrorError, count, keep};
use crate::cache::now;
use crate::fetch::Fetched;
use crate::hashing::Sha256Sum;
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
        let upload = Upload {
            provider: provider.clone(),
            version: version.clone(),
            platform: platform.clone(),
            origin: format!("{ORIGIN}{by}"),
        };
        // Where files cannot be locked, it is enough for one process.
        let turn = self.inner.flights.turn(format!("release {provider} {version}")).await;
        let new = self.on_disk(move |mirror| {
            let _turn = turn;
            mirror.take(&upload, zip)
        });
        let new = new.await?;
        if new {
            count(&self.inner.counters.uploaded);
        }
        Ok(new)
    }

    /// Blocks.
    fn take(&self, upload: &Upload, zip: Fetched) -> Result<bool, MirrorError> {
        let Upload { provider, version, platform, origin } = upload;
        let (records, sha256) = (&self.inner.records, zip.sha256);
        // Before it is hashed, which takes its time.
        if let Some(record) = records.get(provider, version)?
            && self.has(&record, upload, &sha256)?
        {
            return Ok(false);
        }
        let hashes = keep::hashes(&zip, &upload.to_string())?;
        records.update(provider, version, |old| {
            let mut record = old.unwrap_or_else(|| upload.first());
            if self.has(&record, upload, &sha256)? {
                return Ok((None, false));
            }
            self.shelve(zip, &hashes, origin)?;
            let filename = format!("terraform-provider-{}_{version}_{platform}.zip", provider.kind());
            record.sums.insert(filename.clone(), sha256);
            record.packages.insert(platform.to_string(), Package { filename, sha256, known: None });
            Ok((Some(record), true))
        })
    }

    /// Whether that very package is there, whole.
    fn has(&self, record: &Record, upload: &Upload, sha256: &Sha256Sum) -> Result<bool, MirrorError> {
        match record.packages.get(&upload.platform.to_string()) {
            Some(package) if package.sha256 != *sha256 => Err(MirrorError::Conflict(format!(
                "{upload} is there already, with the SHA-256 {}: a release does not change; upload a new version",
                package.sha256
            ))),
            Some(_) => Ok(self.whole(sha256, &upload.to_string())?.is_some()),
            None => Ok(false),
        }
    }
}

/// What is uploaded.
struct Upload {
    provider: Address,
    version: Version,
    platform: Platform,
    origin: String,
}

impl Upload {
    /// The record of a release of which nothing was uploaded yet.
    fn first(&self) -> Record {
        Record {
            format: FORMAT,
            provider: self.provider.to_string(),
            version: self.version.to_string(),
            packages: BTreeMap::new(),
            sums: BTreeMap::new(),
            signed: None,
            protocols: vec!["5.0".to_owned()],
            origin: self.origin.clone(),
            at: now(),
        }
    }
}

impl fmt::Display for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {}", self.provider, self.version, self.platform)
    }
}
