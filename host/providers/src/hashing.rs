//! How the hashes of lock files are made from a provider's package.
//!
//! `zh:` is the SHA-256 of the zip in hex. `h1:` is the "directory hash" of Go's `golang.org/x/mod/sumdb/dirhash`:
//! SHA-256 over a line for each file, sorted by name, in base64. Go has two readings of it, and both matter here:
//! `HashDir` sees the unpacked files only, and is what the CLIs lock; `HashZip` sees the zip's directory entries
//! too, and is what the CLIs hold a zip from a mirror against. They differ for zips that have such entries.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::Hash;

/// The most entries that a provider's zip may have. Real ones have a handful.
const MOST_ENTRIES: usize = 10_000;
/// The most bytes of a zip that may be read to find its entries.
const MOST_LIST: u64 = 16 << 20;
/// The most bytes that a provider's zip may unpack to. The largest known provider has about 800 MB.
const MOST_UNPACKED: u64 = 4 << 30;
/// How many times its own size a zip may unpack to. Programs shrink to a fifth, a bomb to a thousandth.
const MOST_GROWTH: u64 = 100;
/// A small zip may unpack to this many bytes all the same.
const ALWAYS_UNPACKED: u64 = 16 << 20;
/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// A SHA-256, written in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Sum([u8; 32]);

impl Sha256Sum {
    /// The sum in a `zh:` hash, if it is one.
    #[must_use]
    pub fn in_zh(hash: &Hash) -> Option<Self> {
        hash.zip_sha256().map(Self)
    }

    /// The `zh:` hash of a zip with this sum.
    #[must_use]
    pub fn zh(&self) -> Hash {
        Hash::zip(&self.0)
    }

    /// The sum of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// What `hasher` has seen.
    #[must_use]
    pub fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// The sum of a file's bytes. Blocks.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        Self::of_open(&mut File::open(path)?)
    }

    /// The sum of what is left of an open file. Blocks.
    pub(crate) fn of_open(file: &mut File) -> io::Result<Self> {
        let (digest, _) = digest(file, u64::MAX)?;
        Ok(Self(digest))
    }
}

/// Why a text is no sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256 in lower-case hex")]
pub struct NotASum(String);

impl FromStr for Sha256Sum {
    type Err = NotASum;

    fn from_str(text: &str) -> Result<Self, NotASum> {
        let wrong = || NotASum(text.chars().take(100).collect());
        // Lock files and file names compare these as text.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256Sum {
    type Error = NotASum;

    fn try_from(text: String) -> Result<Self, NotASum> {
        text.parse()
    }
}

impl From<Sha256Sum> for String {
    fn from(sum: Sha256Sum) -> Self {
        sum.to_string()
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a package has no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is no zip, or a damaged one.
    #[error("is no sound zip: {0}")]
    Damaged(String),
    /// It has an entry that must not be unpacked.
    #[error("has an entry that no provider may have: {0}")]
    Hostile(String),
    /// It unpacks to more than a provider may have.
    #[error("unpacks to more than {0} bytes, or has more than {MOST_ENTRIES} entries: most likely a zip bomb")]
    TooLarge(u64),
}

/// What a zip's entries hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipHashes {
    /// What the CLIs lock (`HashDir`).
    pub h1: Hash,
    /// What the CLIs hold the zip against (`HashZip`). The same, unless the zip has directory entries. No mirror should list
    /// it then: OpenTofu would write it into the lock file, where nothing unpacked ever matches it. The zip's `zh:` does for
    /// the same.
    pub h1_of_zip: Hash,
}

/// Both `h1:` hashes of a zip. Blocks; takes little memory however large the zip is.
///
/// # Errors
/// See [`HashError`]. A name that would leave the folder, occur twice or break a line is one.
pub fn of_zip(path: &Path) -> Result<ZipHashes, HashError> {
    let damaged = |error: zip::result::ZipError| HashError::Damaged(error.to_string());
    let file = File::open(path)?;
    let most = (file.metadata()?.len().saturating_mul(MOST_GROWTH)).clamp(ALWAYS_UNPACKED, MOST_UNPACKED);
    // The list of entries is read into memory whole, so it is bounded before it is counted.
    let list = Rc::new(Cell::new(MOST_LIST));
    let bounded = Bounded { file, left: Rc::clone(&list) };
    let opened = ZipArchive::new(BufReader::new(bounded));
    if list.get() == 0 {
        return Err(HashError::TooLarge(most));
    }
    let mut archive = opened.map_err(damaged)?;
    list.set(u64::MAX);
    if archive.len() > MOST_ENTRIES {
        return Err(HashError::TooLarge(most));
    }
    let (mut files, mut entries) = (BTreeMap::new(), BTreeMap::new());
    let mut left = most;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        harmless(&name)?;
        if entry.is_symlink() {
            return Err(HashError::Hostile(format!("`{name}` is a symbolic link")));
        }
        let (sum, length) = digest(&mut entry, left).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => HashError::TooLarge(most),
            _ => HashError::Damaged(format!("`{name}`: {error}")),
        })?;
        left = left.saturating_sub(length);
        if !entry.is_dir() {
            files.insert(name.clone(), sum);
        }
        if entries.insert(name.clone(), sum).is_some() {
            return Err(HashError::Hostile(format!("`{name}` occurs twice")));
        }
    }
    Ok(ZipHashes { h1: summary(&files), h1_of_zip: summary(&entries) })
}

/// The `h1:` of an unpacked package. Blocks.
///
/// # Errors
/// See [`HashError`].
pub fn of_folder(folder: &Path) -> Result<Hash, HashError> {
    let mut files = BTreeMap::new();
    // The CLIs follow a link that stands for the package, and none below it.
    let mut folders = vec![(folder.canonicalize()?, String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| HashError::Hostile(format!("{} is no UTF-8", name.display())))?;
            let name = format!("{prefix}{name}");
            harmless(&name)?;
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else {
                files.insert(name, digest(&mut File::open(entry.path())?, u64::MAX)?.0);
            }
        }
    }
    Ok(summary(&files))
}

/// Unpacks a zip that [`of_zip`] has accepted into `folder`, as the CLIs do. Blocks.
///
/// # Errors
/// See [`HashError`].
pub fn unpack(zip: &Path, folder: &Path) -> Result<(), HashError> {
    let damaged = |error: zip::result::ZipError| HashError::Damaged(error.to_string());
    let mut archive = ZipArchive::new(BufReader::new(File::open(zip)?)).map_err(damaged)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        harmless(&name)?;
        let to: PathBuf = folder.join(name);
        if entry.is_dir() {
            std::fs::create_dir_all(&to)?;
            continue;
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = File::create_new(&to)?;
        io::copy(&mut entry.by_ref().take(MOST_UNPACKED), &mut file)?;
        #[cfg(unix)]
        if let Some(mode) = entry.unix_mode() {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777 | 0o600))?;
        }
    }
    Ok(())
}

/// A file of which no more than `left` bytes are read.
struct Bounded {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        if self.left.get() == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(read) }
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The SHA-256 of all that `from` gives and its length; more than `most` bytes are [`io::ErrorKind::FileTooLarge`].
fn digest(from: &mut impl Read, most: u64) -> io::Result<([u8; 32], u64)> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut length = 0_u64;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok((hasher.finalize().into(), length)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length = length.saturating_add(read as u64);
        if length > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        hasher.update(piece.get(..read).unwrap_or_default());
    }
}

fn summary(files: &BTreeMap<String, [u8; 32]>) -> Hash {
    let mut hasher = Sha256::new();
    for (name, sum) in files {
        hasher.update(format!("{}  {name}\n", hex::encode(sum)));
    }
    Hash::files(&hasher.finalize().into())
}

/// Refuses a name that leads out of the folder, or that could stand for two.
fn harmless(name: &str) -> Result<(), HashError> {
    let parts = name.strip_suffix('/').unwrap_or(name);
    let bad =
        name.contains(['\\', ':', '\n', '\r', '\0']) || parts.split('/').any(|part| matches!(part, "" | "." | ".."));
    if bad { Err(HashError::Hostile(format!("`{}`", name.escape_debug()))) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
