//! `state rm`: the deletion of a state, under its lock. Older versions stay on the server.

use std::io::Write;

use super::Context;
use crate::error::Error;
use crate::hold::{Purpose, take, under};
use crate::protocol::State;
use crate::serial::header;

pub(super) async fn rm<W: Write>(state: &State<'_>, context: &mut Context<'_, W>) -> Result<(), Error> {
    let path = &state.place.path;
    let purpose = Purpose { operation: "state rm", info: String::new() };
    let held = take(state, &purpose, context.answers).await?;
    let answers = context.answers;
    let deleted = under(state, &held, async {
        let Some(bytes) = state.get().await? else { return Ok(None) };
        let header = header(&bytes).map_err(|why| Error::other(format!("{path}: {why}")))?;
        let what = if header.empty { ", empty" } else { "" };
        let question = format!("Delete the state {path} (serial {}, {} bytes{what})?", header.serial, bytes.len());
        if !answers.ask(&question).await {
            return Err(Error::other("nothing was deleted"));
        }
        state.delete(Some(&held.id)).await?;
        Ok(Some(header.serial))
    })
    .await?;
    match deleted {
        Some(serial) => context.result(
            &serde_json::json!({ "path": path, "deleted": true, "serial": serial }),
            &format!("{path} is deleted (it had serial {serial}); its older versions can still be restored"),
        ),
        None => context.result(
            &serde_json::json!({ "path": path, "deleted": false }),
            &format!("there is no state at {path}: nothing to delete"),
        ),
    }
}
