//! What was once hashed or verified, kept for later runs: a folder of small files.
//!
//! Each file is written whole under another name and renamed, so processes may share the folder without a lock: they
//! would write the same. It is as trustworthy as the folder is: nobody else may write there.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::fetch::incoming;
use crate::hashing::{Sha256Sum, ZipHashes};
use crate::{Address, Hash, Version};

/// The folder. Cheap to clone. All of it blocks, for a moment.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A package that was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The zip's SHA-256.
    pub sha256: Sha256Sum,
    /// Its size in bytes.
    pub bytes: u64,
    h1: String,
    h1_of_zip: String,
    /// From where it was, without credentials or query.
    pub origin: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl Known {
    /// What `origin` has given just now.
    #[must_use]
    pub fn now(sha256: Sha256Sum, bytes: u64, hashes: &ZipHashes, origin: &str) -> Self {
        let (h1, h1_of_zip) = (hashes.h1.to_string(), hashes.h1_of_zip.to_string());
        Self { sha256, bytes, h1, h1_of_zip, origin: origin.to_owned(), at: now() }
    }

    /// Its hashes.
    #[must_use]
    pub fn hashes(&self) -> Option<ZipHashes> {
        Some(ZipHashes { h1: h1(&self.h1)?, h1_of_zip: h1(&self.h1_of_zip)? })
    }
}

/// The sums of a release that were seen and believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Each file of `SHA256SUMS` and its sum.
    pub sums: Vec<(String, Sha256Sum)>,
    /// The ID of the key that signed them; none for a registry that may go unsigned.
    pub signed_by: Option<String>,
    /// The registry, without credentials or query.
    pub origin: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

impl Cache {
    /// The folder is made when something is first put into it.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// `TOFU_STATE_CACHE`, or `tofu-state` in the user's cache folder (XDG Base Directory); then `providers` in it.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let base = match std::env::var_os("TOFU_STATE_CACHE") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?
                .join("tofu-state"),
        };
        Some(Self::new(base.join("providers")))
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a zip with that SHA-256 hashes to, if that was once worked out.
    #[must_use]
    pub fn package(&self, sha256: &Sha256Sum) -> Option<Known> {
        let known: Known = self.read(&self.package_path(sha256))?;
        (known.sha256 == *sha256 && known.hashes().is_some()).then_some(known)
    }

    /// Keeps what a zip hashes to.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn keep_package(&self, known: &Known) -> io::Result<()> {
        self.write(&self.package_path(&known.sha256), known)
    }

    /// The sums of a release that were once verified. `source` says who was asked, see
    /// [`Source::identity`](crate::sources::Source::identity): what one registry said is not another's word.
    #[must_use]
    pub fn release(&self, source: &str, provider: &Address, version: &Version) -> Option<Release> {
        self.read(&self.release_path(source, provider, version))
    }

    /// Keeps the sums of a release.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn keep_release(
        &self,
        source: &str,
        provider: &Address,
        version: &Version,
        release: &Release,
    ) -> io::Result<()> {
        self.write(&self.release_path(source, provider, version), release)
    }

    /// A folder for packages while they are downloaded, on the cache's own disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn incoming(&self) -> io::Result<PathBuf> {
        make_private(&self.folder)?;
        let folder = self.folder.join("incoming");
        incoming::open(&folder)?;
        Ok(folder)
    }

    fn package_path(&self, sha256: &Sha256Sum) -> PathBuf {
        let name = sha256.to_string();
        let shelf: String = name.chars().take(2).collect();
        self.folder.join("packages").join(shelf).join(format!("{name}.json"))
    }

    /// Where the sums of a release are kept.
    pub(crate) fn release_path(&self, source: &str, provider: &Address, version: &Version) -> PathBuf {
        let name = Sha256Sum::of(format!("{source}\n{provider}\n{version}").as_bytes());
        self.folder.join("releases").join(format!("{name}.json"))
    }

    /// A file that is not what it should be counts as none: it is written anew.
    fn read<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    fn write<T: Serialize>(&self, path: &Path, value: &T) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.folder);
        make_private(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.persist(path)?;
        Ok(())
    }
}

/// Makes a folder that only its owner may use.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn h1(text: &str) -> Option<Hash> {
    text.parse().ok().filter(Hash::is_files)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::Style;

    fn known(text: &str) -> Known {
        let h1 = Hash::files(&[7; 32]);
        let hashes = ZipHashes { h1_of_zip: h1.clone(), h1 };
        Known::now(Sha256Sum::of(text.as_bytes()), 4, &hashes, "https://registry.example")
    }

    #[test]
    fn what_is_kept_is_found_by_another() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::new(folder.path().join("new"));
        let known = known("one");
        assert_eq!(cache.package(&known.sha256), None);
        cache.keep_package(&known).unwrap();
        assert_eq!(Cache::new(folder.path().join("new")).package(&known.sha256), Some(known));
        let (provider, version) = (Address::parse("a/b", Style::Tofu).unwrap(), "1.0.0".parse().unwrap());
        let release = Release { sums: Vec::new(), signed_by: None, origin: String::new(), at: 1 };
        cache.keep_release("here", &provider, &version, &release).unwrap();
        assert_eq!(cache.release("here", &provider, &version), Some(release));
        assert_eq!(cache.release("there", &provider, &version), None);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let (one, two) = (known("one"), known("two"));
        cache.keep_package(&one).unwrap();
        fs::write(cache.package_path(&one.sha256), b"{\"sha256\":").unwrap();
        assert_eq!(cache.package(&one.sha256), None);
        // A file under another's name.
        fs::write(cache.package_path(&one.sha256), serde_json::to_vec(&two).unwrap()).unwrap();
        assert_eq!(cache.package(&one.sha256), None);
        cache.keep_package(&one).unwrap();
        assert_eq!(cache.package(&one.sha256), Some(one));
    }

    #[test]
    fn many_may_write_at_once() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let one = known("one");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        cache.keep_package(&one).unwrap();
                        assert_eq!(cache.package(&one.sha256).as_ref(), Some(&one));
                    }
                });
            }
        });
    }
}
