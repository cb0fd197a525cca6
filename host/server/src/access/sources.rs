//! Where the callers' tokens come from: `API_TOKEN`, `API_TOKEN_FILE` and `TOKENS_FILE`.

use std::path::PathBuf;

use secrecy::SecretString;

use super::tokens::Tokens;
use super::tokens_file;
use crate::config::source::{Secret, read_secret, sendable};
use crate::config::{Mistake, Wrong, settings};

/// The places; those that are files are read anew on each [`read`](Self::read).
#[derive(Clone, Debug)]
pub struct Sources {
    /// The token that all callers share.
    pub shared: Option<Secret>,
    /// The file of named tokens.
    pub tokens_file: Option<PathBuf>,
}

impl Sources {
    /// Reads all of them.
    ///
    /// # Errors
    /// Every mistake. None of them repeats a secret.
    pub fn read(&self) -> Result<Tokens, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let entries = match self.named() {
            Ok(entries) => entries,
            Err(wrong) => {
                mistakes.extend(wrong);
                Vec::new()
            }
        };
        let mut tokens = Tokens::new(entries);
        match self.shared_now() {
            Ok(Some(shared)) => tokens = tokens.with_shared(&shared),
            Ok(None) => {}
            Err(mistake) => mistakes.push(mistake),
        }
        if mistakes.is_empty() { Ok(tokens) } else { Err(mistakes) }
    }

    /// The files that can change.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.tokens_file.iter().chain(self.shared.iter().filter_map(|secret| secret.file.as_ref()))
    }

    fn named(&self) -> Result<Vec<super::tokens::Entry>, Vec<Mistake>> {
        let Some(file) = &self.tokens_file else { return Ok(Vec::new()) };
        let mistake = |what: String, write: &str| Mistake {
            setting: settings::TOKENS_FILE.name.to_owned(),
            value: Some(file.display().to_string()),
            wrong: Wrong::new(what, write),
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| vec![mistake(format!("cannot be read: {error}"), "name a readable TOML file")])?;
        tokens_file::parse(&text)
            .map_err(|wrong| wrong.into_iter().map(|what| mistake(what, "correct the entry")).collect())
    }

    fn shared_now(&self) -> Result<Option<SecretString>, Mistake> {
        let Some(secret) = &self.shared else { return Ok(None) };
        let Some(file) = &secret.file else { return Ok(Some(secret.value.clone())) };
        let text = read_secret(file).and_then(|text| sendable(&text).map(|()| text)).map_err(|wrong| Mistake {
            setting: settings::API_TOKEN.file_variable(),
            value: Some(file.display().to_string()),
            wrong,
        })?;
        Ok(Some(text.into()))
    }
}
