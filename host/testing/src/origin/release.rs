//! Releases: what is asked for, and the files that are made of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::content::{self, Content};
use super::signing::Key;

/// The platforms of the seed's users.
pub const PLATFORMS: [&str; 4] = ["darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"];

/// A version of a provider, to be published.
#[derive(Clone, Debug)]
pub struct Release {
    pub(super) provider: String,
    pub(super) version: String,
    platforms: Vec<String>,
    content: Content,
}

impl Release {
    /// A version of the provider `HOST/NAMESPACE/TYPE` for the four [`PLATFORMS`].
    ///
    /// # Panics
    /// If that is no such address.
    #[must_use]
    pub fn new(provider: &str, version: &str) -> Self {
        assert_eq!(provider.split('/').count(), 3, "{provider} is not HOST/NAMESPACE/TYPE");
        let platforms = PLATFORMS.map(str::to_owned).to_vec();
        Self { provider: provider.to_owned(), version: version.to_owned(), platforms, content: Content::default() }
    }

    /// For these platforms only.
    #[must_use]
    pub fn platforms(mut self, platforms: &[&str]) -> Self {
        self.platforms = platforms.iter().map(|&platform| platform.to_owned()).collect();
        self
    }

    /// The zips have entries for their folders.
    #[must_use]
    pub fn folders(mut self) -> Self {
        self.content.folders = true;
        self
    }

    /// The program in each zip has so many bytes.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.content.size = bytes;
        self
    }

    /// Other bytes than the same release without.
    #[must_use]
    pub fn rebuilt(mut self) -> Self {
        self.content.build += 1;
        self
    }

    /// Each zip has an entry of that name.
    #[must_use]
    pub fn entry(mut self, name: &str) -> Self {
        self.content.entry = Some(name.to_owned());
        self
    }

    /// Each zip unpacks to a thousand times its size.
    #[must_use]
    pub fn bomb(mut self) -> Self {
        self.content.bomb = true;
        self
    }

    pub(super) fn host(&self) -> &str {
        self.provider.split('/').next().unwrap_or_default()
    }
}

/// A release that is served.
pub(super) struct Published {
    pub(super) version: String,
    pub(super) packages: BTreeMap<String, Package>,
    pub(super) sums: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// A zip that is served.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl Published {
    pub(super) fn make(release: &Release, folder: &Path, key: &Key) -> Self {
        let kind = release.provider.rsplit('/').next().unwrap_or_default();
        let version = &release.version;
        let package = |platform: &String| {
            let name = format!("terraform-provider-{kind}_{version}_{platform}.zip");
            let path = folder.join(&name);
            let sha256 = content::write(&release.content, kind, version, platform, &path);
            (platform.clone(), Package { name, path, sha256 })
        };
        let packages: BTreeMap<_, _> = release.platforms.iter().map(package).collect();
        let mut sums: Vec<_> = packages.values().map(|it| (it.name.clone(), it.sha256.clone())).collect();
        let manifest = format!("manifest of {}", release.provider);
        sums.push((
            format!("terraform-provider-{kind}_{version}_manifest.json"),
            hex::encode(Sha256::digest(manifest)),
        ));
        sums.sort();
        let sums: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        let signature = key.sign(sums.as_bytes());
        Self { version: version.clone(), packages, sums: sums.into_bytes(), signature }
    }
}
