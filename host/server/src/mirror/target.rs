//! What a path leads to.

use tofu_state_providers::{Address, Platform, Version};

const MIRROR: &str = "/-/mirror/";
const FILES: &str = "/-/mirror/files/";
const REGISTRY: &str = "/-/registry/";

/// The longest part of an address, version or platform. No provider has one that is nearly as long, and they become
/// names of folders and files.
const LONGEST: usize = 128;

/// Whether a path is the mirror's.
pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with(MIRROR) || path.starts_with(REGISTRY)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `index.json`: the versions, for the mirror protocol.
    Index(Address),
    /// `VERSION.json`: the packages of a version, for the mirror protocol.
    Archives(Address, Version),
    /// `VERSION.lock.json`: what a lock file may hold of a version.
    Lock(Address, Version),
    /// `VERSION/OS_ARCH.zip`: a package to be uploaded.
    Package { address: Address, version: Version, platform: Platform },
    /// The versions, for the registry protocol.
    Versions(Address),
    /// A package's description, for the registry protocol.
    Download { address: Address, version: Version, platform: Platform },
    /// A file behind a link.
    File { grant: String, address: Address, version: Version, name: String },
}

impl Target {
    /// Reads a path's segments.
    pub(super) fn read(segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["-", "mirror", "files", grant, host, namespace, kind, version, name] => Some(Self::File {
                grant: (*grant).to_owned(),
                address: address(host, namespace, kind)?,
                version: self::version(version)?,
                name: (*name).to_owned(),
            }),
            ["-", "mirror", host, namespace, kind, name] => {
                let address = address(host, namespace, kind)?;
                if *name == "index.json" {
                    return Some(Self::Index(address));
                }
                let name = name.strip_suffix(".json")?;
                match name.strip_suffix(".lock") {
                    Some(version) => Some(Self::Lock(address, self::version(version)?)),
                    None => Some(Self::Archives(address, version(name)?)),
                }
            }
            ["-", "mirror", host, namespace, kind, version, name] => Some(Self::Package {
                address: address(host, namespace, kind)?,
                version: self::version(version)?,
                platform: platform(name.strip_suffix(".zip")?)?,
            }),
            ["-", "registry", host, "v1", "providers", namespace, kind, "versions"] => {
                Some(Self::Versions(address(host, namespace, kind)?))
            }
            ["-", "registry", host, "v1", "providers", namespace, kind, version, "download", os, architecture] => {
                Some(Self::Download {
                    address: address(host, namespace, kind)?,
                    version: self::version(version)?,
                    platform: platform(&format!("{os}_{architecture}"))?,
                })
            }
            _ => None,
        }
    }

    /// Its route, as spans tell it.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Self::Index(_) | Self::Archives(..) | Self::Lock(..) => "/-/mirror/{provider}/{document}",
            Self::Package { .. } => "/-/mirror/{provider}/{version}/{package}",
            Self::File { .. } => "/-/mirror/files/{link}",
            Self::Versions(_) => "/-/registry/{provider}/versions",
            Self::Download { .. } => "/-/registry/{provider}/{version}/download/{platform}",
        }
    }

    /// A word for metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Index(_) | Self::Versions(_) => "versions",
            Self::Archives(..) | Self::Download { .. } => "version",
            Self::Lock(..) => "lock",
            Self::Package { .. } => "upload",
            Self::File { .. } => "file",
        }
    }
}

/// What a link's grant is for, and the link's end.
pub(super) fn link(address: &Address, version: &Version, name: &str) -> String {
    format!("{}/{}/{}/{version}/{name}", address.host(), address.namespace(), address.kind())
}

/// A path as logs and spans may tell it: a link's grant is as good as a password for as long as it holds.
pub(super) fn recorded(path: &str) -> String {
    let link = path.strip_prefix(FILES).and_then(|rest| rest.split_once('/'));
    link.map_or_else(|| path.to_owned(), |(_, file)| format!("{FILES}…/{file}"))
}

fn address(host: &str, namespace: &str, kind: &str) -> Option<Address> {
    let fits = [host, namespace, kind].iter().all(|part| part.len() <= LONGEST);
    Address::from_normal(host, namespace, kind).filter(|address| fits && address.is_lockable())
}

/// A version that fits into a file's name.
fn version(text: &str) -> Option<Version> {
    text.parse().ok().filter(|_| text.len() <= LONGEST)
}

fn platform(text: &str) -> Option<Platform> {
    text.parse().ok().filter(|_| text.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use tofu_state_providers::Style;

    use super::*;
    use crate::listener::path::segments;

    fn read(path: &str) -> Option<Target> {
        Target::read(&segments(path))
    }

    #[test]
    fn paths_lead_to_what_both_protocols_say() {
        let null = || Address::parse("registry.terraform.io/hashicorp/null", Style::Tofu).unwrap();
        let (version, linux): (Version, Platform) = ("3.2.0".parse().unwrap(), "linux_amd64".parse().unwrap());
        let base = "/-/mirror/registry.terraform.io/hashicorp/null";
        assert_eq!(read(&format!("{base}/index.json")), Some(Target::Index(null())));
        assert_eq!(read(&format!("{base}/3.2.0.json")), Some(Target::Archives(null(), version.clone())));
        assert_eq!(read(&format!("{base}/3.2.0.lock.json")), Some(Target::Lock(null(), version.clone())));
        let package = Target::Package { address: null(), version: version.clone(), platform: linux.clone() };
        assert_eq!(read(&format!("{base}/3.2.0/linux_amd64.zip")), Some(package));
        let base = "/-/registry/registry.terraform.io/v1/providers/hashicorp/null";
        assert_eq!(read(&format!("{base}/versions")), Some(Target::Versions(null())));
        let download = Target::Download { address: null(), version, platform: linux };
        assert_eq!(read(&format!("{base}/3.2.0/download/linux/amd64")), Some(download));
    }

    #[test]
    fn no_grant_is_recorded() {
        assert_eq!(recorded("/-/mirror/files/9.abc/r.io/a/b/1.0.0/x.zip"), "/-/mirror/files/…/r.io/a/b/1.0.0/x.zip");
        assert_eq!(recorded("/-/mirror/r.io/a/b/index.json"), "/-/mirror/r.io/a/b/index.json");
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "/-/mirror/",
            "/-/mirror/../../etc/passwd",
            "/-/mirror/registry.terraform.io/hashicorp/null",
            "/-/mirror/registry.terraform.io/HashiCorp/null/index.json",
            "/-/mirror/registry.terraform.io/hashicorp/%2e%2e/index.json",
            "/-/mirror/registry.terraform.io/a%2Fb/null/index.json",
            "/-/mirror/registry.terraform.io/hashicorp/null/v1.json",
            "/-/mirror/terraform.io/builtin/terraform/index.json",
            &format!("/-/mirror/registry.terraform.io/hashicorp/{}/index.json", "a".repeat(129)),
            &format!("/-/mirror/registry.terraform.io/hashicorp/null/1.0.0-{}.json", "a".repeat(129)),
            "/-/registry/registry.terraform.io/v2/providers/hashicorp/null/versions",
            "/-/registry/registry.terraform.io/v1/providers/hashicorp/null/3.2.0/download/linux",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
