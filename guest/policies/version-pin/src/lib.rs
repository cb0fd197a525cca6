//! `version-pin`: only the CLI versions that the operator names take a lock.
//!
//! It is decided on LOCK, where nothing has happened yet: the LockInfo tells the CLI's version. It does not tell
//! OpenTofu from Terraform, so the ranges have to. A write without a lock was never asked; what its state says of
//! the CLI that wrote it is only warned about, because its infrastructure has changed already.

use semver::{Version, VersionReq};
use serde::Deserialize;
use tofu_state_policy_kit::{
    Change, Configured, Example, Expectation, LockInfo, Operation, PLAN, Policy, Verdict, allow, deny, examples,
    export_policy, warn,
};

/// The policy.
pub struct VersionPin;

/// Its configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Ranges such as `>=1.9, <1.13`; a version has to be in one of them.
    versions: Vec<String>,
    /// Whether alphas, betas, release candidates and development builds are judged by the version that they lead to.
    #[serde(default)]
    prereleases: bool,
    /// What is done with clients that tell no version, or none of the form `1.2.3`.
    #[serde(default)]
    unknown: Unknown,
}

/// What is done with a client that tells no version.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// It is let through.
    Allow,
    /// It is not.
    #[default]
    Deny,
}

/// Its configuration.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Configuration {
    ranges: Vec<VersionReq>,
    prereleases: bool,
    unknown: Unknown,
}

impl TryFrom<Written> for Configuration {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.versions.is_empty() {
            return Err("`versions` names none: write versions = [\">=1.9, <1.13\"]".to_owned());
        }
        let read = |range: &String| {
            VersionReq::parse(range).map_err(|error| {
                format!("`versions`: {range:?} is no range of versions ({error}): write \">=1.9, <1.13\"")
            })
        };
        let ranges = written.versions.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { ranges, prereleases: written.prereleases, unknown: written.unknown })
    }
}

impl Configuration {
    /// Why the version `told` may not be used; none: it may.
    fn objection(&self, told: &str) -> Option<String> {
        let Ok(mut version) = Version::parse(told.strip_prefix('v').unwrap_or(told)) else {
            let what = if told.is_empty() {
                "the client tells no version".to_owned()
            } else {
                format!("the client's version {told:?} is none")
            };
            return (self.unknown == Unknown::Deny).then(|| format!("{what}; {} is needed", self.needed()));
        };
        if self.prereleases {
            version.pre = semver::Prerelease::EMPTY;
        }
        if self.ranges.iter().any(|range| range.matches(&version)) {
            return None;
        }
        let hint = if version.pre.is_empty() { "" } else { " (prereleases are not let through)" };
        Some(format!("version {told} is not allowed here; {} is needed{hint}", self.needed()))
    }

    fn needed(&self) -> String {
        let ranges: Vec<_> = self.ranges.iter().map(VersionReq::to_string).collect();
        ranges.join(" or ")
    }
}

impl Policy for VersionPin {
    type Configuration = Configuration;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        let objection = |version: Option<&str>| given.configuration.objection(version.unwrap_or_default());
        match (change.operation, &change.lock, &change.proposed) {
            (Operation::Lock, lock, _) => {
                objection(lock.as_ref().map(|lock| lock.version.as_str())).map_or_else(allow, deny)
            }
            (Operation::Write, None, Some(proposed)) if !proposed.encrypted => {
                objection(proposed.tool_version.as_deref()).map_or_else(allow, warn)
            }
            _ => allow(),
        }
    }

    fn examples() -> Vec<Example> {
        let lock = |version: &str| {
            let lock = LockInfo { version: version.to_owned(), ..examples::lock_info(PLAN) };
            Change { lock: Some(lock), ..examples::change(Operation::Lock) }
        };
        let example = |name: &str, version: &str, expected| {
            examples::example(name, "versions = [\">=1.9, <1.13\"]", lock(version), expected)
        };
        vec![
            example("in the range", "1.12.6", Expectation::Allow),
            example("too new", "1.13.0", Expectation::Deny),
            example("too old", "1.8.11", Expectation::Deny),
            example("a prerelease", "1.12.0-beta1", Expectation::Deny),
            example("no version", "", Expectation::Deny),
        ]
    }
}

export_policy!(VersionPin);

#[cfg(test)]
mod tests;
