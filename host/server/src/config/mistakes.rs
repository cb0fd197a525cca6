//! Mistakes in the configuration, collected so that all of them are reported at once.

use std::fmt;

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong with it.
    pub what: String,
    /// What to write.
    pub write: String,
}

impl Wrong {
    /// Both halves.
    pub fn new(what: impl Into<String>, write: impl Into<String>) -> Self {
        Self { what: what.into(), write: write.into() }
    }
}

/// A mistake in one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands: a variable or a flag.
    pub setting: String,
    /// The value, unless it is a secret or there is none.
    pub value: Option<String>,
    /// What is wrong, and what to do.
    pub wrong: Wrong,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?}: ", self.setting)?,
            None => write!(f, "{}: ", self.setting)?,
        }
        write!(f, "{}; {}", self.wrong.what, self.wrong.write)
    }
}

/// Everything that is wrong with the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} mistake(s):", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}
