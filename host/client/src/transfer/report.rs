//! What an import or an export did, for people and for programs.

use serde::Serialize;

use crate::table::{self, Table};

/// What became of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It would be written: nothing is there yet.
    WouldImport,
    /// It was written, read again, and is the same.
    Imported,
    /// It was written to a file.
    Exported,
    /// The very same state is there already.
    Present,
    /// It is none of the states that are meant, see the reason.
    Skipped,
    /// Another state is there. It is left alone.
    Conflict,
    /// It is no state, or has no path.
    Invalid,
    /// It could not be read or written.
    Failed,
}

impl Outcome {
    /// Whether somebody has to look at it.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Conflict | Self::Invalid | Self::Failed)
    }

    fn text(self) -> &'static str {
        match self {
            Self::WouldImport => "would import",
            Self::Imported => "imported",
            Self::Exported => "exported",
            Self::Present => "present",
            Self::Skipped => "skipped",
            Self::Conflict => "CONFLICT",
            Self::Invalid => "INVALID",
            Self::Failed => "FAILED",
        }
    }
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is called where it comes from.
    pub name: String,
    /// Its path on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// `serial` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// `lineage` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The SHA-256 of its bytes, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Entry {
    /// One of which nothing is known yet but why it is not taken.
    #[must_use]
    pub fn without_state(name: &str, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            path: None,
            outcome,
            serial: None,
            lineage: None,
            size: None,
            sha256: None,
            reason: Some(reason.into()),
        }
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where the states come from.
    pub source: String,
    /// Whether anything was to be written.
    pub applied: bool,
    /// The states, by name.
    pub states: Vec<Entry>,
}

impl Report {
    /// How many states had one of these outcomes.
    #[must_use]
    pub fn count(&self, of: impl Fn(Outcome) -> bool) -> usize {
        self.states.iter().filter(|entry| of(entry.outcome)).count()
    }

    /// For people: a line for each state, and one that sums up.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&["", "path", "serial", "size", "name", ""]);
        for entry in &self.states {
            table.row([
                entry.outcome.text().to_owned(),
                entry.path.clone().unwrap_or_else(|| "-".to_owned()),
                entry.serial.map_or_else(|| "-".to_owned(), |serial| serial.to_string()),
                entry.size.map_or_else(|| "-".to_owned(), table::size),
                entry.name.clone(),
                entry.reason.clone().unwrap_or_default(),
            ]);
        }
        format!("{table}{}", self.summary())
    }

    /// One line: how many states had which outcome.
    #[must_use]
    pub fn summary(&self) -> String {
        use Outcome::{Conflict, Exported, Failed, Imported, Invalid, Present, Skipped, WouldImport};
        let all = [WouldImport, Imported, Exported, Present, Skipped, Conflict, Invalid, Failed];
        let counts: Vec<_> = all
            .into_iter()
            .map(|outcome| (outcome, self.count(|of| of == outcome)))
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{count} {}", outcome.text().to_lowercase()))
            .collect();
        let counts = if counts.is_empty() { "no states".to_owned() } else { counts.join(", ") };
        let hint = if self.applied || self.count(|of| of == WouldImport) == 0 {
            ""
        } else {
            "\nNothing was written: that takes --apply."
        };
        format!("{}: {counts}{hint}", self.source)
    }
}
