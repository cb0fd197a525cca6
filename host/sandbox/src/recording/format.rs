//! The file: one JSON object, that people can read.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tofu_state_store::{Retention, Revision};

/// The format that this release writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// A request that was served, with every call that its component made, and its reply. Texts are replaced, see
/// `secrecy.rs`; digests are those of what really was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recording {
    /// Always [`FORMAT`]: what tells this file from others, and its format.
    pub tofu_state_recording: u32,
    /// The component's SHA-256, in hex.
    pub component: String,
    /// The request.
    pub request: Asked,
    /// The calls of the store, in the order of their answers.
    pub calls: Vec<Made>,
    /// What was answered; none: the component failed, see `failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Replied>,
    /// Why there was no reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Contents that calls, request and reply name by their place here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub contents: Vec<Content>,
}

/// A file that is no recording of this release's.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecording {
    /// It is not the JSON of one.
    #[error("it is no recording: {0}")]
    Form(#[from] serde_json::Error),
    /// It is another release's.
    #[error("its format is {0}, this release knows {FORMAT}")]
    Format(u32),
    /// It names a content that it does not have, or its time is none.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Recording {
    /// The content at this place.
    pub(super) fn content(&self, place: usize) -> Option<Bytes> {
        self.contents.get(place).map(|content| Bytes::from(content.text.clone()))
    }

    /// Whether a file says that it is a recording, of whichever format.
    #[must_use]
    pub fn is_one(file: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Format {
            tofu_state_recording: Option<serde::de::IgnoredAny>,
        }
        serde_json::from_slice::<Format>(file).is_ok_and(|format| format.tofu_state_recording.is_some())
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// See [`UnreadableRecording`].
    pub fn read(file: &[u8]) -> Result<Self, UnreadableRecording> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Format {
            tofu_state_recording: u32,
        }
        match serde_json::from_slice::<Format>(file)?.tofu_state_recording {
            FORMAT => Ok(serde_json::from_slice(file)?),
            other => Err(UnreadableRecording::Format(other)),
        }
    }
}

/// The request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path's segments.
    pub path: Vec<String>,
    /// The query; of it, lock IDs, serials, digests and flags are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `Content-MD5`, and other headers that the component gets.
    pub headers: Vec<(String, String)>,
    /// The body's place among the contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<usize>,
    /// The caller's name, replaced; and whether it has a token of its own.
    pub caller: (String, bool),
    /// What the caller may: `read`, `outputs`, `write`, `unlock`, `delete`.
    pub rights: Vec<String>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub received: u64,
    /// Milliseconds of `LOCK_TTL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_ttl: Option<u64>,
    /// `any`, `id` or `off`.
    pub force_unlock: crate::ForceUnlock,
    /// `PATH_SEGMENTS`.
    pub path_segments: u8,
    /// Whether a GET looks for its run.
    pub join_runs: bool,
    /// The trace context: `traceparent` and `tracestate`, replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<(String, Option<String>)>,
    /// The request's ID, as in the server's log.
    pub id: String,
}

/// A call of the store and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Made {
    /// What was asked.
    pub call: Call,
    /// What was answered; none: the request ended first.
    pub answer: Option<Answer>,
}

/// A call of the store, see `wit/store.wit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Call {
    /// A document.
    Get(String),
    /// Several.
    GetMany(Vec<String>),
    /// What the server remembers of one.
    Recall(String),
    /// A write.
    PutCas {
        /// Under which key.
        key: String,
        /// The component's own document.
        meta: Meta,
        /// The content's place.
        content: Option<usize>,
        /// The revision that must be there.
        expected: Revision,
        /// Which older revisions stay.
        retained: Retained,
    },
    /// A deletion.
    Delete(String),
}

/// Which older revisions of a document stay recoverable, see [`Retention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Retained {
    /// As many as the operator set.
    History,
    /// The same, beside what the present run has passed through.
    Passing {
        /// How many of them stay for now.
        beside: u64,
        /// The one before those, which is not worth keeping any more.
        gone: Option<Revision>,
    },
    /// The same, and these are not worth keeping any more.
    Thinned {
        /// The first of them.
        first: Revision,
        /// The last of them.
        last: Revision,
    },
    /// None is needed.
    Latest,
    /// None may be left.
    Erased,
}

impl From<Retention> for Retained {
    fn from(retention: Retention) -> Self {
        match retention {
            Retention::History => Self::History,
            Retention::Passing { beside, gone } => Self::Passing { beside, gone },
            Retention::Thinned { first, last } => Self::Thinned { first, last },
            Retention::Latest => Self::Latest,
            Retention::Erased => Self::Erased,
        }
    }
}

/// The answer to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// Nothing was ever there; or nothing is remembered.
    Absent,
    /// A document, or what is remembered of one.
    Entry {
        /// Its revision.
        revision: Revision,
        /// The component's own document.
        meta: Meta,
        /// The content's place.
        content: Option<usize>,
    },
    /// Its newest revision was deleted in the store itself.
    Removed(Revision),
    /// One for each key.
    Many(Vec<Answer>),
    /// Written.
    Written(Revision),
    /// Another revision was there.
    Conflict,
    /// Deleted.
    Deleted,
    /// An error, by the name that `wit/store.wit` gives it.
    Error(String),
}

/// A component's own document: JSON, with its texts replaced.
pub type Meta = serde_json::Value;

/// Bytes that a component passes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Content {
    /// What stands in their place: JSON of the same shape and length, mostly.
    pub text: String,
    /// The SHA-256 of what really was there, in hex.
    pub sha256: String,
    /// Its MD5, in base64.
    pub md5: String,
}

/// The reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replied {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// A state's place among the contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<usize>,
    /// Any other body, its texts replaced; none: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How it ended, in the component's word.
    pub outcome: String,
    /// Compare-and-sets that were lost on the way.
    pub conflicts: u32,
}
