//! A state's serial: reading it, and exchanging it without touching any other byte.

use struson::reader::{JsonReader, JsonStreamReader, ReaderSettings, ValueType};
use tofu_state_protocol::header::{StateHeader, read_header};
use tofu_state_protocol::outside::{Blob, Digests};

/// How deep values may be nested: what the server allows.
const MAX_DEPTH: u32 = 10_000;

/// Bytes in memory, as the protocol's reader of headers wants them.
struct InMemory<'a>(&'a [u8]);

impl Blob for InMemory<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        rest.get(..len as usize).unwrap_or(rest).to_vec()
    }

    fn digests(&self) -> Digests {
        Digests { md5: [0; 16], sha256: [0; 32] }
    }
}

/// The header of a state, checked as the server checks it.
///
/// # Errors
/// A sentence: why these bytes are no state. It names places, never content.
pub fn header(state: &[u8]) -> Result<StateHeader, String> {
    read_header(&InMemory(state)).map_err(|why| why.to_string())
}

/// The same state with another serial; every other byte is as it was.
///
/// # Errors
/// A sentence: the bytes are no state, or it is encrypted, so that its true serial cannot be reached, or which serial
/// counts is doubtful.
pub fn with_serial(state: &[u8], serial: u64) -> Result<Vec<u8>, String> {
    if header(state)?.encrypted {
        return Err("the state is encrypted by the client: its true serial lies in the encrypted part".to_owned());
    }
    let (start, end) = position(state)?;
    let (Some(before), Some(after)) = (state.get(..start), state.get(end..)) else {
        return Err("the serial cannot be found in the text".to_owned());
    };
    let changed = [before, serial.to_string().as_bytes(), after].concat();
    // What is sent to be kept is looked at once more.
    match header(&changed) {
        Ok(read) if read.serial == serial => Ok(changed),
        Ok(_) | Err(_) => Err("the serial cannot be exchanged in this text".to_owned()),
    }
}

/// Where the serial's digits begin and end.
fn position(state: &[u8]) -> Result<(usize, usize), String> {
    let settings = ReaderSettings {
        max_nesting_depth: Some(MAX_DEPTH),
        track_path: false,
        restrict_number_values: false,
        ..ReaderSettings::default()
    };
    let mut json = JsonStreamReader::new_custom(state, settings);
    let failed = |_: struson::reader::ReaderError| "it is not JSON".to_owned();
    let mut found = None;
    json.begin_object().map_err(failed)?;
    while json.has_next().map_err(failed)? {
        let name = json.next_name().map_err(failed)?;
        // Go's decoder, which the CLIs use, ignores case and takes the last of several.
        if !name.eq_ignore_ascii_case("serial") {
            json.skip_value().map_err(failed)?;
            continue;
        }
        if found.is_some() {
            return Err("it has more than one serial".to_owned());
        }
        if json.peek().map_err(failed)? != ValueType::Number {
            return Err("its serial is not a number".to_owned());
        }
        let start = place(&json)?;
        let digits = json.next_number_as_str().map_err(failed)?.len();
        found = Some((start, start + digits));
    }
    found.ok_or_else(|| "it has no serial".to_owned())
}

fn place(json: &impl JsonReader) -> Result<usize, String> {
    let position = json.current_position(false).data_pos;
    position.and_then(|position| usize::try_from(position).ok()).ok_or_else(|| "its serial has no place".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_serial_changes() {
        for (old, new) in [
            (r#"{"version":4,"serial":4,"lineage":"L"}"#, r#"{"version":4,"serial":11,"lineage":"L"}"#),
            (
                "\n{ \"version\" : 4,\n  \"serial\" :\t 123 ,\r\n \"lineage\":\"é\", \"outputs\":{\"a\":{\"value\":1e400,\"serial\":5}},\"resources\":[{\"serial\":4}]}\n\n",
                "\n{ \"version\" : 4,\n  \"serial\" :\t 11 ,\r\n \"lineage\":\"é\", \"outputs\":{\"a\":{\"value\":1e400,\"serial\":5}},\"resources\":[{\"serial\":4}]}\n\n",
            ),
            (
                r#"{"a":"\"serial\":9","version":4,"lineage":"L","serial":0}"#,
                r#"{"a":"\"serial\":9","version":4,"lineage":"L","serial":11}"#,
            ),
            (r#"{"version":4,"s\u0065rial":4,"lineage":"L"}"#, r#"{"version":4,"s\u0065rial":11,"lineage":"L"}"#),
        ] {
            assert_eq!(String::from_utf8(with_serial(old.as_bytes(), 11).unwrap()).unwrap(), new);
        }
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        for (bad, why) in [
            (r#"{"version":4,"serial":4,"serial":5,"lineage":"L"}"#, "more than one"),
            (r#"{"version":4,"Serial":4,"serial":5,"lineage":"L"}"#, "more than one"),
            (r#"{"serial":3,"lineage":"L","encrypted_data":"AAAA","encryption_version":"v0"}"#, "encrypted"),
            (r#"{"version":4,"lineage":"L"}"#, "missing"),
            ("[]", "JSON object"),
            ("", "not JSON"),
        ] {
            let error = with_serial(bad.as_bytes(), 7).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_gives_the_same_bytes(serial in any::<u64>(), other in any::<u64>(), space in "[ \t\r\n]{0,4}", text in ".{0,12}") {
            let text = serde_json::to_string(&text).unwrap();
            let state = format!("{space}{{{space}\"a\":{text},\"version\":4,{space}\"serial\"{space}:{space}{serial}{space},\"lineage\":{text}{space}}}{space}");
            let changed = with_serial(state.as_bytes(), other).unwrap();
            prop_assert_eq!(header(&changed).unwrap().serial, other);
            prop_assert_eq!(with_serial(&changed, serial).unwrap(), state.into_bytes());
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = with_serial(&bytes, 1);
        }
    }
}
