//! A state's outputs, and nothing else of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::bounded::Limited;
use super::state::{Output, State};
use super::{MAX_ANSWER_BYTES, Unreadable};

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<&'a RawValue>,
    sensitive: bool,
}

/// The outputs of the state in `bytes` as a JSON object by name; sensitive values only if they are asked for.
pub(super) fn of(bytes: &[u8], with_sensitive: bool) -> Result<Vec<u8>, Unreadable> {
    let state = State::read(bytes, false)?;
    let mut outputs = BTreeMap::new();
    for (name, output) in &state.outputs {
        let Output { value, value_type, sensitive } = serde_json::from_str(output.get())?;
        let value = value.filter(|_| with_sensitive || !sensitive);
        outputs.insert(name, Told { value, value_type, sensitive });
    }
    let mut answer = Limited::new(MAX_ANSWER_BYTES);
    if !answer.push(&outputs) {
        return Err(Unreadable::because("its outputs are larger than one answer can be (4 MiB)"));
    }
    Ok(answer.bytes)
}
