//! `index.json` and `VERSION.json`, so that the folder is a network mirror too.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::hashing::{self, HashError, Sha256Sum};
use crate::sources::{Archive, Archives, Index};
use crate::{Address, Platform, Version};

/// Why a document cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The disk.
    #[error("{}: {error}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A package that lies there is none.
    #[error("{}: {error}", path.display())]
    Package {
        /// The zip.
        path: PathBuf,
        /// What is wrong with it.
        error: HashError,
    },
}

/// Writes both documents of a release from the packages that lie in `folder`: also those of other platforms, from
/// earlier runs. The documents of other versions stay as they are.
pub(super) fn write(folder: &Path, provider: &Address, version: &Version) -> Result<(), DocumentError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |error| DocumentError::Disk { path, error }
    };
    if !folder.is_dir() {
        // None of the release's packages could be had.
        return Ok(());
    }
    let prefix = format!("terraform-provider-{}_{version}_", provider.kind());
    let (mut archives, mut versions) = (BTreeMap::new(), BTreeMap::new());
    for entry in std::fs::read_dir(folder).map_err(disk(folder))? {
        let path = entry.map_err(disk(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let platform = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".zip")?.parse::<Platform>().ok());
        if let Some(platform) = platform {
            let hashes =
                hashing::of_zip(&path).map_err(|error| DocumentError::Package { path: path.clone(), error })?;
            let sum = Sha256Sum::of_file(&path).map_err(disk(&path))?;
            let hashes = vec![hashes.h1.to_string(), sum.zh().to_string()];
            archives.insert(platform.to_string(), Archive { url: name.to_owned(), hashes });
        } else if let Some(version) = name.strip_suffix(".json").filter(|name| name.parse::<Version>().is_ok()) {
            versions.insert(version.to_owned(), serde_json::Map::new());
        }
    }
    if archives.is_empty() {
        return Ok(());
    }
    versions.insert(version.to_string(), serde_json::Map::new());
    let path = folder.join(format!("{version}.json"));
    put(folder, &path, &Archives { archives, lock: None }).map_err(disk(&path))?;
    // Last, so that what it lists is there.
    let path = folder.join("index.json");
    put(folder, &path, &Index { versions }).map_err(disk(&path))
}

fn put(folder: &Path, path: &Path, document: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    #[cfg(unix)]
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
