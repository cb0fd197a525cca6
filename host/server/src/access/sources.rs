//! Where the callers' tokens come from: `API_TOKEN`, `API_TOKEN_FILE` and `TOKENS_FILE`.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::tokens::{Entry, Tokens, digest};
use super::tokens_file;
use crate::config::source::{Secret, read_secret, sendable};
use crate::config::{Mistake, Wrong, file, settings};
use crate::following::Fingerprint;

/// The places; those that are files are read anew on each [`read`](Self::read).
#[derive(Clone, Debug)]
pub struct Sources {
    /// The token that all callers share.
    pub shared: Option<Secret>,
    /// The file of named tokens.
    pub tokens_file: Option<PathBuf>,
}

/// What the sources held at one moment, each read once, not parsed yet.
pub(super) struct Contents<'a> {
    named: Option<(&'a Path, Result<SecretString, Mistake>)>,
    shared: Option<Result<SecretString, Mistake>>,
}

impl Sources {
    /// Reads all of them.
    ///
    /// # Errors
    /// Every mistake. None of them repeats a secret.
    pub fn read(&self) -> Result<Tokens, Vec<Mistake>> {
        self.contents().tokens()
    }

    /// Reads all of them, without looking at what is in them.
    pub(super) fn contents(&self) -> Contents<'_> {
        let named = self.tokens_file.as_deref().map(|path| {
            let text = file::read(path).map(SecretString::from);
            (path, text.map_err(|error| wrong(path, format!("cannot be read: {error}"), "name a readable TOML file")))
        });
        Contents { named, shared: self.shared.as_ref().map(shared_now) }
    }

    /// Whether any of them is a file, which can change.
    #[must_use]
    pub fn can_change(&self) -> bool {
        self.tokens_file.is_some() || self.shared.as_ref().is_some_and(|secret| secret.file.is_some())
    }
}

impl Contents<'_> {
    /// What tells these contents apart from others; none if some of them could not be read.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let mut hasher = Sha256::new();
        for part in [self.named.as_ref().map(|(_, text)| text), self.shared.as_ref()] {
            // One digest each, so that nothing can move from one part to the other unseen.
            let part = part.map(Result::as_ref).transpose().ok()?;
            hasher.update(part.map(digest).unwrap_or_default());
        }
        Some(hasher.finalize().into())
    }

    /// Parses all of it.
    ///
    /// # Errors
    /// Every mistake. None of them repeats a secret.
    pub(super) fn tokens(self) -> Result<Tokens, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut entries = Vec::new();
        let shared = self.shared.transpose().unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            None
        });
        if let Some((path, text)) = self.named {
            match text.map_err(|mistake| vec![mistake]).and_then(|text| parse(path, &text)) {
                Ok(parsed) => entries = parsed,
                Err(wrong) => mistakes.extend(wrong),
            }
            if let Some(same) = shared.as_ref().and_then(|shared| same_token(&entries, shared)) {
                let what = format!("the entry of {:?} has the token of API_TOKEN, which has all rights", &*same.name);
                mistakes.push(wrong(path, what, "give each of the two a token of its own"));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let tokens = Tokens::new(entries);
        Ok(match shared {
            Some(shared) => tokens.with_shared(&shared),
            None => tokens,
        })
    }
}

fn parse(path: &Path, text: &SecretString) -> Result<Vec<Entry>, Vec<Mistake>> {
    tokens_file::parse(text.expose_secret())
        .map_err(|mistakes| mistakes.into_iter().map(|what| wrong(path, what, "correct the entry")).collect())
}

fn same_token<'a>(entries: &'a [Entry], shared: &SecretString) -> Option<&'a Entry> {
    let shared = digest(shared);
    entries.iter().find(|entry| entry.digest == shared)
}

/// A mistake in `TOKENS_FILE`.
fn wrong(path: &Path, what: String, write: &str) -> Mistake {
    Mistake {
        setting: settings::TOKENS_FILE.name.to_owned(),
        value: Some(path.display().to_string()),
        wrong: Wrong::new(what, write),
    }
}

fn shared_now(secret: &Secret) -> Result<SecretString, Mistake> {
    let Some(file) = &secret.file else { return Ok(secret.value.clone()) };
    let text = read_secret(file).and_then(|text| sendable(&text).map(|()| text)).map_err(|wrong| Mistake {
        setting: settings::API_TOKEN.file_variable(),
        value: Some(file.display().to_string()),
        wrong,
    })?;
    Ok(text.into())
}
