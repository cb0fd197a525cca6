//! A state as far as it is inspected, in its own bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Unreadable;
use super::address::Resource;
use super::bounded::{Items, MOST, Members};

/// The version of the state format that is known.
const VERSION: u64 = 4;

#[derive(Deserialize)]
struct Fields<'a> {
    version: Option<u64>,
    encryption_version: Option<serde::de::IgnoredAny>,
    #[serde(borrow, default)]
    outputs: Members<'a>,
    #[serde(borrow, default)]
    resources: Items<Resource<'a>>,
}

/// The resource instances of a state by their addresses, and its outputs by their names.
#[derive(Default)]
pub(super) struct State<'a> {
    pub(super) instances: BTreeMap<String, &'a RawValue>,
    pub(super) outputs: BTreeMap<String, &'a RawValue>,
}

/// An output as the state has it.
#[derive(Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub(super) value_type: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) sensitive: bool,
}

impl<'a> State<'a> {
    /// Reads a state; its outputs only, if that is enough.
    pub(super) fn read(bytes: &'a [u8], instances_too: bool) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::because("it is not UTF-8"))?;
        let fields: Fields<'a> = serde_json::from_str(text)?;
        if fields.encryption_version.is_some() {
            return Err(Unreadable::because("its client has encrypted it"));
        }
        if fields.version != Some(VERSION) {
            return Err(Unreadable::because(format!("it is not of version {VERSION} of the state format")));
        }
        let mut state = Self { instances: BTreeMap::new(), outputs: fields.outputs.0 };
        if !instances_too {
            return Ok(state);
        }
        for resource in fields.resources.0 {
            let Some(instances) = resource.instances else { continue };
            let Items(instances): Items<&'a RawValue> = serde_json::from_str(instances.get())?;
            for instance in instances {
                state.instances.insert(resource.address(instance)?, instance);
            }
            if state.instances.len() > MOST {
                return Err(Unreadable::because(format!("it has more than {MOST} resource instances")));
            }
        }
        Ok(state)
    }
}
