//! `state pull`: a state's bytes, as they were sent.

use std::io::Write;
use std::path::Path;

use super::Context;
use crate::api::Api;
use crate::error::Error;
use crate::keep::keep;
use crate::protocol::State;
use crate::serial::header;

pub(super) async fn pull<W: Write>(
    api: &Api<'_>,
    state: &State<'_>,
    revision: Option<u64>,
    to: Option<&Path>,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let path = &state.place.path;
    let bytes = match revision {
        Some(revision) => api.content(path, revision).await?,
        None => state.get().await?.ok_or_else(|| Error::other(format!("there is no state at {path}")))?,
    };
    match to {
        None => {
            let written = context.out.write_all(&bytes).and_then(|()| context.out.flush());
            written.map_err(|error| Error::other(format!("standard output: {error}")))
        }
        Some(file) => {
            let header = header(&bytes).map_err(|why| Error::other(format!("{path}: {why}")))?;
            keep(file, &bytes).map_err(Error::Other)?;
            let json = serde_json::json!({
                "path": path, "file": file, "size": bytes.len(), "serial": header.serial, "lineage": header.lineage,
            });
            let line = format!("{path}: serial {}, {} bytes, in {}", header.serial, bytes.len(), file.display());
            context.result(&json, &line)
        }
    }
}
