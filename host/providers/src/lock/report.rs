//! What a run has done, for people and for programs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::gather::Facts;
use crate::plan::Release;
use crate::problem::Problem;
use crate::sources::Provenance;
use crate::{Address, Platform, Style, Version};

/// What a run has done.
#[derive(Debug, Default)]
pub struct Report {
    /// The root modules, in the order of their paths.
    pub roots: Vec<Root>,
    /// Different packages that were needed.
    pub packages: usize,
    /// Archives that were downloaded.
    pub zips: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Archives that `providers lock` in each root module would have downloaded.
    pub zips_alone: u64,
    /// Bytes of those, as far as their sizes are known.
    pub bytes_alone: u64,
}

/// What became of a root module.
#[derive(Debug)]
pub struct Root {
    /// Its folder.
    pub folder: PathBuf,
    /// Whose lock file it has.
    pub style: Style,
    /// What was done.
    pub outcome: Outcome,
    /// The providers that it is locked to; not all of them if it failed.
    pub providers: Vec<Locked>,
    /// Providers that were locked before and that the configuration does not require. They stay in the lock file, unless
    /// [`Request::prune`](super::Request::prune) removes them. None where it was not looked into modules.
    pub not_required: Vec<Address>,
}

/// What was done with a lock file.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was as it should be.
    Unchanged,
    /// It was written.
    Written,
    /// It is not as it should be, and was only to be checked: a unified diff.
    Differs(String),
    /// It was left as it was.
    Failed(Vec<Problem>),
}

/// A provider that a root module is locked to.
#[derive(Debug)]
pub struct Locked {
    /// The provider.
    pub provider: Address,
    /// The version.
    pub version: Version,
    /// The version before, if there was one.
    pub before: Option<Version>,
    /// The platforms that this run has seen to.
    pub platforms: Vec<Platform>,
    /// How many hashes the lock file did not have.
    pub hashes_added: usize,
    /// What vouches for the hashes.
    pub provenance: Vec<Provenance>,
    /// What a person should look at.
    pub notes: Vec<String>,
    pub(super) bytes: u64,
}

impl Root {
    pub(super) fn failed(folder: PathBuf, style: Style, problems: Vec<Problem>) -> Self {
        Self { folder, style, outcome: Outcome::Failed(problems), providers: Vec::new(), not_required: Vec::new() }
    }
}

impl Locked {
    /// Whether hashes were added on the word of a mirror or a folder alone: then those that only the registry's signed sums
    /// tell are missing.
    #[must_use]
    pub fn is_unsigned(&self) -> bool {
        let unsigned =
            |by: &Provenance| matches!(by, Provenance::Folder(_) | Provenance::Mirror { trusted: false, .. });
        self.hashes_added > 0 && self.provenance.iter().any(unsigned)
    }

    pub(super) fn new(release: &Release, before: Option<Version>) -> Self {
        Self {
            provider: release.provider.clone(),
            version: release.version.clone(),
            before,
            platforms: Vec::new(),
            hashes_added: 0,
            provenance: Vec::new(),
            notes: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, platform: &Platform, bytes: Option<u64>, provenance: &Provenance) {
        self.platforms.push(platform.clone());
        self.bytes = self.bytes.saturating_add(bytes.unwrap_or(0));
        if !self.provenance.contains(provenance) {
            self.provenance.push(provenance.clone());
        }
    }
}

impl Report {
    pub(super) fn finish(&mut self, facts: &Facts, zips: u64, bytes: u64) {
        self.roots.sort_by(|one, other| one.folder.cmp(&other.folder));
        (self.packages, self.zips, self.bytes) = (facts.len(), zips, bytes);
        for locked in self.roots.iter().flat_map(|root| &root.providers) {
            self.zips_alone = self.zips_alone.saturating_add(locked.platforms.len() as u64);
            self.bytes_alone = self.bytes_alone.saturating_add(locked.bytes);
        }
    }

    /// How many root modules came out so: unchanged, written, different, failed.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize, usize) {
        let count = |is: fn(&Outcome) -> bool| self.roots.iter().filter(|root| is(&root.outcome)).count();
        (
            count(|outcome| matches!(outcome, Outcome::Unchanged)),
            count(|outcome| matches!(outcome, Outcome::Written)),
            count(|outcome| matches!(outcome, Outcome::Differs(_))),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
        )
    }

    /// Whether every root module is as it should be now.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.roots.iter().all(|root| matches!(root.outcome, Outcome::Unchanged | Outcome::Written))
    }

    /// For programs. Names are never given another meaning; new ones may be added.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "format": 1,
            "roots": self.roots.iter().map(Root::json).collect::<Vec<_>>(),
            "packages": self.packages,
            "zips_downloaded": self.zips,
            "bytes_downloaded": self.bytes,
            "zips_saved": self.zips_alone.saturating_sub(self.zips),
            "bytes_saved": self.bytes_alone.saturating_sub(self.bytes),
        })
    }
}

impl Root {
    fn json(&self) -> Value {
        let (outcome, diff, problems) = match &self.outcome {
            Outcome::Unchanged => ("unchanged", None, None),
            Outcome::Written => ("written", None, None),
            Outcome::Differs(diff) => ("differs", Some(diff), None),
            Outcome::Failed(problems) => ("failed", None, Some(problems)),
        };
        let problem = |problem: &Problem| {
            let (line, column) = problem.position.unzip();
            json!({ "file": problem.file, "line": line, "column": column, "message": problem.message })
        };
        json!({
            "folder": self.folder,
            "style": self.style.program(),
            "outcome": outcome,
            "diff": diff,
            "problems": problems.map(|problems| problems.iter().map(problem).collect::<Vec<_>>()),
            "providers": self.providers.iter().map(Locked::json).collect::<Vec<_>>(),
            "not_required": self.not_required.iter().map(Address::to_string).collect::<Vec<_>>(),
        })
    }
}

impl Locked {
    fn json(&self) -> Value {
        json!({
            "provider": self.provider.to_string(),
            "version": self.version.to_string(),
            "version_before": self.before.as_ref().map(Version::to_string),
            "platforms": self.platforms.iter().map(Platform::to_string).collect::<Vec<_>>(),
            "hashes_added": self.hashes_added,
            "provenance": self.provenance.iter().map(Provenance::json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

impl Provenance {
    fn json(&self) -> Value {
        match self {
            Self::Signed(keys) => json!({ "kind": "signed", "keys": keys }),
            Self::Registry => json!({ "kind": "registry" }),
            Self::Mirror { url, trusted } => json!({ "kind": "mirror", "url": url, "trusted": trusted }),
            Self::Folder(path) => json!({ "kind": "folder", "path": path }),
        }
    }
}
