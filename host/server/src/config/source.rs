//! Where settings come from: flags first, then the environment, then the default. Both are injected,
//! so that tests need no process environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::file;
use super::mistakes::{Mistake, Mistakes, Wrong};
use super::settings::Setting;

/// The readers of flags and of the environment.
pub struct Source<'a> {
    /// The value of a flag, by its long name.
    pub flag: &'a dyn Fn(&str) -> Option<String>,
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

/// A value as it was given.
pub(super) struct Given {
    pub(super) text: String,
    /// For mistakes: the flag or the variable.
    pub(super) setting: String,
}

/// A secret as it was given.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The secret itself; its `Debug` shows nothing.
    pub value: SecretString,
    /// The file that it was read from, which may change.
    pub file: Option<PathBuf>,
}

/// Reads settings and collects the mistakes.
pub(super) struct Reading<'a> {
    source: &'a Source<'a>,
    mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self { source, mistakes: Vec::new(), warnings: Vec::new() }
    }

    /// A setting's text, without its default. An empty value counts as none.
    pub(super) fn given(&mut self, setting: &Setting) -> Option<Given> {
        let flag = setting.flag();
        if !setting.secret
            && let Some(text) = (self.source.flag)(&flag).filter(|text| !text.is_empty())
        {
            return Some(Given { text, setting: format!("--{flag}") });
        }
        let text = self.variable(setting.name)?;
        Some(Given { text, setting: setting.name.to_owned() })
    }

    /// An environment variable's text. An empty value counts as none.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        let value = (self.source.variable)(name).filter(|value| !value.is_empty())?;
        match value.into_string() {
            Ok(text) => Some(text),
            Err(_) => {
                self.mistake(name, None, Wrong::new("not UTF-8", "write it in UTF-8"));
                None
            }
        }
    }

    /// A setting's value, from what was given or else from its default. None if there is neither, or
    /// after a mistake, which is noted.
    pub(super) fn value<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let given = self
            .given(setting)
            .or_else(|| Some(Given { text: setting.default?.to_owned(), setting: setting.name.to_owned() }))?;
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.mistake(&given.setting, Some(given.text), wrong);
                None
            }
        }
    }

    /// A secret that can be sent as it is, given as it is or in a file. A newline at a file's end does not
    /// belong to it.
    pub(super) fn secret(&mut self, setting: &Setting) -> Option<Secret> {
        self.secret_that_is(setting, sendable)
    }

    /// A secret of another form.
    pub(super) fn secret_that_is(
        &mut self,
        setting: &Setting,
        check: impl Fn(&str) -> Result<(), Wrong>,
    ) -> Option<Secret> {
        let by_file = setting.file_variable();
        let (value, file) = match (self.variable(setting.name), self.variable(&by_file)) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                let wrong = Wrong::new(format!("{by_file} is set too"), "set one of the two");
                self.mistake(setting.name, None, wrong);
                return None;
            }
            (Some(value), None) => (value, None),
            (None, Some(file)) => match read_secret(Path::new(&file)) {
                Ok(value) => (value, Some(PathBuf::from(file))),
                Err(wrong) => {
                    self.mistake(&by_file, Some(file), wrong);
                    return None;
                }
            },
        };
        if let Err(wrong) = check(&value) {
            self.mistake(if file.is_some() { &by_file } else { setting.name }, None, wrong);
            return None;
        }
        Some(Secret { value: value.into(), file })
    }

    /// Notes a mistake.
    pub(super) fn mistake(&mut self, setting: &str, value: Option<String>, wrong: Wrong) {
        let mistake = Mistake { setting: setting.to_owned(), value, wrong };
        // A setting may be looked at more than once.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// The mistakes so far.
    pub(super) fn mistakes(self) -> Mistakes {
        Mistakes(self.mistakes)
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }
}

/// Reads a file that holds one secret.
///
/// # Errors
/// If it cannot be read, is no regular file or larger than 1 MiB, or is empty.
pub fn read_secret(path: &Path) -> Result<String, Wrong> {
    let text = file::read(path)
        .map_err(|error| Wrong::new(format!("cannot be read: {error}"), "name a readable text file"))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        Err(Wrong::new("the file is empty", "write the secret into it"))
    } else {
        Ok(secret.to_owned())
    }
}

/// Whether a secret can be sent in an HTTP header without changing.
///
/// # Errors
/// What keeps it from that.
pub fn sendable(secret: &str) -> Result<(), Wrong> {
    if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Wrong::new(
            "the secret holds a space, a line break, or a character outside ASCII",
            "use printable ASCII characters only",
        ))
    }
}
