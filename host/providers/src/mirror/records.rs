//! The records on disk: `HOST/NAMESPACE/TYPE/VERSION.json`, and `versions.json` beside them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::record::{FORMAT, Record};
use crate::{Address, Version};

/// The list of versions; no version has that name.
const LIST: &str = "versions.json";

/// What who changes a record has locked; it is empty, and stays.
const LOCK: &str = "lock";

/// The folder. All of it blocks, for a moment.
#[derive(Clone, Debug)]
pub(super) struct Records {
    folder: PathBuf,
}

/// What a registry said its versions are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) versions: Vec<String>,
    pub(super) at: u64,
}

impl Records {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn place(&self, provider: &Address) -> PathBuf {
        self.folder.join(provider.host()).join(provider.namespace()).join(provider.kind())
    }

    /// A record, if there is one. One that cannot be read is an error: it is not written over.
    pub(super) fn get(&self, provider: &Address, version: &Version) -> io::Result<Option<Record>> {
        let path = self.place(provider).join(format!("{version}.json"));
        let record: Option<Record> = read(&path)?;
        match record {
            Some(record) if record.format > FORMAT => {
                let told = format!("{} has the format {} of a newer release", path.display(), record.format);
                Err(io::Error::other(told))
            }
            record => Ok(record),
        }
    }

    /// Makes another record of the one that is there, if any. Nobody else does so meanwhile, in this process or
    /// another, so nothing that others have written is lost. None leaves all as it is.
    pub(super) fn update<T, E: From<io::Error>>(
        &self,
        provider: &Address,
        version: &Version,
        change: impl FnOnce(Option<Record>) -> Result<(Option<Record>, T), E>,
    ) -> Result<T, E> {
        let folder = self.place(provider);
        fs::create_dir_all(&folder)?;
        let lock = fs::File::create(folder.join(LOCK))?;
        match lock.lock() {
            // Some network file systems have no locks.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error.into()),
            _ => {}
        }
        let (record, told) = change(self.get(provider, version)?)?;
        if let Some(record) = record {
            write(&folder, &format!("{version}.json"), &record)?;
        }
        Ok(told)
    }

    /// Keeps the record of a release that has none. If another process was first, it is that one's record that
    /// holds: it is given, and nothing is written.
    pub(super) fn put_new(&self, provider: &Address, version: &Version, record: &Record) -> io::Result<Option<Record>> {
        let (folder, name) = (self.place(provider), format!("{version}.json"));
        match whole(&folder, record)?.persist_noclobber(folder.join(&name)) {
            Ok(_) => fs::File::open(folder)?.sync_all().map(|()| None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => self.get(provider, version),
            Err(error) => Err(error.error),
        }
    }

    pub(super) fn seen(&self, provider: &Address) -> io::Result<Option<Seen>> {
        match read(&self.place(provider).join(LIST)) {
            // It is asked for anew.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "a list of versions cannot be read");
                Ok(None)
            }
            seen => seen,
        }
    }

    pub(super) fn put_seen(&self, provider: &Address, seen: &Seen) -> io::Result<()> {
        write(&self.place(provider), LIST, seen)
    }

    /// The versions that have a record.
    pub(super) fn versions(&self, provider: &Address) -> io::Result<Vec<Version>> {
        let entries = match fs::read_dir(self.place(provider)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let version = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut versions: Vec<Version> = entries.flatten().filter_map(version).collect();
        versions.sort();
        Ok(versions)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whole and safely on disk, or not at all.
fn write<T: Serialize>(folder: &Path, name: &str, value: &T) -> io::Result<()> {
    whole(folder, value)?.persist(folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

/// A file without a name yet.
fn whole<T: Serialize>(folder: &Path, value: &T) -> io::Result<NamedTempFile> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;
    use crate::Style;

    fn record(provider: &Address, origin: &str) -> Record {
        Record {
            format: FORMAT,
            provider: provider.to_string(),
            version: "1.0.0".to_owned(),
            packages: BTreeMap::new(),
            sums: BTreeMap::new(),
            signed: None,
            protocols: Vec::new(),
            origin: origin.to_owned(),
            at: 1,
        }
    }

    /// Two processes may share a folder: whoever was first has seen the release.
    #[test]
    fn a_release_is_first_seen_once() {
        let folder = TempDir::new().unwrap();
        let records = Records::new(folder.path().to_owned());
        let (provider, version) = (Address::parse("a/b", Style::Tofu).unwrap(), "1.0.0".parse().unwrap());
        let record = |origin: &str| record(&provider, origin);
        assert_eq!(records.put_new(&provider, &version, &record("first")).unwrap(), None);
        assert_eq!(records.put_new(&provider, &version, &record("second")).unwrap(), Some(record("first")));
        assert_eq!(records.get(&provider, &version).unwrap(), Some(record("first")));
        assert_eq!(fs::read_dir(records.place(&provider)).unwrap().count(), 1, "nothing is left over");
    }

    /// Each has the folder opened for itself, as a process of its own would.
    #[test]
    fn no_change_of_a_record_is_lost() {
        let folder = TempDir::new().unwrap();
        let (provider, version) = (Address::parse("a/b", Style::Tofu).unwrap(), "1.0.0".parse().unwrap());
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (provider, version, folder) = (&provider, &version, folder.path());
                scope.spawn(move || {
                    let records = Records::new(folder.to_owned());
                    for number in 0..25 {
                        let change = |old: Option<Record>| {
                            let mut new = old.unwrap_or_else(|| record(provider, "many"));
                            new.protocols.push(format!("{writer}.{number}"));
                            Ok::<_, io::Error>((Some(new), ()))
                        };
                        records.update(provider, version, change).unwrap();
                    }
                });
            }
        });
        let records = Records::new(folder.path().to_owned());
        assert_eq!(records.get(&provider, &version).unwrap().unwrap().protocols.len(), 100);
        assert_eq!(records.versions(&provider).unwrap().len(), 1, "the lock is no version");
        let unchanged = records.update(&provider, &version, |_| Err::<(_, ()), _>(io::Error::other("no")));
        assert!(unchanged.is_err() && records.get(&provider, &version).unwrap().is_some());
    }
}
