//! What is read of a state: its header, in one streaming pass that also proves the whole to be JSON.
//!
//! A plain state is version 4 of the format (`version`, `serial`, `lineage`, `terraform_version`); one
//! that OpenTofu encrypted has `serial`, `lineage` and `encryption_version` in the clear, and the rest in
//! `encrypted_data`.
//!
//! The CLIs read with Go's `encoding/json`: it takes the last of several members with the same name, and does not look
//! at their case. What they could read otherwise than this does is refused: no CLI writes such a thing.

use std::fmt;

use crate::outside::Blob;
use crate::scan::{Kind, Raw, Scanner, Wrong};

/// The longest lineage or version text in bytes; a lineage is a UUID of 36.
const MAX_TEXT_BYTES: usize = 1024;
/// The same as it stands in the text, where a byte may be written as six.
const MAX_RAW_BYTES: usize = 6 * MAX_TEXT_BYTES;
/// The longest number that is looked at.
const MAX_DIGITS: usize = 32;
/// How much is fetched from the host at once. Little, because every page that one instance writes is reset for each
/// that comes after it in the same place: a large buffer would slow down requests that need none.
const PIECE_BYTES: u32 = 16 * 1024;

/// The members that are looked at.
const MEMBERS: [&str; 8] = [
    "version",
    "serial",
    "lineage",
    "terraform_version",
    "encryption_version",
    "encrypted_data",
    "resources",
    "outputs",
];

/// A state's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHeader {
    /// `serial`.
    pub serial: u64,
    /// `lineage`.
    pub lineage: String,
    /// `terraform_version`; an encrypted state has none.
    pub tool_version: Option<String>,
    /// Encrypted by the client.
    pub encrypted: bool,
    /// Neither resources nor outputs; an encrypted state is never called empty.
    pub empty: bool,
}

/// Why a body is no state. The text names places, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAState(String);

impl fmt::Display for NotAState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Wrong> for NotAState {
    fn from(wrong: Wrong) -> Self {
        Self(wrong.to_string())
    }
}

/// Reads a whole state once and keeps its header.
///
/// # Errors
/// [`NotAState`] says what is wrong and where.
pub fn read_header(state: &impl Blob) -> Result<StateHeader, NotAState> {
    let mut next = 0;
    let mut json = Scanner::new(|| {
        let piece = state.read(next, PIECE_BYTES);
        next += piece.len() as u64;
        piece
    });
    let mut found = Found::default();
    if json.kind()? != Kind::Object {
        return Err(NotAState("a state is a JSON object".to_owned()));
    }
    let mut first = true;
    while json.next_member(first)? {
        first = false;
        let mut name = Raw::up_to(MAX_RAW_BYTES);
        json.name(Some(&mut name))?;
        let name = name.string();
        found.meets(name.as_deref().unwrap_or_default())?;
        match name.as_deref() {
            Some("version") => found.version = Some(whole_number(&mut json, "version")?),
            Some("serial") => found.serial = Some(whole_number(&mut json, "serial")?),
            Some("lineage") => found.lineage = Some(text(&mut json, "lineage")?),
            Some("terraform_version") if json.kind()? != Kind::Null => {
                found.tool_version = Some(text(&mut json, "terraform_version")?);
            }
            // As OpenTofu tells it from a plain one.
            Some("encryption_version") if json.kind()? != Kind::Null => {
                found.encrypted = !text(&mut json, "encryption_version")?.is_empty();
            }
            Some("encrypted_data") => {
                found.has_data = json.kind()? == Kind::String;
                json.skip()?;
            }
            Some("resources" | "outputs") => found.filled |= json.skip()?,
            _ => drop(json.skip()?),
        }
    }
    json.end()?;
    found.header()
}

#[derive(Default)]
struct Found {
    version: Option<u64>,
    serial: Option<u64>,
    lineage: Option<String>,
    tool_version: Option<String>,
    encrypted: bool,
    has_data: bool,
    filled: bool,
    /// Which of [`MEMBERS`] have come.
    met: [bool; MEMBERS.len()],
}

impl Found {
    /// A member of this name comes next.
    fn meets(&mut self, name: &str) -> Result<(), NotAState> {
        let known = MEMBERS.iter().zip(&mut self.met).find(|(known, _)| is_taken_for(name, known));
        let Some((known, met)) = known else { return Ok(()) };
        if name != *known || std::mem::replace(met, true) {
            return Err(NotAState(format!(
                "it has more than one `{known}`, or one in another case: which of them counts depends on the reader"
            )));
        }
        Ok(())
    }

    fn header(self) -> Result<StateHeader, NotAState> {
        let missing = |name: &str| NotAState(format!("`{name}` is missing: is this a state file?"));
        if self.version.is_none() && !self.encrypted {
            return Err(missing("version"));
        }
        if self.encrypted && !self.has_data {
            return Err(NotAState("it has an `encryption_version` and no `encrypted_data`".to_owned()));
        }
        Ok(StateHeader {
            serial: self.serial.ok_or_else(|| missing("serial"))?,
            lineage: self.lineage.ok_or_else(|| missing("lineage"))?,
            tool_version: self.tool_version,
            encrypted: self.encrypted,
            empty: !self.encrypted && !self.filled,
        })
    }
}

/// Whether Go's `encoding/json` takes `name` for `known`, which is of small letters: it folds case, also of the long s
/// and of the Kelvin sign.
fn is_taken_for(name: &str, known: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(known.chars())
}

fn whole_number<F: FnMut() -> Vec<u8>>(json: &mut Scanner<F>, name: &str) -> Result<u64, NotAState> {
    if json.kind()? != Kind::Number {
        return Err(NotAState(format!("`{name}` is of another type than a number")));
    }
    let mut raw = Raw::up_to(MAX_DIGITS);
    json.number(Some(&mut raw))?;
    raw.whole_number().ok_or_else(|| NotAState(format!("`{name}` is not a whole number of at most 64 bits")))
}

fn text<F: FnMut() -> Vec<u8>>(json: &mut Scanner<F>, name: &str) -> Result<String, NotAState> {
    if json.kind()? != Kind::String {
        return Err(NotAState(format!("`{name}` is of another type than a string")));
    }
    let mut raw = Raw::up_to(MAX_RAW_BYTES);
    json.string(Some(&mut raw))?;
    let too_long = || NotAState(format!("`{name}` is longer than {MAX_TEXT_BYTES} bytes"));
    if raw.cut {
        return Err(too_long());
    }
    let text = raw.string().ok_or_else(|| NotAState(format!("`{name}` is not a well-formed string")))?;
    if text.len() > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::simulated::Bytes;
    use proptest::prelude::*;

    fn read(text: impl AsRef<[u8]>) -> Result<StateHeader, NotAState> {
        read_header(&Bytes::new(text.as_ref()))
    }

    #[test]
    fn reads_a_plain_state() {
        let header = read(
            r#"{"version":4,"terraform_version":"1.12.6","serial":7,"lineage":"L","outputs":{"x":{"value":1e400}},
            "resources":[{"serial":99,"lineage":"inner"}],"check_results":null}
            "#,
        );
        let expected = StateHeader {
            serial: 7,
            lineage: "L".into(),
            tool_version: Some("1.12.6".into()),
            encrypted: false,
            empty: false,
        };
        assert_eq!(header, Ok(expected));
    }

    #[test]
    fn reads_an_encrypted_state() {
        let header = read(
            r#"{"serial":3,"lineage":"L","meta":{"key_provider.pbkdf2.a":"e30="},"encrypted_data":"AAAA","encryption_version":"v0"}"#,
        )
        .unwrap();
        assert_eq!((header.serial, header.encrypted, header.tool_version, header.empty), (3, true, None, false));
    }

    #[test]
    fn a_state_without_resources_and_outputs_is_empty() {
        let empty = |rest: &str| read(format!(r#"{{"version":4,"serial":1,"lineage":"L"{rest}}}"#)).unwrap().empty;
        for rest in ["", r#","outputs":{},"resources":[]"#, r#","outputs":null,"resources":null,"check_results":[1]"#] {
            assert!(empty(rest), "{rest}");
        }
        for rest in [
            r#","outputs":{"a":{"value":1}}"#,
            r#","resources":[{"mode":"data"}],"outputs":{}"#,
            r#","resources":[0,[1,{"a":[]}]]"#,
            r#","resources":7"#,
        ] {
            assert!(!empty(rest), "{rest}");
        }
    }

    #[test]
    fn refuses_what_is_no_state_and_says_where() {
        let deep = format!(r#"{{"version":4,"a":{}"#, "[".repeat(200_000));
        let long = format!(r#"{{"version":4,"serial":1,"lineage":"{}"}}"#, "x".repeat(5000));
        for (bad, why) in [
            ("", "not JSON"),
            ("[]", "JSON object"),
            ("null", "JSON object"),
            ("hello", "not JSON"),
            (r#"{"version":4,"serial":1,"lineage":"x""#, "not JSON"),
            (r#"{"version":4,"serial":1,"lineage":"x"} trailing"#, "not JSON"),
            (r#"{"version":4,"serial":1,"lineage":"x",}"#, "not JSON"),
            (r#"{"version":4,"lineage":"x"}"#, "`serial` is missing"),
            (r#"{"version":4,"serial":1}"#, "`lineage` is missing"),
            (r#"{"serial":1,"lineage":"x"}"#, "`version` is missing"),
            (r#"{"version":4,"serial":"1","lineage":"x"}"#, "type"),
            (r#"{"version":4,"serial":-1,"lineage":"x"}"#, "whole number"),
            (r#"{"version":4,"serial":1.5,"lineage":"x"}"#, "whole number"),
            (r#"{"version":4,"serial":18446744073709551616,"lineage":"x"}"#, "whole number"),
            (r#"{"version":4,"serial":1,"lineage":null}"#, "type"),
            (&deep, "nested deeper"),
            (&long, "longer than"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{:.60}: {error}", bad);
        }
        assert!(read(b"{\"version\":4,\"serial\":1,\"lineage\":\"x\",\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn what_readers_could_read_differently_is_refused() {
        let rest = r#""version":4,"serial":1,"lineage":"L","resources":[]"#;
        for more in [
            r#""serial":2"#,
            r#""Serial":2"#,
            r#""\u017ferial":2"#,
            "\"\u{17f}erial\":2",
            r#""VERSION":4"#,
            r#""lineage":"L""#,
            r#""Lineage":"M""#,
            r#""resources":[{}]"#,
            r#""Resources":[{}]"#,
            r#""Outputs":{}"#,
            r#""Encryption_Version":"v0""#,
        ] {
            for text in [format!("{{{rest},{more}}}"), format!("{{{more},{rest}}}")] {
                let error = read(&text).unwrap_err().to_string();
                assert!(error.contains("more than one"), "{text}: {error}");
            }
        }
        // What is nested is no header, and what else there is at the top is nobody's business.
        let nested = r#""a":{"serial":1,"Serial":2,"serial":3},"A":1,"a":2"#;
        assert!(read(format!("{{{rest},{nested}}}")).is_ok());
    }

    #[test]
    fn what_only_looks_encrypted_is_not() {
        let with = |more: &str| read(format!(r#"{{"version":4,"serial":1,"lineage":"L",{more}}}"#));
        for plain in [r#""encryption_version":null"#, r#""encryption_version":"""#, r#""encrypted_data":"AAAA""#] {
            assert!(!with(plain).unwrap().encrypted, "{plain}");
        }
        for bad in [
            r#""encryption_version":"v0""#,
            r#""encryption_version":"v0","encrypted_data":null"#,
            r#""encryption_version":7,"encrypted_data":"AAAA""#,
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn takes_what_the_cli_takes() {
        let nested =
            format!(r#"{{"version":4,"serial":1,"lineage":"","resources":{}1{}}}"#, "[".repeat(9000), "]".repeat(9000));
        assert!(read(nested).is_ok());
        let large = format!(r#"{{"version":4,"serial":1,"lineage":"x","pad":"{}"}}"#, "é".repeat(1_000_000));
        assert!(read(large).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn every_cut_of_a_state_is_refused(cut in 0usize..73) {
            let whole = r#"{"version":4,"terraform_version":"1","serial":7,"lineage":"L","outputs":{}}"#;
            prop_assert!(read(whole).is_ok());
            prop_assert!(read(&whole[..cut]).is_err());
        }
    }
}
