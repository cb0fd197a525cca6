//! `state list`, `versions`, `show` and `diff`: what there is, and what has changed.

use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::{Context, render};
use crate::api::{Api, Version};
use crate::error::Error;
use crate::table::{self, Table};

pub(super) async fn list<W: Write>(
    api: &Api<'_>,
    prefix: &str,
    deleted: bool,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let states = api.states(prefix, deleted).await?;
    if context.json {
        return context.document(&states);
    }
    let mut table = Table::new(&["path", "serial", "size", "written", "by", "tool", "locked by"]);
    for state in &states {
        let current = &state.current;
        let serial = if current.is_state() { number(current.serial) } else { current.kind.clone() };
        table.row([
            state.path.clone(),
            serial,
            size(current),
            text(current.written.as_ref()),
            text(current.by.as_ref()),
            text(current.tool_version.as_ref()),
            state.lock.as_ref().map(render::lock).unwrap_or_default(),
        ]);
    }
    context.say(&format!("{table}{}", table::count(states.len(), "state")))
}

pub(super) async fn versions<W: Write>(api: &Api<'_>, path: &str, context: &mut Context<'_, W>) -> Result<(), Error> {
    let versions = api.versions(path).await?;
    if context.json {
        return context.document(&versions);
    }
    let mut table = Table::new(&["revision", "kind", "serial", "size", "written", "by", "tool", "lock"]);
    for (place, version) in versions.iter().enumerate() {
        let copies = versions.get(place + 1).is_some_and(|older| version.copies(older));
        table.row([
            version.revision.to_string(),
            if copies { "copy".to_owned() } else { version.kind.clone() },
            number(version.serial),
            size(version),
            text(version.written.as_ref()),
            text(version.by.as_ref()),
            text(version.tool_version.as_ref()),
            text(version.lock_id.as_ref()),
        ]);
    }
    context.say(&format!("{table}{} of {path}", table::count(versions.len(), "version")))
}

pub(super) async fn show<W: Write>(api: &Api<'_>, path: &str, context: &mut Context<'_, W>) -> Result<(), Error> {
    let versions = api.versions(path).await?;
    let current = versions.first().ok_or_else(|| Error::other(format!("there has never been a state at {path}")))?;
    let lock = api.lock(path).await?;
    if context.json {
        return context
            .document(&json!({ "path": path, "current": current, "versions": versions.len(), "lock": lock }));
    }
    let lock = match &lock.lock {
        Some(held) => {
            let reason = held.info.as_deref().filter(|info| !info.is_empty());
            let reason = reason.map(|reason| format!(": {}", table::one_line(reason))).unwrap_or_default();
            format!("{} (ID {}){reason}", render::lock(held), held.id)
        }
        None => lock.status,
    };
    let lines = [
        ("path", path.to_owned()),
        ("present", render::version(current)),
        ("lineage", text(current.lineage.as_ref())),
        ("size", size(current)),
        ("sha256", text(current.sha256.as_ref())),
        ("tool", text(current.tool_version.as_ref())),
        ("written", format!("{} by {}", text(current.written.as_ref()), text(current.by.as_ref()))),
        ("versions", versions.len().to_string()),
        ("lock", lock),
    ];
    for (name, value) in lines {
        context.say(&format!("{name:<9} {}", table::one_line(&value)))?;
    }
    Ok(())
}

pub(super) async fn diff<W: Write>(
    api: &Api<'_>,
    path: &str,
    (from, to): (Option<u64>, Option<u64>),
    sensitive: bool,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let from = match from {
        Some(from) => Some(from),
        None => before(&api.versions(path).await?, to),
    };
    let comparison = api.difference(path, from, to, sensitive).await?;
    if context.json { context.document(&comparison) } else { context.say(&render::comparison(&comparison)) }
}

/// The revision of the version before `to` (none: the present one) that is not the same once more.
fn before(versions: &[Version], to: Option<u64>) -> Option<u64> {
    let place = versions.iter().position(|version| to.is_none_or(|to| version.revision == to))?;
    let (newer, older) = versions.get(place..)?.split_first()?;
    older.iter().find(|version| !newer.copies(version)).map(|version| version.revision)
}

impl<W: Write> Context<'_, W> {
    /// Writes a JSON document.
    pub(super) fn document(&mut self, document: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(document).map_err(|error| Error::other(error.to_string()))?;
        self.say(&text)
    }
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "-".to_owned())
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn size(version: &Version) -> String {
    version.size.map_or_else(|| "-".to_owned(), table::size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_write_changed_is_told_after_a_lock_was_broken_too() {
        let version = |revision, kind: &str, sha256: &str| Version {
            revision,
            kind: kind.to_owned(),
            sha256: (!sha256.is_empty()).then(|| sha256.to_owned()),
            ..Version::default()
        };
        let versions = [
            version(7, "state", "b"),
            version(6, "state", "b"),
            version(5, "state", "a"),
            version(4, "none", ""),
            version(2, "none", ""),
        ];
        assert_eq!(before(&versions, None), Some(5));
        assert_eq!(before(&versions, Some(6)), Some(5));
        assert_eq!(before(&versions, Some(5)), Some(4));
        assert_eq!(before(&versions, Some(4)), None, "the server says what that means");
        assert_eq!(before(&versions, Some(77)), None);
    }
}
