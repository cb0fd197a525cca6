//! The import: every state of a source that is not on the server yet is written there, under its lock, and read again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::decode::decode;
use super::naming::Naming;
use super::report::{Entry, Outcome, Report};
use super::sha256;
use super::source::{Name, Source};
use crate::api::Api;
use crate::ask::Answers;
use crate::error::Error;
use crate::hold::{Held, Purpose, release, take, under};
use crate::http::{Http, Redirects};
use crate::interrupt::{interrupted, unless_interrupted};
use crate::protocol::State;
use crate::serial::header;
use crate::settings::Settings;

/// What is to be imported, and how.
pub struct Import<'a> {
    /// Where the states come from.
    pub source: &'a dyn Source,
    /// How its names become paths.
    pub naming: Naming,
    /// The server that they go to.
    pub settings: &'a Settings,
    /// Whether anything is written.
    pub apply: bool,
    /// How many states are worked on at once.
    pub parallel: usize,
}

/// Imports. What is there already is left alone, whatever it is.
///
/// # Errors
/// The source cannot be listed. What goes wrong with a single state stands in the report.
pub async fn import(import: &Import<'_>) -> Result<Report, Error> {
    let settings = import.settings;
    let http = Http::new(settings.server(), settings.credentials.clone(), &settings.tls, Redirects::Refused)?;
    let listing = import.source.list().await?;
    let paths: Vec<_> = listing.names.iter().map(|name| path(import, name)).collect();
    let mut takers: HashMap<&str, usize> = HashMap::new();
    for path in paths.iter().flatten() {
        *takers.entry(path).or_default() += 1;
    }

    let purpose = Purpose { operation: "import", info: format!("from {}", import.source.describe()) };
    let left = if import.apply { left_locked(import, &http, &purpose).await? } else { HashMap::new() };
    let target = Target { import, http: &http, purpose, left };

    let stopped = AtomicBool::new(false);
    let work = stream::iter(listing.names.iter().zip(&paths)).map(|(name, path)| {
        let (target, takers, stopped) = (&target, &takers, &stopped);
        async move {
            let invalid = |why: String| Entry::without_state(&name.name, Outcome::Invalid, why);
            let path = match path {
                Ok(path) => path,
                Err(why) => return invalid(why.clone()),
            };
            if takers.get(path.as_str()).is_some_and(|takers| *takers > 1) {
                let why = "other names of this source would get the same path, see --rename";
                return Entry { path: Some(path.clone()), ..invalid(why.to_owned()) };
            }
            if stopped.load(Ordering::Relaxed) {
                return Entry::without_state(&name.name, Outcome::Failed, "interrupted before it began");
            }
            one(target, name, path).await
        }
    });
    let done = work.buffer_unordered(import.parallel.max(1)).collect::<Vec<_>>();
    let interrupted = async {
        interrupted().await;
        stopped.store(true, Ordering::Relaxed);
        // What has begun ends by itself, see `one`; and what was done is told.
        std::future::pending::<()>().await;
    };
    let mut states = tokio::select! {
        states = done => states,
        () = interrupted => Vec::new(),
    };
    let skipped = listing.skipped.iter().map(|(name, why)| Entry::without_state(name, Outcome::Skipped, why));
    states.extend(skipped);
    states.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Report { source: import.source.describe(), applied: import.apply, states })
}

fn path(import: &Import<'_>, name: &Name) -> Result<String, String> {
    match &name.path {
        // Where the source knows the path, nothing but what the person asks for changes it.
        Some(path) => import.naming.known(path),
        None => import.naming.path(&name.name),
    }
}

/// The server that is written.
struct Target<'a> {
    import: &'a Import<'a>,
    http: &'a Http,
    purpose: Purpose,
    /// The locks, by path, that an earlier run of this import has left on states that are there.
    left: HashMap<String, Held>,
}

/// What an earlier run of this import, which was killed, has left locked.
async fn left_locked(import: &Import<'_>, http: &Http, purpose: &Purpose) -> Result<HashMap<String, Held>, Error> {
    let api = Api { http, server: import.settings.server() };
    let states = api.states(import.naming.into.trim_matches('/'), false).await?;
    let left = states.into_iter().filter_map(|state| {
        let held = purpose.left_by_me(&state.lock?)?;
        Some((state.path, held))
    });
    Ok(left.collect())
}

async fn one(target: &Target<'_>, name: &Name, path: &str) -> Entry {
    let entry = |outcome, reason: String| Entry {
        path: Some(path.to_owned()),
        ..Entry::without_state(&name.name, outcome, reason)
    };
    let bytes = match unless_interrupted(target.import.source.read(&name.name)).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return entry(Outcome::Failed, "nothing is there, or it is empty".to_owned()),
        Err(error) => return entry(Outcome::Failed, error.to_string()),
    };
    let state = match read(bytes, name) {
        Ok(state) => state,
        Err(why) => return entry(Outcome::Invalid, why),
    };
    let known = match header(&state) {
        Ok(header) => header,
        Err(why) => return entry(Outcome::Invalid, why),
    };
    let (outcome, reason) = match bring(target, path, &state).await {
        Ok(outcome) => (outcome, None),
        Err(Refused::Conflict(why)) => (Outcome::Conflict, Some(why)),
        Err(Refused::Failed(error)) => (Outcome::Failed, Some(error.to_string())),
    };
    Entry {
        name: name.name.clone(),
        path: Some(path.to_owned()),
        outcome,
        serial: Some(known.serial),
        lineage: Some(known.lineage),
        size: Some(state.len() as u64),
        sha256: Some(sha256(&state)),
        reason,
    }
}

/// The state itself.
fn read(bytes: Bytes, name: &Name) -> Result<Bytes, String> {
    match &name.sha256 {
        Some(expected) if *expected != sha256(&bytes) => {
            Err("it is not what was exported: its SHA-256 differs".to_owned())
        }
        _ => decode(bytes),
    }
}

enum Refused {
    Conflict(String),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Writes the state where none is.
async fn bring(target: &Target<'_>, path: &str, state: &Bytes) -> Result<Outcome, Refused> {
    let there = State { http: target.http, place: target.import.settings.place(Some(path))? };
    if let Some(found) = unless_interrupted(there.get()).await? {
        if let Some(held) = target.left.get(path) {
            // The run that wrote it was killed before it had released the lock.
            release(&there, held, Ok(())).await?;
        }
        return compare(&found, state);
    }
    if !target.import.apply {
        return Ok(Outcome::WouldImport);
    }
    // Whoever runs the same import again may go on: under such a lock nothing is written but what was not there.
    let held = take(&there, &target.purpose, Answers::Yes).await?;
    let written = under(&there, &held, async {
        // Somebody may have come first before the lock was taken.
        match there.get().await? {
            Some(found) => Ok(compare(&found, state)),
            None => {
                there.post(state, Some(&held.id), None).await?;
                match there.get().await? {
                    Some(found) if found == *state => Ok(Ok(Outcome::Imported)),
                    Some(_) | None => Err(Error::other("what was written does not come back as it was")),
                }
            }
        }
    });
    written.await?
}

/// What it means that a state is there already.
fn compare(found: &Bytes, state: &Bytes) -> Result<Outcome, Refused> {
    if found == state {
        return Ok(Outcome::Present);
    }
    let why = match (header(found), header(state)) {
        (Ok(there), Ok(new)) if there.lineage != new.lineage => "a state with another lineage is there".to_owned(),
        _ if found.trim_ascii() == state.trim_ascii() => {
            "it is there, and only white space around it differs (`state pull` adds a line feed)".to_owned()
        }
        (Ok(there), Ok(new)) if there.serial == new.serial => {
            format!("the same state is there with the same serial {} and other bytes", there.serial)
        }
        (Ok(there), Ok(new)) => {
            format!("the same state is there with serial {}, here it has {}", there.serial, new.serial)
        }
        _ => "another state is there".to_owned(),
    };
    Err(Refused::Conflict(format!("{why}; it was left alone")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_says_what_differs() {
        let state = |serial: u64, lineage: &str, rest: &str| {
            Bytes::from(format!(r#"{{"version":4,"serial":{serial},"lineage":"{lineage}"}}{rest}"#))
        };
        let there = state(3, "a", "");
        assert!(matches!(compare(&there, &there), Ok(Outcome::Present)));
        for (new, why) in [
            (state(3, "a", "\n"), "only white space around it differs"),
            (state(4, "a", ""), "with serial 3, here it has 4"),
            (state(1, "b", ""), "another lineage"),
            (Bytes::from_static(br#"{"version":4,"lineage":"a","serial":3}"#), "the same serial 3 and other bytes"),
            (Bytes::from_static(b"no state"), "another state"),
        ] {
            let Err(Refused::Conflict(said)) = compare(&there, &new) else { panic!("{new:?} is none") };
            assert!(said.contains(why) && said.ends_with("it was left alone"), "{said}");
        }
    }
}
