//! `state lock` and `state unlock`: a lock that a person holds, for maintenance.

use std::io::Write;

use super::Context;
use crate::error::Error;
use crate::lock_info::NewLock;
use crate::protocol::State;

/// What the lock says it is for.
const OPERATION: &str = "maintenance";

pub(super) async fn lock<W: Write>(state: &State<'_>, reason: &str, context: &mut Context<'_, W>) -> Result<(), Error> {
    let lock = NewLock::now(OPERATION, reason);
    state.lock(&lock.text()).await?;
    let (path, id) = (&state.place.path, &lock.id);
    let line = format!("{path} is locked: {id}\nTo release it: tofu-state state unlock {path} {id}");
    context.result(&serde_json::json!({ "path": path, "id": id }), &line)
}

pub(super) async fn unlock<W: Write>(
    state: &State<'_>,
    id: &str,
    force: bool,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    let info = if force {
        // An ID and nothing else is what the server takes for a forced unlock: it fences the holder.
        serde_json::json!({ "ID": id }).to_string()
    } else {
        NewLock { id: id.to_owned(), ..NewLock::now(OPERATION, "") }.text()
    };
    state.unlock(&info).await?;
    let path = &state.place.path;
    let line = format!("{path} is no longer locked by {id}");
    context.result(&serde_json::json!({ "path": path, "id": id, "forced": force }), &line)
}
