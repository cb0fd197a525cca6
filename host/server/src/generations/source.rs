//! Where components come from, and what lies there at one moment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use tofu_state_component::BUILT_IN;
use tofu_state_component::pinned::{PinError, Pinned};
use tofu_state_component::policies::built_in;

use super::signature::{self, Key};
use crate::config::file;
use crate::following::Fingerprint;
use crate::oci;
use crate::oci::reference::{NoReference, Reference, SCHEME};
use crate::policies::{self, Source, Wanted};

/// Where a component lies, and which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(Pinned),
    /// In a registry.
    Registry(Reference),
}

/// The text names no component.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    /// No file.
    #[error(transparent)]
    File(#[from] PinError),
    /// Nothing in a registry.
    #[error(transparent)]
    Registry(#[from] NoReference),
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text.starts_with(SCHEME) { Ok(Self::Registry(text.parse()?)) } else { Ok(Self::File(text.parse()?)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(pinned) => write!(f, "{}", pinned.path().display()),
            Self::Registry(reference) => write!(f, "{reference}"),
        }
    }
}

/// Where the protocol component comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProtocolSource {
    /// The one that is built in.
    #[default]
    BuiltIn,
    /// A component that cannot change (`PROTOCOL_COMPONENT`).
    Pinned(Place),
    /// The component that this file names now (`PROTOCOL_COMPONENT_FILE`).
    NamedIn(PathBuf),
}

/// Where everything comes from that a generation is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The protocol component.
    pub protocol: ProtocolSource,
    /// The file of policies (`POLICY_FILE`); none: the policies that serve where nobody says otherwise.
    pub policies: Option<PathBuf>,
    /// How registries are reached, and where what comes from them is kept.
    pub registries: oci::Settings,
    /// Who signs components; none: nobody has to.
    pub key: Option<Key>,
}

/// What was found of a component.
#[derive(Debug)]
pub(super) enum Found {
    /// It is built in.
    BuiltIn(&'static [u8]),
    /// Its bytes, which fit their pin, the signature beside them, and where they come from.
    File { bytes: Vec<u8>, signature: Option<String>, source: String },
    /// It is to be had from a registry. What a digest names never changes, so nothing has been asked.
    Registry(Reference),
}

/// What the sources held at one moment.
#[derive(Debug)]
pub(super) struct Contents {
    /// The protocol component, or what is wrong with its source.
    pub(super) protocol: Result<Found, String>,
    /// The policies in order, or everything that is wrong with their file or modules.
    pub(super) policies: Result<Vec<(Wanted, Found)>, Vec<String>>,
    /// What stands in the file of policies.
    pub(super) policy_text: String,
}

impl Sources {
    /// Whether any of it can change.
    #[must_use]
    pub fn can_change(&self) -> bool {
        let protocol = matches!(self.protocol, ProtocolSource::Pinned(Place::File(_)) | ProtocolSource::NamedIn(_));
        protocol || self.policies.is_some()
    }

    /// Reads all of it, each file once. Blocks.
    pub(super) fn contents(&self) -> Contents {
        let protocol = match &self.protocol {
            ProtocolSource::BuiltIn => Ok(Found::BuiltIn(BUILT_IN)),
            ProtocolSource::Pinned(place) => {
                self.read(place.clone()).map_err(|error| format!("PROTOCOL_COMPONENT {error}"))
            }
            ProtocolSource::NamedIn(file) => {
                let found = named_in(file).and_then(|place| self.read(place));
                found.map_err(|error| format!("PROTOCOL_COMPONENT_FILE {}: {error}", file.display()))
            }
        };
        let (policies, policy_text) = match &self.policies {
            None => {
                let text = policies::default_text();
                (self.wanted(&text, Path::new("")), text)
            }
            Some(path) => match file::read(path) {
                Ok(text) => (self.wanted(&text, path.parent().unwrap_or(Path::new(""))), text),
                Err(error) => (Err(vec![format!("cannot be read: {error}")]), String::new()),
            },
        };
        let named = self.policies.as_deref().unwrap_or(Path::new("")).display();
        let policies = policies
            .map_err(|mistakes| mistakes.iter().map(|mistake| format!("POLICY_FILE {named}: {mistake}")).collect());
        Contents { protocol, policies, policy_text }
    }

    /// What a file of policies in `folder` wants, and what is there of it.
    fn wanted(&self, text: &str, folder: &Path) -> Result<Vec<(Wanted, Found)>, Vec<String>> {
        let wanted = policies::parse(text)?;
        let mut found = Vec::new();
        let mut mistakes = Vec::new();
        for wanted in wanted {
            match self.module(&wanted.source, folder) {
                Ok(module) => found.push((wanted, module)),
                Err(what) => mistakes.push(format!("policy {:?}: {what}", wanted.name)),
            }
        }
        if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
    }

    fn module(&self, source: &Source, folder: &Path) -> Result<Found, String> {
        match source {
            Source::BuiltIn(name) => {
                let known = built_in().iter().find(|(known, _)| known == name);
                known.map(|(_, bytes)| Found::BuiltIn(bytes)).ok_or_else(|| format!("no module {name:?} is built in"))
            }
            Source::File { path, sha256 } => self.read(Place::File(Pinned::new(folder.join(path), sha256.clone()))),
            Source::Oci(text) => text.parse().map(Found::Registry).map_err(|error: NoReference| error.to_string()),
        }
    }

    fn read(&self, place: Place) -> Result<Found, String> {
        match place {
            Place::File(pinned) => {
                let bytes = pinned.read().map_err(|error| error.to_string())?;
                let signature = self.key.as_ref().and_then(|_| signature::beside(pinned.path()));
                Ok(Found::File { bytes, signature, source: pinned.path().display().to_string() })
            }
            Place::Registry(reference) => Ok(Found::Registry(reference)),
        }
    }
}

impl Contents {
    /// What tells these contents apart from others: what was found, or what is wrong.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        // One digest each, so that nothing can move from one part to the other unseen.
        let mut add = |part: &[u8]| hasher.update(Sha256::digest(part));
        let mut found = |found: &Found| match found {
            Found::BuiltIn(bytes) => add(bytes),
            Found::File { bytes, signature, source } => {
                add(bytes);
                add(signature.as_deref().unwrap_or_default().as_bytes());
                add(source.as_bytes());
            }
            Found::Registry(reference) => add(reference.to_string().as_bytes()),
        };
        let mut errors = Vec::new();
        match &self.protocol {
            Ok(protocol) => found(protocol),
            Err(error) => errors.push(error),
        }
        match &self.policies {
            Ok(policies) => policies.iter().for_each(|(_, module)| found(module)),
            Err(mistakes) => errors.extend(mistakes),
        }
        add(self.policy_text.as_bytes());
        errors.into_iter().for_each(|error| add(error.as_bytes()));
        hasher.finalize().into()
    }
}

/// The component that `file` names: one line, in which a path is relative to the file's folder.
fn named_in(file: &Path) -> Result<Place, String> {
    let text = file::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    match text.trim().parse().map_err(|error: NoPlace| error.to_string())? {
        Place::File(pinned) => Ok(Place::File(pinned.relative_to(file.parent().unwrap_or(Path::new(""))))),
        registry @ Place::Registry(_) => Ok(registry),
    }
}
