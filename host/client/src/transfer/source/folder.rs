//! A folder of state files, or an export: in a folder, or in a tar archive.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;

use super::{Listing, Name, Source, left_out};
use crate::error::Error;
use crate::transfer::manifest::{self, Manifest};

/// The end that state files have.
const SUFFIX: &str = ".tfstate";
/// How deep folders may be nested.
const DEEPEST: usize = 32;

/// A folder.
pub struct Folder {
    root: PathBuf,
    called: String,
    /// Holds what was unpacked.
    _unpacked: Option<TempDir>,
}

impl Folder {
    /// A folder that is there.
    ///
    /// # Errors
    /// It is not.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let called = root.display().to_string();
        if !root.is_dir() {
            return Err(Error::other(format!("{called} is not a folder")));
        }
        Ok(Self { root: root.to_owned(), called, _unpacked: None })
    }

    /// An archive, unpacked where only this user can read it, until the import ends.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub fn unpack(archive: &Path) -> Result<Self, Error> {
        let called = archive.display().to_string();
        let failed = |error: std::io::Error| Error::other(format!("{called} cannot be unpacked: {error}"));
        let folder = tempfile::Builder::new().prefix("tofu-state-import").tempdir().map_err(failed)?;
        let file = File::open(archive).map_err(failed)?;
        // It leaves out whatever points outside the folder.
        tar::Archive::new(std::io::BufReader::new(file)).unpack(folder.path()).map_err(failed)?;
        Ok(Self { root: folder.path().to_owned(), called, _unpacked: Some(folder) })
    }

    fn look(&self, folder: &Path, depth: usize, listing: &mut Listing) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::other(format!("{} cannot be listed: {error}", folder.display()));
        if depth > DEEPEST {
            return Err(Error::other(format!("{} lies deeper than {DEEPEST} folders", folder.display())));
        }
        let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
        for entry in entries.map_err(failed)? {
            let path = entry.path();
            let Some(name) = self.name(&path) else { continue };
            let kind = entry.file_type().map_err(failed)?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_dir() {
                // The CLIs' own `.terraform` has a file that looks like a state and is none.
                if !hidden {
                    self.look(&path, depth + 1, listing)?;
                }
            } else if let Some(why) = left_out(&name) {
                listing.skipped.insert(name, why.to_owned());
            } else if name.ends_with(SUFFIX) && !hidden {
                if kind.is_file() {
                    listing.names.push(Name::plain(name));
                } else {
                    listing.skipped.insert(name, "not a plain file (links are not followed)".to_owned());
                }
            }
        }
        Ok(())
    }

    /// A file's name from the folder, with `/` between its parts.
    fn name(&self, file: &Path) -> Option<String> {
        let parts = file.strip_prefix(&self.root).ok()?.components().map(|part| part.as_os_str().to_str());
        Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
    }

    fn manifest(&self) -> Result<Option<Manifest>, Error> {
        let failed = |why: String| Error::other(format!("{}: {why}", self.called));
        match std::fs::read(self.root.join(manifest::NAME)) {
            Ok(bytes) => Manifest::parse(&bytes).map(Some).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("{} cannot be read: {error}", manifest::NAME))),
        }
    }
}

#[async_trait]
impl Source for Folder {
    fn describe(&self) -> String {
        self.called.clone()
    }

    async fn list(&self) -> Result<Listing, Error> {
        if let Some(manifest) = self.manifest()? {
            let name = |state: manifest::Exported| Name {
                name: state.file,
                path: Some(state.path),
                sha256: Some(state.sha256),
            };
            return Ok(Listing { names: manifest.states.into_iter().map(name).collect(), ..Listing::default() });
        }
        let mut listing = Listing::default();
        self.look(&self.root, 0, &mut listing)?;
        listing.names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(Error::other(format!("{name} does not lie in {}", self.called)));
        }
        match tokio::fs::read(self.root.join(name)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::other(format!("{name} cannot be read: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn states_are_found_and_what_only_looks_like_one_is_not() {
        let folder = TempDir::new().unwrap();
        for file in [
            "platform/network.tfstate",
            "app/terraform.tfstate",
            "app/.terraform/terraform.tfstate",
            "app/errored.tfstate",
            "app/terraform.tfstate.backup",
            "app/main.tf",
            "app/.terraform.tfstate.lock.info",
        ] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "{}").unwrap();
        }
        let source = Folder::open(folder.path()).unwrap();
        let listing = source.list().await.unwrap();
        let names: Vec<_> = listing.names.iter().map(|name| name.name.as_str()).collect();
        assert_eq!(names, ["app/terraform.tfstate", "platform/network.tfstate"]);
        assert_eq!(listing.skipped.len(), 3, "{:?}", listing.skipped);
        assert!(source.read("app/main.tf").await.unwrap().is_some());
        assert!(source.read("app/nothing").await.unwrap().is_none());
        assert!(source.read("../etc/passwd").await.is_err());
        assert!(Folder::open(&folder.path().join("app/main.tf")).is_err());
    }

    #[tokio::test]
    async fn a_manifest_says_what_there_has_to_be() {
        let folder = TempDir::new().unwrap();
        let manifest = r#"{"format":1,"server":"s","exported":"t","states":[{"path":"a/b","file":"a/b.tfstate","size":2,"sha256":"00","serial":1,"lineage":"l"}]}"#;
        std::fs::write(folder.path().join(manifest::NAME), manifest).unwrap();
        let source = Folder::open(folder.path()).unwrap();
        let listing = source.list().await.unwrap();
        assert_eq!((listing.names.len(), listing.names[0].path.as_deref()), (1, Some("a/b")));
        std::fs::write(folder.path().join(manifest::NAME), manifest.replace("\"format\":1", "\"format\":2")).unwrap();
        assert!(source.list().await.unwrap_err().to_string().contains("format 2"));
    }
}
