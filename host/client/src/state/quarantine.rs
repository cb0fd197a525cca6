//! `state quarantine`: states that a policy refused. The infrastructure has changed, so they are kept aside, until a
//! person accepts or discards them.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{Context, render};
use crate::api::{Api, Quarantined};
use crate::error::Error;
use crate::hold::{Purpose, take, under};
use crate::keep::keep;
use crate::protocol::State;
use crate::table::{self, Table};
use crate::transfer::sha256;

/// The fewest digits of a SHA-256 that name a state.
const FEWEST_DIGITS: usize = 6;

pub(super) async fn list<W: Write>(api: &Api<'_>, prefix: &str, context: &mut Context<'_, W>) -> Result<(), Error> {
    let states = api.quarantine(prefix).await?;
    if context.json {
        return context.document(&states);
    }
    let mut table = Table::new(&["path", "sha256", "serial", "size", "written", "by", "policy", "reason"]);
    for state in &states {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            state.path.clone(),
            state.sha256.chars().take(12).collect(),
            state.serial.map_or_else(|| "-".to_owned(), |serial| serial.to_string()),
            state.size.map_or_else(|| "-".to_owned(), table::size),
            text(&state.written),
            text(&state.by),
            text(&state.policy),
            state.problem.clone().unwrap_or_else(|| text(&state.reason)),
        ]);
    }
    context.say(&format!("{table}{}", table::count(states.len(), "refused state")))
}

pub(super) async fn pull<W: Write>(
    api: &Api<'_>,
    path: &str,
    digest: &str,
    to: Option<&Path>,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let digest = find(api, path, digest).await?.sha256;
    let bytes = api.quarantined(path, &digest).await?;
    if sha256(&bytes) != digest {
        return Err(Error::other(format!("{path}: what came is damaged (SHA-256)")));
    }
    match to {
        Some(file) => {
            keep(file, &bytes).map_err(Error::Other)?;
            let line = format!("{path}: the refused state {digest} is in {}", file.display());
            context.result(&json!({ "path": path, "sha256": digest, "file": file }), &line)
        }
        None => {
            let written = context.out.write_all(&bytes).and_then(|()| context.out.flush());
            written.map_err(|error| Error::other(format!("standard output: {error}")))
        }
    }
}

pub(super) async fn accept<W: Write>(
    api: &Api<'_>,
    state: &State<'_>,
    digest: &str,
    overrule: bool,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let path = &state.place.path;
    let found = find(api, path, digest).await?;
    let purpose = Purpose { operation: "quarantine accept", info: found.sha256.clone() };
    let held = take(state, &purpose, context.answers).await?;
    let answers = context.answers;
    under(state, &held, async {
        let present = api.versions(path).await?.first().map_or_else(|| "no state".to_owned(), render::version);
        let question = format!(
            "Make the refused state {} (serial {}, refused by {}: {}) the present one of {path}, in place of {present}?",
            found.sha256.get(..12).unwrap_or(&found.sha256),
            found.serial.unwrap_or_default(),
            found.policy.as_deref().unwrap_or("a policy"),
            found.reason.as_deref().unwrap_or("no reason given"),
        );
        if !answers.ask(&question).await {
            return Err(Error::other("nothing was accepted"));
        }
        api.accept(path, &found.sha256, &held.id, overrule).await.map_err(|error| match error {
            Error::Refused { place, status, code, message } if code == "denied" && !overrule => {
                let message = format!("{message} To write it all the same, say --overrule");
                Error::Refused { place, status, code, message }
            }
            other => other,
        })
    })
    .await?;
    let line = format!("{path}: the refused state {} is the present one", found.sha256);
    context.result(&json!({ "path": path, "sha256": found.sha256, "overruled": overrule }), &line)
}

pub(super) async fn discard<W: Write>(
    api: &Api<'_>,
    path: &str,
    digest: &str,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let found = find(api, path, digest).await?;
    let question = format!(
        "Throw the refused state {} of {path} (serial {}) away for good?",
        found.sha256,
        found.serial.unwrap_or_default()
    );
    if !context.answers.ask(&question).await {
        return Err(Error::other("nothing was discarded"));
    }
    api.discard(path, &found.sha256).await?;
    let line = format!("{path}: the refused state {} is gone", found.sha256);
    context.result(&json!({ "path": path, "sha256": found.sha256 }), &line)
}

/// The one refused state at `path` whose digest begins so.
async fn find(api: &Api<'_>, path: &str, digest: &str) -> Result<Quarantined, Error> {
    if digest.len() < FEWEST_DIGITS || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::other(format!(
            "`{digest}` is not the beginning of a SHA-256 ({FEWEST_DIGITS} digits or more)"
        )));
    }
    let digest = digest.to_ascii_lowercase();
    let all = api.quarantine(path).await?;
    let mut found = all.into_iter().filter(|state| state.path == path && state.sha256.starts_with(&digest));
    match (found.next(), found.next()) {
        (Some(state), None) => Ok(state),
        (Some(_), Some(_)) => Err(Error::other(format!("{path}: several refused states begin with {digest}"))),
        (None, _) => Err(Error::other(format!("{path}: no refused state begins with {digest}"))),
    }
}
