//! Scenario files: what is in the store, who asks what, what goes wrong, and what is expected.

pub(crate) mod intent;
pub(crate) mod request;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A scenario. [`Scenario::parse`] reads one from TOML; the README of `scenarios/` tells what each field is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// A sentence: what is to hold.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The state's path of requests that name none.
    #[serde(default = "default_path")]
    pub path: String,
    /// The servers by name; all of them use the one store.
    #[serde(default = "default_servers")]
    pub servers: Vec<String>,
    /// Headers that every request carries besides those of its own, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How the store is set.
    #[serde(default)]
    pub store: StoreSettings,
    /// The protocol's settings.
    #[serde(default)]
    pub settings: ProtocolSettings,
    /// What may go wrong while the clients are explored.
    #[serde(default)]
    pub faults: Faults,
    /// What is not to count as a violation, because this scenario is about a limit that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerate: Vec<Tolerated>,
    /// What was done before, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// Who asks at the same time, for `explore`.
    #[serde(default, rename = "client", skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
    /// Requests one after the other, for `run`.
    #[serde(default, rename = "step", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// How the store and the layout in it are set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StoreSettings {
    /// Bytes that one entry takes; what is larger goes into chunks. None: everything goes into one entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_bytes: Option<usize>,
    /// Revisions of a state that are kept.
    pub keep_versions: usize,
    /// Seconds until garbage is removed.
    pub garbage_age: u64,
    /// Whether servers remember what they saw last.
    pub remembers: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { entry_bytes: None, keep_versions: 3, garbage_age: 900, remembers: true }
    }
}

/// The protocol's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProtocolSettings {
    /// Seconds without a sign of life after which a LOCK takes a lock over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_ttl: Option<u64>,
    /// `any`, `id` or `off`.
    pub force_unlock: ForceUnlock,
    /// Segments that a path may have.
    pub path_segments: u8,
}

impl Default for ProtocolSettings {
    fn default() -> Self {
        Self { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2 }
    }
}

/// Which forced unlocks are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForceUnlock {
    /// With an ID and without.
    Any,
    /// With an ID only.
    Id,
    /// None.
    Off,
}

/// What may go wrong in each schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Faults {
    /// How often.
    pub up_to: u8,
    /// What.
    pub kinds: Vec<FaultKind>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { up_to: 0, kinds: vec![FaultKind::Crash, FaultKind::LostAcknowledgement] }
    }
}

/// What can go wrong at any moment of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A server dies with all requests in it, and starts again without memory.
    Crash,
    /// A server dies, and a write that it had sent reaches the store later.
    LateWrite,
    /// A write is done, and its answer is an error; or it is repeated by the driver, and its answer is a conflict.
    LostAcknowledgement,
    /// The store cannot be reached.
    Unavailable,
    /// A client loses its connection and sends its request again, while the first one is still being worked on.
    LostConnection,
}

/// A limit that is known, and documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tolerated {
    /// Who writes without any lock may come between the read and the write of somebody who locks meanwhile.
    UnlockedWriters,
    /// A write whose client gave it up, and released its lock, may still be done.
    AbandonedWrites,
}

/// Somebody who sends requests one after the other, each once the one before it was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Client {
    /// Its name.
    pub name: String,
    /// The server that it is connected to; none: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What it does.
    pub requests: Vec<Step>,
    /// It begins only once these clients are done (`"a"`), or have had so many requests answered (`"a:1"`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// How often it sends a request that is not answered, or with 5xx, all in all. The CLIs: 3.
    #[serde(default = "default_tries")]
    pub tries: u8,
}

/// A request, in short or in full.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// `LOCK a`, `GET`, `POST a 2`, `POST - 2 word`, `DELETE a`, `UNLOCK a`, `BREAK`, `BREAK a`.
    Short(String),
    /// With more to say.
    Full(Box<FullStep>),
}

impl Step {
    /// In full.
    #[must_use]
    pub fn full(&self) -> FullStep {
        match self {
            Self::Short(text) => FullStep { request: Some(text.clone()), ..FullStep::default() },
            Self::Full(full) => (**full).clone(),
        }
    }
}

/// A request, or what somebody does in the store by hand.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FullStep {
    /// The request, as in [`Step::Short`].
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// A request of any other kind: its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The query of such a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The body of such a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Its `Content-MD5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_md5: Option<String>,
    /// The newest revision of this key is deleted with the store's own tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_in_store: Option<String>,
    /// This key is deleted with all its revisions with the store's own tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destroy_in_store: Option<String>,
    /// The state's path, if it is not the scenario's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// When it is sent: seconds after the scenario's beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The size that a posted state is to have at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// The caller's name; none: `shared`, who may everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The caller may not break others' locks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_not_break: bool,
    /// The server, for a step of `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What goes wrong, for a step of `run`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<StepFault>,
    /// What is expected, for a step of `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expected>,
}

/// A fault at a chosen call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepFault {
    /// At which call of the store, counted from 1.
    pub call: u16,
    /// What happens there.
    pub kind: StepFaultKind,
    /// Seconds, for `latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What a call of the store comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepFaultKind {
    /// Somebody else's write came first.
    Conflict,
    /// Not done; the store cannot be reached.
    Unavailable,
    /// Not done; the store refuses the server's credentials.
    Denied,
    /// Not done, and no answer in time.
    Timeout,
    /// Done, and no answer in time.
    LostAcknowledgement,
    /// Done, and answered late: the virtual clock goes on.
    Latency,
    /// Done, and the server dies before it hears of it.
    Crash,
}

/// What a step must come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// This status.
    Status(u16),
    /// More.
    More(Box<Expectation>),
}

/// What a step must come to, in full. What is not said may be anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expectation {
    /// The reply's status; `0`: none, the server died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A part of the reply's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The `ID` in the reply's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder_told: Option<String>,
    /// Who holds the lock afterwards; `""`: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The word of the state that a GET answers afterwards; `""`: there is no state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl Expected {
    /// In full.
    #[must_use]
    pub fn full(&self) -> Expectation {
        match self {
            Self::Status(status) => Expectation { status: Some(*status), ..Expectation::default() },
            Self::More(more) => (**more).clone(),
        }
    }
}

fn default_path() -> String {
    "group/project".to_owned()
}

fn default_servers() -> Vec<String> {
    vec!["one".to_owned()]
}

fn default_tries() -> u8 {
    3
}

/// Why there is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(pub String);

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|error| ScenarioError(error.to_string()))
    }

    /// Reads a scenario's file.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let wrong = |what: String| ScenarioError(format!("{}: {what}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(|error| wrong(error.0))
    }

    /// The scenario files that a path stands for: itself, or all `*.toml` of a folder, by name.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub fn files(path: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
        if !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let wrong = |what: String| ScenarioError(format!("{}: {what}", path.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| wrong(error.to_string()))? {
            let file = entry.map_err(|error| wrong(error.to_string()))?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(wrong("no scenario (*.toml) is in this folder".to_owned()));
        }
        files.sort();
        Ok(files)
    }
}
