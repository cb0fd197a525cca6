//! `POLICY_FILE`: the policies in order, in TOML.
//!
//! ```toml
//! [[policy]]
//! name = "freeze"
//! builtin = "freeze"            # or path = "freeze.wasm", or oci = "oci://registry/name@sha256:…"
//! sha256 = "…"                  # of the file at `path`: `sha256sum freeze.wasm`
//! mode = "enforce"              # or "warn": record a denial, refuse nothing
//! on-error = "deny"             # or "allow": what a policy that fails says
//! paths = ["platform/*"]        # `*` stays within a segment, `**` does not; without: all states
//! operations = ["lock", "write"] # also: "force-unlock", "delete"; without: all that the module judges
//! needs = ["current"]           # also: "resources", "state"
//! uncounted = "deny"            # or "allow", "ask": where `resources` cannot be counted
//! configuration = """…"""       # text for the module
//! memory = "16MiB"              # of one instance
//! time = "1s"                   # that one review may compute
//! ```
//!
//! A `path` that does not begin with `/` is looked for beside the policy file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tofu_state_component::policies::{
    LINEAGE_GUARD, Limits, Mode, Needs, OnError, Operations, Uncounted, built_in, judged_by,
};

use crate::access::paths::Paths;
use crate::config::{file, values};

/// The longest configuration text in bytes: it is handed to the module with every change.
const LONGEST_CONFIGURATION: usize = 64 * 1024;
/// The longest name in bytes: it becomes a metric's label, and a lock's ID.
const LONGEST_NAME: usize = 64;
/// The most policies: each is asked for every change.
const MOST_POLICIES: usize = 64;
/// The longest `time`.
const LONGEST_TIME: Duration = Duration::from_secs(5);
/// The least and the most `memory`: a page, and what an instance can have.
const LEAST_MEMORY: u64 = 64 * 1024;
const MOST_MEMORY: u64 = 64 * 1024 * 1024;

/// A policy file that has been read.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its entries, in order.
    pub wanted: Vec<Wanted>,
}

impl PolicyFile {
    /// Reads and checks the file; no module is looked at yet.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(path: &Path) -> Result<Self, Vec<String>> {
        let text = file::read(path).map_err(|error| vec![format!("cannot be read: {error}")])?;
        Ok(Self { path: path.to_owned(), wanted: parse(&text)? })
    }

    /// The folder that relative paths begin at.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// Whether the guard of serials and lineages is enforced on all writes of all states.
#[must_use]
pub fn is_guarded<'a>(wanted: impl IntoIterator<Item = &'a Wanted>) -> bool {
    let guard = Source::BuiltIn(LINEAGE_GUARD.to_owned());
    let everywhere = |wanted: &Wanted| wanted.paths.is_none() && wanted.operations.write;
    wanted.into_iter().any(|wanted| wanted.source == guard && wanted.mode == Mode::Enforce && everywhere(wanted))
}

/// One `[[policy]]`, checked as far as it can be without its module.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name by which people know it.
    pub name: String,
    /// Where its module comes from.
    pub source: Source,
    /// What its verdicts do.
    pub mode: Mode,
    /// What its failures do.
    pub on_error: OnError,
    /// Which states it judges; none: all.
    pub paths: Option<Paths>,
    /// Which operations it judges.
    pub operations: Operations,
    /// What it needs beside the change.
    pub needs: Needs,
    /// What is done where the resources that it needs cannot be counted.
    pub uncounted: Uncounted,
    /// Text for the module.
    pub configuration: String,
    /// What one review may use.
    pub limits: Limits,
}

/// Where a module comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One of those built in.
    BuiltIn(String),
    /// A file.
    File {
        /// Where it lies, as it was written.
        path: PathBuf,
        /// The SHA-256 of its bytes, in lower-case hex.
        sha256: String,
    },
    /// An artifact in a registry, pinned by its manifest's digest.
    Oci(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    policy: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    path: Option<PathBuf>,
    builtin: Option<String>,
    oci: Option<String>,
    sha256: Option<String>,
    mode: Option<String>,
    on_error: Option<String>,
    paths: Option<Vec<String>>,
    operations: Option<Vec<String>>,
    #[serde(default)]
    needs: Vec<String>,
    uncounted: Option<String>,
    #[serde(default)]
    configuration: String,
    memory: Option<String>,
    time: Option<String>,
}

/// Reads the file's text. A file without entries is one: it means that no policy is wanted.
///
/// # Errors
/// Every mistake, each with its line or its entry.
pub fn parse(text: &str) -> Result<Vec<Wanted>, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| vec![file::toml_mistake(text, &error)])?;
    let mut mistakes = Vec::new();
    let mut names = BTreeSet::new();
    let mut policies = Vec::new();
    if file.policy.len() > MOST_POLICIES {
        mistakes.push(format!("{} policies: write at most {MOST_POLICIES}", file.policy.len()));
    }
    for (index, written) in file.policy.into_iter().enumerate() {
        let place = format!("entry {} (name {:?})", index.saturating_add(1), written.name);
        let mut wrong = |what: String| mistakes.push(format!("{place}: {what}"));
        if !names.insert(written.name.clone()) {
            wrong("another entry has this name: give each one of its own".to_owned());
        }
        policies.extend(wanted(written, &mut wrong));
    }
    if mistakes.is_empty() { Ok(policies) } else { Err(mistakes) }
}

/// One entry, all its mistakes noted.
fn wanted(written: Written, wrong: &mut impl FnMut(String)) -> Option<Wanted> {
    let Written {
        name,
        path,
        builtin,
        oci,
        sha256,
        mode,
        on_error,
        paths,
        operations,
        needs,
        uncounted,
        configuration,
        memory,
        time,
    } = written;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(allowed) {
        wrong(format!("the name is empty, longer than {LONGEST_NAME}, or has other characters than a-z 0-9 . _ -"));
    }
    let source = source(path, builtin, oci, sha256, wrong);
    let mode = choice("mode", mode, &[("enforce", Mode::Enforce), ("warn", Mode::Warn)], wrong);
    let on_error = choice("on-error", on_error, &[("deny", OnError::Deny), ("allow", OnError::Allow)], wrong);
    let uncounted_given = uncounted.is_some();
    let choices = [("deny", Uncounted::Deny), ("allow", Uncounted::Allow), ("ask", Uncounted::Ask)];
    let uncounted = choice("uncounted", uncounted, &choices, wrong);
    let needs = self::needs(&needs, wrong);
    if uncounted_given && !needs.resources {
        wrong("uncounted is for policies with needs = [\"resources\"]: leave it out".to_owned());
    }
    if configuration.len() > LONGEST_CONFIGURATION {
        wrong(format!("the configuration is longer than {LONGEST_CONFIGURATION} bytes"));
    }
    let paths = match paths {
        None => None,
        Some(globs) if globs.is_empty() => {
            wrong("paths is empty, so no state would be judged: write some, or leave it out for all".to_owned());
            None
        }
        Some(globs) => Paths::compile(&globs).map_err(&mut *wrong).ok(),
    };
    let judged = match &source {
        Some(Source::BuiltIn(name)) => judged_by(name),
        _ => Operations::ALL,
    };
    let operations = self::operations(operations, judged, wrong);
    let limits = limits(memory, time, wrong);
    Some(Wanted { name, source: source?, mode, on_error, paths, operations, needs, uncounted, configuration, limits })
}

fn source(
    path: Option<PathBuf>,
    builtin: Option<String>,
    oci: Option<String>,
    sha256: Option<String>,
    wrong: &mut impl FnMut(String),
) -> Option<Source> {
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match (path, builtin, oci) {
        (Some(path), None, None) => match sha256 {
            Some(sha256) if is_digest(&sha256) => Some(Source::File { path, sha256: sha256.to_ascii_lowercase() }),
            Some(_) => {
                wrong("sha256 is not 64 hexadecimal digits".to_owned());
                None
            }
            None => {
                wrong(format!("no sha256: write what `sha256sum {}` prints", path.display()));
                None
            }
        },
        (None, Some(builtin), None) => {
            let names: Vec<_> = built_in().iter().map(|(name, _)| *name).collect();
            if !names.contains(&builtin.as_str()) {
                wrong(format!("no module {builtin:?} is built in; there is {}", names.join(", ")));
            }
            if sha256.is_some() {
                wrong("a builtin has no sha256: leave it out".to_owned());
            }
            Some(Source::BuiltIn(builtin))
        }
        (None, None, Some(oci)) => {
            let pinned = oci.strip_prefix("oci://").and_then(|rest| rest.rsplit_once("@sha256:"));
            if !pinned.is_some_and(|(place, digest)| place.contains('/') && is_digest(digest)) {
                wrong("oci is not `oci://REGISTRY/NAME@sha256:` and 64 hexadecimal digits".to_owned());
            }
            if sha256.is_some() {
                wrong("an oci module is pinned by its reference: leave sha256 out".to_owned());
            }
            Some(Source::Oci(oci))
        }
        _ => {
            wrong("write one of path, builtin and oci: where its module comes from".to_owned());
            None
        }
    }
}

fn needs(written: &[String], wrong: &mut impl FnMut(String)) -> Needs {
    let mut needs = Needs::default();
    for need in written {
        match need.as_str() {
            "current" => needs.current = true,
            "resources" => needs.resources = true,
            "state" => needs.state = true,
            other => wrong(format!("needs has {other:?}: there is \"current\", \"resources\" and \"state\"")),
        }
    }
    needs
}

/// The operations that an entry names, which must be among the `judged`; all of those where it names none.
fn operations(written: Option<Vec<String>>, judged: Operations, wrong: &mut impl FnMut(String)) -> Operations {
    let Some(written) = written else { return judged };
    if written.is_empty() {
        wrong("operations is empty, so nothing would be judged: write some, or leave it out for all".to_owned());
    }
    let mut operations = Operations::NONE;
    for operation in written {
        let (named, is_judged) = match operation.as_str() {
            "lock" => (&mut operations.lock, judged.lock),
            "write" => (&mut operations.write, judged.write),
            "force-unlock" => (&mut operations.force_unlock, judged.force_unlock),
            "delete" => (&mut operations.delete, judged.delete),
            other => {
                wrong(format!(
                    "operations has {other:?}: there is \"lock\", \"write\", \"force-unlock\" and \"delete\""
                ));
                continue;
            }
        };
        *named = true;
        if !is_judged {
            wrong(format!("operations has {operation:?}, which this builtin does not judge: leave it out"));
        }
    }
    operations
}

fn limits(memory: Option<String>, time: Option<String>, wrong: &mut impl FnMut(String)) -> Limits {
    let mut limits = Limits::default();
    if let Some(memory) = memory {
        match values::size(&memory, LEAST_MEMORY, MOST_MEMORY) {
            Ok(bytes) => limits.memory_bytes = bytes,
            Err(error) => wrong(format!("memory {memory:?}: {}; {}", error.what, error.write)),
        }
    }
    if let Some(time) = time {
        match values::duration(&time, Duration::from_millis(1), LONGEST_TIME) {
            Ok(time) => limits.computing = time,
            Err(error) => wrong(format!("time {time:?}: {}; {}", error.what, error.write)),
        }
    }
    limits
}

fn choice<T: Copy + Default>(
    key: &str,
    written: Option<String>,
    choices: &[(&str, T)],
    wrong: &mut impl FnMut(String),
) -> T {
    let Some(written) = written else { return T::default() };
    let found = choices.iter().find(|(name, _)| *name == written);
    found.map_or_else(
        || {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            wrong(format!("{key} is {written:?}: write {}", names.join(" or ")));
            T::default()
        },
        |(_, value)| *value,
    )
}

#[cfg(test)]
mod tests;
