//! What is read of a state: its header, in one streaming pass that also proves the whole to be JSON.
//!
//! A plain state is version 4 of the format (`version`, `serial`, `lineage`, `terraform_version`); one
//! that OpenTofu encrypted has `serial`, `lineage` and `encryption_version` in the clear.

use std::fmt;
use std::io::{self, Read};

use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ReaderSettings, ValueType};

use crate::outside::Blob;

/// How deep values may be nested: what Go's `encoding/json`, which the CLIs use, allows.
const MAX_DEPTH: u32 = 10_000;
/// The longest lineage or version text in bytes; a lineage is a UUID of 36.
const MAX_TEXT_BYTES: u64 = 1024;
/// How much is fetched from the host at once. Little, because every page that one instance writes is reset for each
/// that comes after it in the same place: a large buffer would slow down requests that need none.
const PIECE_BYTES: u32 = 16 * 1024;

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

impl From<ReaderError> for NotAState {
    fn from(error: ReaderError) -> Self {
        // The kinds' own texts may quote what they met, so only the kind and the place are told.
        Self(match error {
            ReaderError::SyntaxError(error) => format!("it is not JSON: {} at {}", error.kind, error.location),
            ReaderError::MaxNestingDepthExceeded { location, .. } => {
                format!("values are nested deeper than {MAX_DEPTH} levels at {location}")
            }
            ReaderError::UnexpectedValueType { expected, actual, location } => {
                format!("a value of type {actual} stands where {expected} belongs, at {location}")
            }
            ReaderError::UnexpectedStructure { location, .. } => format!("its structure is broken at {location}"),
            ReaderError::UnsupportedNumberValue { location, .. } => format!("a number is out of range at {location}"),
            _ => "it is not JSON in UTF-8".to_owned(),
        })
    }
}

/// Reads a whole state once and keeps its header.
///
/// # Errors
/// [`NotAState`] says what is wrong and where.
pub fn read_header(state: &impl Blob) -> Result<StateHeader, NotAState> {
    let settings = ReaderSettings {
        max_nesting_depth: Some(MAX_DEPTH),
        track_path: false,
        restrict_number_values: false,
        ..ReaderSettings::default()
    };
    let mut json = JsonStreamReader::new_custom(Pieces::new(state), settings);
    let mut found = Found::default();
    if json.peek()? != ValueType::Object {
        return Err(NotAState("a state is a JSON object".to_owned()));
    }
    json.begin_object()?;
    while json.has_next()? {
        match json.next_name()? {
            "version" => found.version = Some(whole_number(&mut json, "version")?),
            "serial" => found.serial = Some(whole_number(&mut json, "serial")?),
            "lineage" => found.lineage = Some(text(&mut json, "lineage")?),
            "terraform_version" => match json.peek()? {
                ValueType::Null => json.next_null()?,
                _ => found.tool_version = Some(text(&mut json, "terraform_version")?),
            },
            "encryption_version" => {
                found.encrypted = true;
                json.skip_value()?;
            }
            "resources" | "outputs" => found.filled |= skip_filled(&mut json)?,
            _ => json.skip_value()?,
        }
    }
    json.end_object()?;
    json.consume_trailing_whitespace()?;
    found.header()
}

#[derive(Default)]
struct Found {
    version: Option<u64>,
    serial: Option<u64>,
    lineage: Option<String>,
    tool_version: Option<String>,
    encrypted: bool,
    filled: bool,
}

impl Found {
    fn header(self) -> Result<StateHeader, NotAState> {
        let missing = |name: &str| NotAState(format!("`{name}` is missing: is this a state file?"));
        if self.version.is_none() && !self.encrypted {
            return Err(missing("version"));
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

/// Skips a value; whether there is something in it.
fn skip_filled(json: &mut impl JsonReader) -> Result<bool, NotAState> {
    let filled;
    match json.peek()? {
        ValueType::Array => {
            json.begin_array()?;
            filled = json.has_next()?;
            while json.has_next()? {
                json.skip_value()?;
            }
            json.end_array()?;
        }
        ValueType::Object => {
            json.begin_object()?;
            filled = json.has_next()?;
            while json.has_next()? {
                json.skip_name()?;
                json.skip_value()?;
            }
            json.end_object()?;
        }
        other => {
            filled = other != ValueType::Null;
            json.skip_value()?;
        }
    }
    Ok(filled)
}

fn whole_number(json: &mut impl JsonReader, name: &str) -> Result<u64, NotAState> {
    json.next_number::<u64>()?.map_err(|_| NotAState(format!("`{name}` is not a whole number of at most 64 bits")))
}

fn text(json: &mut impl JsonReader, name: &str) -> Result<String, NotAState> {
    let mut text = String::new();
    let mut reader = json.next_string_reader()?;
    reader
        .by_ref()
        .take(MAX_TEXT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|_| NotAState(format!("`{name}` is not a well-formed string")))?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(NotAState(format!("`{name}` is longer than {MAX_TEXT_BYTES} bytes")));
    }
    // One more read tells that the closing quote was reached.
    reader.read_to_end(&mut Vec::new()).map_err(|_| NotAState(format!("`{name}` is not a well-formed string")))?;
    Ok(text)
}

/// A blob as a reader: fetched from the host piece by piece.
struct Pieces<'a, B> {
    blob: &'a B,
    next: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl<'a, B: Blob> Pieces<'a, B> {
    fn new(blob: &'a B) -> Self {
        Self { blob, next: 0, piece: io::Cursor::new(Vec::new()) }
    }
}

impl<B: Blob> Read for Pieces<'_, B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let piece = self.blob.read(self.next, PIECE_BYTES);
        self.next += piece.len() as u64;
        self.piece = io::Cursor::new(piece);
        self.piece.read(buffer)
    }
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
