//! Versions, read and ordered exactly as OpenTofu and Terraform do (both use apparentlymart's go-versions).
//!
//! The order is nearly that of Semantic Versioning. It differs for prereleases with different numbers of dots, where the
//! one that ends first is the lower one whatever its words are: `1.0.0-beta` is lower than `1.0.0-alpha.1`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version: three numbers, and perhaps a prerelease and build metadata.
///
/// Equality and order regard the metadata, which breaks ties only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows `-`; empty for a release.
    pub prerelease: String,
    /// What follows `+`; may be empty.
    pub metadata: String,
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no version: {reason}")]
pub struct VersionError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Version {
    /// Whether it is a prerelease, which is only taken when it is asked for exactly.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }

    /// The order of precedence, which disregards build metadata.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (false, false) => words(&self.prerelease, &other.prerelease),
                (mine, others) => mine.cmp(&others),
            }
        })
    }
}

/// The order of two prereleases or of two metadata.
pub(crate) fn words(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        match (one.split_once('.'), other.split_once('.')) {
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (None, None) => return word(one, other),
            (Some((a, rest)), Some((b, others_rest))) => {
                let order = word(a, b);
                if order.is_ne() {
                    return order;
                }
                (one, other) = (rest, others_rest);
            }
        }
    }
}

fn word(one: &str, other: &str) -> Ordering {
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    match (number(one), number(other)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (false, false) => one.cmp(other),
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence(other).then_with(|| words(&self.metadata, &other.metadata))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Parsed::read(text).map(|parsed| parsed.version).map_err(|reason| VersionError { text: text.to_owned(), reason })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        self.fmt_extras(f)
    }
}

impl Version {
    /// Writes prerelease and metadata with their signs.
    pub(crate) fn fmt_extras(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// A version, and how many of its numbers were written; the others are zero.
pub(crate) struct Parsed {
    pub(crate) version: Version,
    pub(crate) numbers: usize,
}

impl Parsed {
    /// Reads a version that may leave out its last numbers.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.starts_with(['v', 'V']) {
            return Err("a version has no \"v\" before it");
        }
        let (text, metadata) = text.split_once('+').map_or((text, None), |(text, metadata)| (text, Some(metadata)));
        let (numbers, prerelease) =
            text.split_once('-').map_or((text, None), |(numbers, words)| (numbers, Some(words)));
        let mut parts = [0; 3];
        let mut count = 0;
        for number in numbers.split('.') {
            let part = parts.get_mut(count).ok_or("it has more than three numbers")?;
            *part = self::number(number)?;
            count += 1;
        }
        let [major, minor, patch] = parts;
        let version = Version { major, minor, patch, prerelease: extra(prerelease)?, metadata: extra(metadata)? };
        Ok(Self { version, numbers: count })
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    match text {
        "*" | "x" | "X" => Err("a version has no wildcards: leave the number out"),
        "" => Err("a number is missing"),
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => Err("it must be numbers with dots between them"),
        _ => text.parse().map_err(|_| "a number is too large"),
    }
}

fn extra(text: Option<&str>) -> Result<String, &'static str> {
    let Some(text) = text else { return Ok(String::new()) };
    let valid = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if text.split('.').all(valid) {
        Ok(text.to_owned())
    } else {
        Err("a prerelease or metadata is words of letters, digits and dashes, with dots between them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_left_out_are_zero() {
        for (text, written) in [("1", "1.0.0"), ("1.2", "1.2.0"), ("01.2.3", "1.2.3"), ("1.2.3-a.1+b", "1.2.3-a.1+b")] {
            assert_eq!(version(text).to_string(), written);
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "v1", "1.2.3.4", "1..2", "1.*", "1.x", "x", "1.2.3-", "1.2.3-a..b", "1.2.3+", " 1", "1 ", "-1"]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!("99999999999999999999.0.0".parse::<Version>().is_err());
    }

    #[test]
    fn the_order_is_that_of_the_command_lines() {
        let ascending = [
            "0.9.0",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-beta",
            // Fewer dots are lower, whatever the words.
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1.1",
            "1.0.0",
            "1.0.0+build",
            "1.0.1",
            "1.10.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert!(version("1.0.0").precedence(&version("1.0.0+x")).is_eq());
    }
}
