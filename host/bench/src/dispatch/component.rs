//! The protocol called as a component: a fresh instance for each request.

use std::time::SystemTime;

use tofu_state_component::{Caller, CallerKind, ForceUnlock, Protocol, Request, Rights, Settings, Surroundings};
use tofu_state_store::Blob;

/// A request of a caller who may do everything.
pub(crate) fn request(method: &str, path: Vec<String>, query: Option<String>, body: Option<Blob>) -> Request {
    Request {
        method: method.to_owned(),
        path,
        query,
        headers: Vec::new(),
        body,
        caller: Caller {
            name: "shared".to_owned(),
            kind: CallerKind::SharedToken,
            rights: Rights::READ | Rights::WRITE | Rights::UNLOCK | Rights::DELETE,
        },
        received: SystemTime::now(),
        settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false },
        trace: None,
        request_id: "bench".to_owned(),
    }
}

/// One request, made as the server makes it, in the caller's task; its status.
pub(super) async fn handle(
    protocol: &Protocol,
    around: &Surroundings,
    path: &[String],
    method: &str,
    query: Option<String>,
    body: Option<Blob>,
) -> anyhow::Result<u16> {
    let (reply, _) = protocol.measured(request(method, path.to_vec(), query, body), around.clone()).await;
    Ok(reply?.status)
}
