//! Addresses of resource instances, and paths of attributes, as people read them.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What of a resource makes the addresses of its instances.
#[derive(Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow, default)]
    module: Cow<'a, str>,
    #[serde(borrow, default)]
    mode: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    resource_type: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// An array, which is read later.
    #[serde(borrow)]
    pub(super) instances: Option<&'a RawValue>,
}

/// What of an instance makes its address.
#[derive(Deserialize)]
struct Instance<'a> {
    #[serde(borrow)]
    index_key: Option<&'a RawValue>,
    deposed: Option<String>,
}

impl Resource<'_> {
    /// The address of one of its instances, such as `module.a.aws_instance.b["c"]`.
    pub(super) fn address(&self, instance: &RawValue) -> serde_json::Result<String> {
        let Instance { index_key, deposed } = serde_json::from_str(instance.get())?;
        let mut address = String::new();
        if !self.module.is_empty() {
            address.push_str(&self.module);
            address.push('.');
        }
        if self.mode == "data" {
            address.push_str("data.");
        }
        address.push_str(&self.resource_type);
        address.push('.');
        address.push_str(&self.name);
        if let Some(key) = index_key.filter(|key| key.get() != "null") {
            let _ = write!(address, "[{}]", key.get());
        }
        if let Some(key) = deposed.filter(|key| !key.is_empty()) {
            let _ = write!(address, " (deposed {key})");
        }
        Ok(address)
    }
}

/// A step from a value to one of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To a member of an object.
    Member(String),
    /// To an item of an array.
    Item(usize),
}

/// A path as text: `tags.Name`, `ingress[0].from_port`, `labels["a/b"]`.
pub(super) fn text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        let _ = match step {
            Step::Item(number) => write!(text, "[{number}]"),
            Step::Member(name) if !is_plain(name) => write!(text, "[{}]", serde_json::Value::from(name.as_str())),
            Step::Member(name) if text.is_empty() => write!(text, "{name}"),
            Step::Member(name) => write!(text, ".{name}"),
        };
    }
    text
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
