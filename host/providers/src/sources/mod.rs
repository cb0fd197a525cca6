//! Where providers are to be had: registries, network mirrors, repositories of OCI registries, folders.
//!
//! A [`Source`] answers two questions: which versions there are, and where the package of one platform lies together with
//! everything that may be believed about it. It downloads no package.

mod discovery;
mod filesystem_mirror;
mod installation;
mod network_mirror;
mod oci_mirror;
mod plugin_cache;
mod registry;

use std::path::PathBuf;

use async_trait::async_trait;

pub use filesystem_mirror::FilesystemMirror;
pub use installation::Installation;
pub use network_mirror::{Archive, Archives, Index, LockSet, NetworkMirror};
pub use oci_mirror::OciMirror;
pub use plugin_cache::WithPluginCache;
pub use registry::{Described, Registry};

use crate::oci::Blob;
use crate::{Address, Hash, Platform, Version};

/// A place that knows providers.
///
/// One value serves a whole run: it discovers a host's services once, retries what is worth it, and remembers the sums of
/// a version that it verified, however many platforms and root modules ask.
#[async_trait]
pub trait Source: Send + Sync {
    /// A name that stays the same between runs for the place that would be asked about `provider`, without asking it: the
    /// host's services as configured, a mirror's URL, a folder's full path. What is remembered about a provider's
    /// packages is remembered under it.
    fn identity(&self, provider: &Address) -> String;

    /// Every version there is, in no order.
    ///
    /// # Errors
    /// Why it cannot be told; the message names host or folder, and never a credential.
    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError>;

    /// Where the package for one platform lies, and what vouches for it.
    ///
    /// # Errors
    /// As above; [`SourceError::NoPlatform`] where the version has no package for it.
    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError>;
}

/// A package of one provider version for one platform, before it was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageMeta {
    /// The archive's name, such as `terraform-provider-aws_5.100.0_linux_amd64.zip`.
    pub filename: String,
    /// Where it lies.
    pub location: Location,
    /// Hashes of which the package must match at least one; empty where the source tells none (a folder).
    pub acceptable: Vec<Hash>,
    /// Hashes of this version, for any platform, that may be written into a lock file once the package has matched one of
    /// [`Self::acceptable`]: every line of SHA256SUMS whose signature was verified (or that a registry which may go
    /// unsigned reports), the registry's `packages`, the list of a trusted mirror.
    pub locked_along: Vec<Hash>,
    /// The `h1:` hash of this very package, where the source tells it and may be believed: then the package need not be
    /// downloaded to be locked. It is one of [`Self::locked_along`].
    pub h1: Option<Hash>,
    /// Where the CLIs have unpacked this package once (`plugin_cache_dir`). Nothing vouches for what lies there.
    pub installed: Option<PathBuf>,
    /// What vouches for them.
    pub provenance: Provenance,
}

/// Where a package lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// An archive to be downloaded.
    Url(String),
    /// An archive to be downloaded from a repository of an OCI registry.
    Blob(Blob),
    /// An archive on this machine.
    Archive(PathBuf),
    /// An unpacked package on this machine.
    Folder(PathBuf),
}

/// Why a package's hashes are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// SHA256SUMS, signed by these OpenPGP keys (their IDs).
    Signed(Vec<String>),
    /// A registry's word, without a signature (OpenTofu allows it for its own registry only).
    Registry,
    /// A mirror's word: its URL, and whether the configuration says to trust it.
    Mirror {
        /// The mirror.
        url: String,
        /// Whether all it says may be locked.
        trusted: bool,
    },
    /// A folder on this machine.
    Folder(PathBuf),
}

/// Why a source has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The provider is not there.
    #[error("{place} has no provider {provider}")]
    NoProvider {
        /// The provider.
        provider: Address,
        /// Who was asked.
        place: String,
    },
    /// The version has no package for the platform.
    #[error("{provider} {version} has no package for {platform}")]
    NoPlatform {
        /// The provider.
        provider: Address,
        /// The version.
        version: Version,
        /// The platform.
        platform: Platform,
    },
    /// It could not be asked, or not be understood.
    #[error("{place}: {reason}")]
    Failed {
        /// Who was asked.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// What it says must not be believed: a wrong or missing signature, sums that do not match.
    #[error("{place} is not to be trusted about {provider} {version}: {reason}")]
    Untrusted {
        /// The provider.
        provider: Address,
        /// The version.
        version: Version,
        /// Who was asked.
        place: String,
        /// What is wrong.
        reason: String,
    },
}
