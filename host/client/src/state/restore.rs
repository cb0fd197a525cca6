//! `state restore`: an older version becomes the present one, under the lock, with a serial that follows.
//!
//! It never makes things worse: before the one POST the state is the old one, after it the new one, and each is whole.
//! Run again, it finds its own lock and what is done already.

use std::io::Write;

use bytes::Bytes;

use super::{Context, render};
use crate::api::{Api, Version};
use crate::ask::Answers;
use crate::error::Error;
use crate::hold::{Purpose, take, under};
use crate::protocol::State;
use crate::serial::{header, with_serial};
use crate::transfer::sha256;

/// What is to be restored.
pub(super) struct Wanted {
    /// Which version.
    pub(super) revision: u64,
    /// Also one that comes from elsewhere.
    pub(super) other_lineage: bool,
}

/// What is to be written.
struct Plan {
    bytes: Bytes,
    /// The present serial, where the server's guard has to be told that this is meant.
    overwrite: Option<u64>,
    serial: u64,
    /// What the person should know.
    note: String,
}

/// What was done.
struct Done {
    serial: u64,
    written: bool,
}

pub(super) async fn restore<W: Write>(
    api: &Api<'_>,
    state: &State<'_>,
    wanted: &Wanted,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let (path, revision) = (&state.place.path, wanted.revision);
    // What cannot be restored needs no lock.
    find(path, &api.versions(path).await?, revision)?;
    let purpose = Purpose { operation: "state restore", info: format!("to revision {revision}") };
    let held = take(state, &purpose, context.answers).await?;
    let done = under(state, &held, under_lock(api, state, wanted, &held.id, context.answers)).await?;
    let json = serde_json::json!({
        "path": path, "revision": revision, "serial": done.serial, "written": done.written,
    });
    let line = if done.written {
        format!("{path}: revision {revision} is restored, with serial {}", done.serial)
    } else {
        format!("{path}: the present state is that of revision {revision} already, with serial {}", done.serial)
    };
    context.result(&json, &line)
}

async fn under_lock(
    api: &Api<'_>,
    state: &State<'_>,
    wanted: &Wanted,
    lock_id: &str,
    answers: Answers,
) -> Result<Done, Error> {
    let path = &state.place.path;
    let versions = api.versions(path).await?;
    let version = find(path, &versions, wanted.revision)?;
    let old = api.content(path, wanted.revision).await?;
    if version.sha256.as_ref().is_some_and(|expected| *expected != sha256(&old)) {
        return Err(Error::other(format!("{path}: what came as revision {} is damaged (SHA-256)", wanted.revision)));
    }
    let present = state.get().await?;
    let plan = plan(path, &old, present.as_ref(), &versions, wanted)?;
    let Some(plan) = plan else {
        let serial = present.as_deref().map(header).transpose().map_err(Error::Other)?.map_or(0, |found| found.serial);
        return Ok(Done { serial, written: false });
    };
    let question = format!(
        "{}\n{}Restore revision {} of {path}, with serial {}?",
        difference(api, path, &versions, wanted.revision).await?,
        plan.note,
        wanted.revision,
        plan.serial
    );
    if !answers.ask(&question).await {
        return Err(Error::other("nothing was restored"));
    }
    state.post(&plan.bytes, Some(lock_id), plan.overwrite).await?;
    if state.get().await?.as_ref() != Some(&plan.bytes) {
        return Err(Error::other(format!("{path}: what was written does not come back as it was")));
    }
    Ok(Done { serial: plan.serial, written: true })
}

fn find<'a>(path: &str, versions: &'a [Version], revision: u64) -> Result<&'a Version, Error> {
    let found = versions.iter().find(|version| version.revision == revision);
    let found = found.ok_or_else(|| {
        Error::other(format!("{path} has no revision {revision}: see `tofu-state state versions {path}`"))
    })?;
    if !found.is_state() {
        return Err(Error::other(format!("{path}: revision {revision} holds no state, it is `{}`", found.kind)));
    }
    Ok(found)
}

/// What is to be written; none: it is there already.
fn plan(
    path: &str,
    old: &Bytes,
    present: Option<&Bytes>,
    versions: &[Version],
    wanted: &Wanted,
) -> Result<Option<Plan>, Error> {
    let failed = |why: String| Error::other(format!("{path}: {why}"));
    let old_header = header(old).map_err(failed)?;
    let Some(present) = present else {
        // Whatever runs still remember of it, this follows.
        let last = versions.iter().filter_map(|version| version.serial).max().unwrap_or_default();
        let next =
            last.max(old_header.serial).checked_add(1).ok_or_else(|| failed("there is no higher serial".to_owned()))?;
        let (bytes, serial, note) = if old_header.encrypted {
            (old.clone(), old_header.serial, ENCRYPTED.to_owned())
        } else {
            (with_serial(old, next).map_err(failed)?.into(), next, String::new())
        };
        return Ok(Some(Plan { bytes, overwrite: None, serial, note }));
    };
    let present_header = header(present).map_err(failed)?;
    let mut overwrite = None;
    let mut note = String::new();
    if present_header.lineage != old_header.lineage && !present_header.empty {
        if !wanted.other_lineage {
            return Err(failed(format!(
                "revision {} has another lineage ({}) than the present state ({}): if that is meant, say --other-lineage",
                wanted.revision, old_header.lineage, present_header.lineage
            )));
        }
        overwrite = Some(present_header.serial);
        note = "It has another lineage than the present state.\n".to_owned();
    }
    if old_header.encrypted {
        if old == present {
            return Ok(None);
        }
        note.push_str(ENCRYPTED);
        let overwrite = Some(present_header.serial);
        return Ok(Some(Plan { bytes: old.clone(), overwrite, serial: old_header.serial, note }));
    }
    if with_serial(old, present_header.serial).map_err(failed)? == *present {
        return Ok(None);
    }
    let serial = present_header.serial.checked_add(1).ok_or_else(|| failed("there is no higher serial".to_owned()))?;
    let bytes = with_serial(old, serial).map_err(failed)?.into();
    Ok(Some(Plan { bytes, overwrite, serial, note }))
}

/// What is said of encrypted states.
const ENCRYPTED: &str = "It is encrypted by its client, which alone can raise the serial in it: it is written as it was, and the serial goes \
                         back to its own.\n";

/// What the restore changes, for people.
async fn difference(api: &Api<'_>, path: &str, versions: &[Version], revision: u64) -> Result<String, Error> {
    let present = versions.first().map(|version| version.revision);
    match api.difference(path, present, Some(revision), false).await {
        Ok(comparison) => Ok(render::comparison(&comparison)),
        Err(Error::Refused { code, .. }) if code == "encrypted" => {
            Ok("What differs cannot be told: the states are encrypted by their client.".to_owned())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(serial: u64, lineage: &str, rest: &str) -> Bytes {
        format!(r#"{{"version":4,"serial":{serial},"lineage":"{lineage}","outputs":{{"a":{{"value":{rest}}}}}}}"#)
            .into()
    }

    fn planned(
        old: &Bytes,
        present: Option<&Bytes>,
        other_lineage: bool,
    ) -> Result<Option<(String, u64, Option<u64>)>, String> {
        let versions = [Version { serial: Some(12), ..Version::default() }];
        let wanted = Wanted { revision: 4, other_lineage };
        let plan = plan("team/app", old, present, &versions, &wanted).map_err(|error| error.to_string())?;
        Ok(plan.map(|plan| (String::from_utf8(plan.bytes.to_vec()).unwrap(), plan.serial, plan.overwrite)))
    }

    #[test]
    fn the_serial_follows_the_present_one_and_nothing_else_changes() {
        let (old, present) = (state(4, "L", "4"), state(10, "L", "10"));
        let written = String::from_utf8(state(11, "L", "4").to_vec()).unwrap();
        assert_eq!(planned(&old, Some(&present), false), Ok(Some((written, 11, None))));
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        assert_eq!(planned(&state(4, "L", "4"), Some(&state(11, "L", "4")), false), Ok(None));
    }

    #[test]
    fn a_deleted_state_comes_back_after_all_that_there_was() {
        let written = String::from_utf8(state(13, "L", "4").to_vec()).unwrap();
        assert_eq!(planned(&state(4, "L", "4"), None, false), Ok(Some((written, 13, None))));
    }

    #[test]
    fn another_lineage_has_to_be_asked_for() {
        let (old, present) = (state(4, "M", "4"), state(10, "L", "10"));
        assert!(planned(&old, Some(&present), false).unwrap_err().contains("--other-lineage"));
        let (_, serial, overwrite) = planned(&old, Some(&present), true).unwrap().unwrap();
        assert_eq!((serial, overwrite), (11, Some(10)));
    }

    #[test]
    fn an_encrypted_state_is_written_as_it_was() {
        let encrypted = |serial: u64| {
            Bytes::from(format!(
                r#"{{"serial":{serial},"lineage":"L","encrypted_data":"A{serial}","encryption_version":"v0"}}"#
            ))
        };
        let (bytes, serial, overwrite) = planned(&encrypted(4), Some(&encrypted(10)), false).unwrap().unwrap();
        assert_eq!((bytes.into_bytes(), serial, overwrite), (encrypted(4).to_vec(), 4, Some(10)));
        assert_eq!(planned(&encrypted(4), Some(&encrypted(4)), false), Ok(None));
    }
}
