//! `TOKENS_FILE`: named tokens in TOML.
//!
//! ```toml
//! [[token]]
//! name = "ci-platform"
//! sha256 = "…"                     # of the token; `tofu-state token hash` prints an entry
//! paths = ["platform/*", "team/**"] # `*` stays within a segment, `**` does not
//! rights = ["read", "write"]       # also: unlock (break others' locks), delete, outputs (read nothing else)
//! expires = 2027-01-01T00:00:00Z   # optional
//! ```
//!
//! Several entries may share a name (two tokens at once during a rotation) or a token (other rights on
//! other paths).

use std::collections::BTreeMap;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tofu_state_component::Rights;

use super::paths::Paths;
use super::tokens::{Entry, SHARED, digest};
use crate::config::file;

/// What is hashed when the token was forgotten: `printf '' | sha256sum`, `echo | sha256sum`.
const NOTHING: [&str; 3] = ["", "\n", "\r\n"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    sha256: String,
    paths: Vec<String>,
    rights: Vec<Right>,
    expires: Option<Expiry>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Right {
    Read,
    Write,
    Unlock,
    Delete,
    Outputs,
}

/// As TOML's own date and time, or as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expiry {
    Toml(toml::value::Datetime),
    Text(String),
}

/// Reads the file's text.
///
/// # Errors
/// Every mistake, each with its line or its entry. No text of the file is repeated but names, paths and
/// dates: somebody may have written a token where its digest belongs.
pub fn parse(text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| vec![file::toml_mistake(text, &error)])?;
    let mut mistakes = Vec::new();
    let mut entries = Vec::new();
    let mut owners: BTreeMap<[u8; 32], String> = BTreeMap::new();
    for (index, written) in file.token.into_iter().enumerate() {
        let place = format!("entry {} (name {:?})", index.saturating_add(1), written.name);
        let mut wrong = |what: String| mistakes.push(format!("{place}: {what}"));
        match entry(written, &mut wrong) {
            None => {}
            Some(entry) => {
                let owner = owners.entry(entry.digest).or_insert_with(|| entry.name.to_string());
                if **owner == *entry.name {
                    entries.push(entry);
                } else {
                    wrong(format!("the same token as {owner:?}: give each name a token of its own"));
                }
            }
        }
    }
    if entries.is_empty() && mistakes.is_empty() {
        mistakes.push("no [[token]] entry: write at least one".to_owned());
    }
    if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
}

/// One entry, all its mistakes noted.
fn entry(written: Written, wrong: &mut impl FnMut(String)) -> Option<Entry> {
    let name_is_fine = !written.name.is_empty()
        && written.name.len() <= 128
        && written.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@:/+".contains(&b))
        && written.name != SHARED;
    if !name_is_fine {
        wrong(format!(
            "the name is empty, longer than 128 characters, `{SHARED}`, or has other characters than A-Z a-z 0-9 . _ - @ : / +"
        ));
    }
    let mut sha256 = [0; 32];
    let mut digest_is_fine = hex::decode_to_slice(&written.sha256, &mut sha256).is_ok();
    if !digest_is_fine {
        wrong("sha256 is not 64 hexadecimal digits: `tofu-state token hash` makes them of a token".to_owned());
    } else if NOTHING.iter().any(|nothing| digest(&(*nothing).into()) == sha256) {
        digest_is_fine = false;
        wrong("sha256 is that of an empty text: make it of a token with `tofu-state token hash`".to_owned());
    }
    if written.paths.is_empty() {
        wrong("no paths: write some, for all of them \"**\"".to_owned());
    }
    if written.rights.is_empty() {
        wrong("no rights: write some of \"read\", \"write\", \"unlock\", \"delete\"".to_owned());
    }
    let paths = Paths::compile(&written.paths).map_err(&mut *wrong).ok();
    let expires = match written.expires.as_ref().map(expiry) {
        None => Some(None),
        Some(Ok(time)) => Some(Some(time)),
        Some(Err(what)) => {
            wrong(what);
            None
        }
    };
    let usable = name_is_fine && digest_is_fine && !written.paths.is_empty() && !written.rights.is_empty();
    let rights = written.rights.iter().fold(Rights::empty(), |rights, right| {
        rights
            | match right {
                Right::Read => Rights::READ,
                Right::Write => Rights::WRITE,
                Right::Unlock => Rights::UNLOCK,
                Right::Delete => Rights::DELETE,
                Right::Outputs => Rights::OUTPUTS,
            }
    });
    let (paths, expires) = (paths?, expires?);
    usable.then(|| Entry { name: written.name.into(), digest: sha256, paths: Some(paths), rights, expires })
}

fn expiry(written: &Expiry) -> Result<OffsetDateTime, String> {
    let text = match written {
        Expiry::Toml(datetime) => datetime.to_string(),
        Expiry::Text(text) => text.clone(),
    };
    OffsetDateTime::parse(&text, &Rfc3339)
        .map_err(|_| format!("expires {text:?} is not a date and time with a zone: write 2027-01-31T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_good_file() {
        let text = format!(
            "[[token]]\nname = \"ci\"\nsha256 = \"{HEX}\"\npaths = [\"a/*\"]\nrights = [\"read\", \"write\"]\n\
             expires = 2027-01-31T00:00:00Z\n\
             [[token]]\nname = \"ci\"\nsha256 = \"{HEX}\"\npaths = [\"b/**\"]\nrights = [\"delete\"]\n\
             expires = \"2027-01-31T00:00:00+02:00\"\n"
        );
        let entries = parse(&text).unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries[0].rights.contains(Rights::WRITE) && !entries[0].rights.contains(Rights::UNLOCK));
        let hours = (entries[0].expires.unwrap() - entries[1].expires.unwrap()).whole_hours();
        assert_eq!(hours, 2);
        assert!(!format!("{entries:?}").contains("9f86"));
    }

    #[test]
    fn all_mistakes_name_their_entry_and_repeat_no_token() {
        let text = format!(
            "[[token]]\nname = \"shared\"\nsha256 = \"my-raw-token\"\npaths = [\"a[\"]\nrights = []\nexpires = \"soon\"\n\
             [[token]]\nname = \"a\"\nsha256 = \"{HEX}\"\npaths = [\"a/*\"]\nrights = [\"read\"]\n\
             [[token]]\nname = \"b\"\nsha256 = \"{HEX}\"\npaths = [\"a/*\"]\nrights = [\"read\"]\n"
        );
        let mistakes = parse(&text).unwrap_err();
        let all = mistakes.join("\n");
        assert_eq!(mistakes.len(), 6, "{all}");
        assert!(all.contains("entry 1 (name \"shared\")") && all.contains("entry 3 (name \"b\")"), "{all}");
        assert!(!all.contains("my-raw-token"), "{all}");
    }

    #[test]
    fn the_digest_of_nothing_is_refused() {
        for nothing in NOTHING {
            let sha256 = hex::encode(digest(&nothing.into()));
            let text =
                format!("[[token]]\nname = \"a\"\nsha256 = \"{sha256}\"\npaths = [\"**\"]\nrights = [\"read\"]\n");
            let mistakes = parse(&text).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].contains("empty"), "{mistakes:?}");
        }
    }

    #[test]
    fn a_mistake_in_the_toml_names_its_line() {
        let mistakes = parse("[[token]]\nname = \"a\"\nnmae = 1\n").unwrap_err();
        assert!(mistakes[0].starts_with("line "), "{mistakes:?}");
        assert!(parse("[[token]]\nname = \"a\nsha256 = \"secret\"").unwrap_err()[0].starts_with("line "));
        assert!(parse("").is_err());
    }
}
