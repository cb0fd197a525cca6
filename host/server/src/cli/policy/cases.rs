//! Cases for a module, in TOML: a change and the verdict expected of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tofu_state_component::policies::contract::{
    self, Caller, Change, Context, Expectation, Operation, ResourceChanges, TypeChanges,
};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Cases {
    /// The module's file.
    pub(super) module: Option<PathBuf>,
    /// Or the name of one that is built in.
    pub(super) builtin: Option<String>,
    /// Its configuration, for cases that have none of their own.
    #[serde(default)]
    pub(super) configuration: String,
    #[serde(default)]
    pub(super) case: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Case {
    pub(super) name: String,
    expect: Expected,
    /// What has to occur in the reason.
    pub(super) reason: Option<String>,
    configuration: Option<String>,
    change: Written,
    resources: Option<Resources>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Expected {
    Allow,
    Warn,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Lock,
    Write,
    ForceUnlock,
    Delete,
}

/// A change; what is not said is as an ordinary apply has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    operation: Kind,
    path: Option<String>,
    caller: Option<WrittenCaller>,
    /// `false`: none.
    lock: Option<Lock>,
    current: Option<Header>,
    proposed: Option<Header>,
    overwrite: Option<u64>,
    received: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCaller {
    name: String,
    named: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Lock {
    Held(bool),
    Info(LockInfo),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LockInfo {
    id: Option<String>,
    operation: Option<String>,
    who: Option<String>,
    version: Option<String>,
    info: String,
    created: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Header {
    serial: u64,
    lineage: String,
    size: Option<u64>,
    tool_version: Option<String>,
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    empty: bool,
    /// Any text: states with the same are the same. Without it, serial and lineage tell.
    content: Option<String>,
}

/// Resource instances by type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    before: u32,
    #[serde(default)]
    added: BTreeMap<String, u32>,
    #[serde(default)]
    changed: BTreeMap<String, u32>,
    #[serde(default)]
    removed: BTreeMap<String, u32>,
    #[serde(default)]
    outputs: Vec<String>,
}

/// When a change arrives that does not say when: 2026-01-15T12:00:00Z, a Thursday.
const THURSDAY_NOON: u64 = 1_768_478_400_000;

impl Case {
    /// The verdict that is expected.
    pub(super) fn expected(&self) -> Expectation {
        match self.expect {
            Expected::Allow => Expectation::Allow,
            Expected::Warn => Expectation::Warn,
            Expected::Deny => Expectation::Deny,
        }
    }

    /// What the module is asked.
    ///
    /// # Errors
    /// What is wrong with the case.
    pub(super) fn question(&self, configuration: &str) -> Result<(Change, Context), String> {
        let configuration = self.configuration.as_deref().unwrap_or(configuration).to_owned();
        let resources = self.resources.as_ref().map(Resources::counted).transpose()?;
        Ok((self.change.change()?, Context { configuration, resources }))
    }
}

impl Written {
    fn change(&self) -> Result<Change, String> {
        let operation = match self.operation {
            Kind::Lock => Operation::Lock,
            Kind::Write => Operation::Write,
            Kind::ForceUnlock => Operation::ForceUnlock,
            Kind::Delete => Operation::Delete,
        };
        let caller = self.caller.as_ref();
        Ok(Change {
            operation,
            path: self.path.clone().unwrap_or_else(|| "platform/network".to_owned()),
            caller: Caller {
                name: caller.map_or("ci", |caller| &caller.name).to_owned(),
                named: caller.and_then(|caller| caller.named).unwrap_or(true),
            },
            lock: match &self.lock {
                None | Some(Lock::Held(true)) => Some(LockInfo::default().info()),
                Some(Lock::Held(false)) => None,
                Some(Lock::Info(info)) => Some(info.info()),
            },
            current: self.current.as_ref().map(Header::header),
            proposed: self.proposed.as_ref().map(Header::header),
            overwrite: self.overwrite,
            received: self.received.as_deref().map_or(Ok(THURSDAY_NOON), milliseconds)?,
        })
    }
}

impl LockInfo {
    fn info(&self) -> contract::LockInfo {
        let or = |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
        contract::LockInfo {
            id: or(&self.id, "8a5e34e3-6f1d-4a5b-9d0e-0d9f6e1c2b3a"),
            operation: or(&self.operation, "OperationTypeApply"),
            who: or(&self.who, "ci@runner"),
            version: or(&self.version, "1.12.6"),
            info: self.info.clone(),
            created: self.created.clone(),
        }
    }
}

impl Header {
    fn header(&self) -> contract::StateHeader {
        let content = self.content.clone().unwrap_or_else(|| format!("{} {}", self.serial, self.lineage));
        contract::StateHeader {
            serial: self.serial,
            lineage: self.lineage.clone(),
            size: self.size.unwrap_or(4096),
            tool_version: self.tool_version.clone(),
            encrypted: self.encrypted,
            empty: self.empty,
            sha256: Sha256::digest(content).to_vec(),
        }
    }
}

impl Resources {
    fn counted(&self) -> Result<ResourceChanges, String> {
        let mut by_type: BTreeMap<&str, TypeChanges> = BTreeMap::new();
        let mut sums = [0_u32; 3];
        for (which, counts) in [&self.added, &self.changed, &self.removed].into_iter().enumerate() {
            for (name, count) in counts {
                let of_type = by_type.entry(name).or_insert_with(|| TypeChanges {
                    resource_type: name.clone(),
                    added: 0,
                    changed: 0,
                    removed: 0,
                });
                match which {
                    0 => of_type.added = *count,
                    1 => of_type.changed = *count,
                    _ => of_type.removed = *count,
                }
                if let Some(sum) = sums.get_mut(which) {
                    *sum = sum.checked_add(*count).ok_or("resources: the counts are too large")?;
                }
            }
        }
        let [added, changed, removed] = sums;
        let kept = self.before.checked_sub(removed).ok_or("resources: more are removed than there were before")?;
        Ok(ResourceChanges {
            before: self.before,
            after: kept.checked_add(added).ok_or("resources: the counts are too large")?,
            added,
            changed,
            removed,
            by_type: by_type.into_values().collect(),
            outputs: self.outputs.clone(),
        })
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("received {text:?} is not a date and time with a zone: write 2026-01-17T12:00:00Z");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())
}
