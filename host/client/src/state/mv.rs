//! `state mv`: a state moves to another path: copied, compared byte by byte, deleted, under the locks of both.
//!
//! Its older versions go with it, as far as the new path takes them: the server's own records of them (when, by whom)
//! stay with the old path. Interrupted anywhere and run again, it goes on where it was.

use std::io::Write;

use bytes::Bytes;

use super::Context;
use crate::api::{Api, Version};
use crate::ask::Answers;
use crate::error::Error;
use crate::hold::{Held, Purpose, release, take, under};
use crate::interrupt::unless_interrupted;
use crate::protocol::State;
use crate::serial::header;
use crate::table::count;
use crate::transfer::sha256;

/// What was done.
struct Moved {
    /// How many older versions were copied.
    versions: usize,
    /// How many could not be.
    left: usize,
}

pub(super) async fn mv<W: Write>(
    api: &Api<'_>,
    from: &State<'_>,
    to: &State<'_>,
    history: bool,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let (old, new) = (&from.place.path, &to.place.path);
    if old == new {
        return Err(Error::other("both are the same path"));
    }
    let purpose = Purpose { operation: "state mv", info: format!("{old} to {new}") };
    let answers = context.answers;
    let old_lock = take(from, &purpose, answers).await?;
    let moved = move_it(api, (from, to), &old_lock, &purpose, history, answers).await;
    let moved = release(from, &old_lock, moved).await?;
    let json = serde_json::json!({
        "from": old, "to": new, "versions_copied": moved.versions, "versions_left": moved.left,
    });
    let left = match moved.left {
        0 => String::new(),
        left => format!(" {} can be had at {old} only.", count(left, "older version")),
    };
    let with = match moved.versions {
        0 => ".".to_owned(),
        copied => format!(", with {}; who wrote them and when is told at {old} only.", count(copied, "older version")),
    };
    let line = format!("{old} is now {new}{with}{left}");
    context.result(&json, &line)
}

/// What is to be moved.
struct Load {
    state: Bytes,
    /// The older versions that go with it, oldest first.
    chain: Vec<Version>,
}

/// All of it, under the old path's lock.
async fn move_it(
    api: &Api<'_>,
    (from, to): (&State<'_>, &State<'_>),
    old_lock: &Held,
    purpose: &Purpose,
    history: bool,
    answers: Answers,
) -> Result<Moved, Error> {
    let prepared = unless_interrupted(prepare(api, (from, to), old_lock, purpose, history, answers)).await?;
    let Some((load, left)) = prepared else {
        let new_lock = take(to, purpose, answers).await?;
        return release(to, &new_lock, Ok(Moved { versions: 0, left: 0 })).await;
    };
    loop {
        // A lock for each version: of what is written under one lock, a server may keep only the last for good.
        let new_lock = take(to, purpose, answers).await?;
        if new_lock.continued {
            // A version may have been written under it already.
            release(to, &new_lock, Ok(())).await?;
            continue;
        }
        let is_done = under(to, &new_lock, step(api, (from, to), (old_lock, &new_lock), &load)).await?;
        if is_done {
            return Ok(Moved { versions: load.chain.len(), left });
        }
    }
}

/// Looks at both paths and asks: what is to be moved, and how many older versions stay behind. None: an earlier run,
/// whose lock was found, had come to its end but for the locks.
async fn prepare(
    api: &Api<'_>,
    (from, to): (&State<'_>, &State<'_>),
    old_lock: &Held,
    purpose: &Purpose,
    history: bool,
    answers: Answers,
) -> Result<Option<(Load, usize)>, Error> {
    let (old, new) = (&from.place.path, &to.place.path);
    let found = to.get().await?;
    let Some(state) = from.get().await? else {
        if found.is_some() && (old_lock.continued || is_left(api, new, purpose).await?) {
            return Ok(None);
        }
        let hint =
            if found.is_some() { format!("; there is one at {new}: was it moved already?") } else { String::new() };
        return Err(Error::other(format!("there is no state at {old}{hint}")));
    };
    let (chain, left) = if history { chain(api, old, &state).await? } else { (Vec::new(), 0) };
    if let Some(found) = &found {
        reached(new, found, &state, &chain)?;
    }
    let known = header(&state).map_err(|why| Error::other(format!("{old}: {why}")))?;
    let older = count(chain.len(), "older version");
    let question = format!("Move {old} (serial {}, {} bytes, {older}) to {new}?", known.serial, state.len());
    if !answers.ask(&question).await {
        return Err(Error::other("nothing was moved"));
    }
    Ok(Some((Load { state, chain }, left)))
}

/// Whether an earlier run has left its lock on the new path.
async fn is_left(api: &Api<'_>, new: &str, purpose: &Purpose) -> Result<bool, Error> {
    Ok(api.lock(new).await?.lock.is_some_and(|lock| purpose.left_by_me(&lock).is_some()))
}

/// Writes the next version; after the last one, deletes the old state. Whether that was it.
async fn step(
    api: &Api<'_>,
    (from, to): (&State<'_>, &State<'_>),
    (old_lock, new_lock): (&Held, &Held),
    load: &Load,
) -> Result<bool, Error> {
    let (old, new) = (&from.place.path, &to.place.path);
    let found = to.get().await?;
    let done = found.map_or(Ok(0), |found| reached(new, &found, &load.state, &load.chain))?;
    if let Some(version) = load.chain.get(done) {
        let bytes = api.content(old, version.revision).await?;
        to.post(&bytes, Some(&new_lock.id), None).await?;
        return Ok(false);
    }
    if done == load.chain.len() {
        to.post(&load.state, Some(&new_lock.id), None).await?;
    }
    if to.get().await?.as_ref() != Some(&load.state) {
        return Err(Error::other(format!("{new} does not hold what {old} holds: nothing was deleted")));
    }
    from.delete(Some(&old_lock.id)).await?;
    Ok(true)
}

/// How many of the versions in `chain`, and the state itself after them, are at the new path already.
fn reached(new: &str, found: &Bytes, state: &Bytes, chain: &[Version]) -> Result<usize, Error> {
    if found == state {
        return Ok(chain.len() + 1);
    }
    let digest = sha256(found);
    let position = chain.iter().position(|version| version.sha256.as_ref() == Some(&digest));
    position
        .map(|position| position + 1)
        .ok_or_else(|| Error::other(format!("another state is at {new}: nothing was moved")))
}

/// The older versions that can be written one after the other, oldest first: of the same lineage, with serials that
/// grow up to the present one; and how many cannot.
async fn chain(api: &Api<'_>, path: &str, state: &Bytes) -> Result<(Vec<Version>, usize), Error> {
    let present = header(state).map_err(|why| Error::other(format!("{path}: {why}")))?;
    let (mut chain, mut left) = (Vec::new(), 0);
    let mut below = present.serial;
    let mut seen = sha256(state);
    for version in api.versions(path).await? {
        let (true, Some(serial), Some(digest)) = (version.is_state(), version.serial, version.sha256.clone()) else {
            continue;
        };
        // A broken lock leaves a second copy of the same state.
        if digest == seen {
            continue;
        }
        if serial < below && version.lineage.as_ref() == Some(&present.lineage) {
            (below, seen) = (serial, digest);
            chain.push(version);
        } else {
            left += 1;
        }
    }
    chain.reverse();
    Ok((chain, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_copy_goes_on_where_it_was() {
        let state = |serial: u64| Bytes::from(format!("state {serial}"));
        let version = |serial| Version { sha256: Some(sha256(&state(serial))), ..Version::default() };
        let chain = [version(1), version(2)];
        let reached =
            |found: u64| reached("team/new", &state(found), &state(3), &chain).map_err(|error| error.to_string());
        assert_eq!((reached(1), reached(2), reached(3)), (Ok(1), Ok(2), Ok(3)));
        assert!(reached(9).unwrap_err().contains("another state"));
    }
}
