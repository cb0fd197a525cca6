//! What one cycle asks for, in either way of calling the protocol.

use std::time::Duration;

use bytes::Bytes;
use tofu_state_store::Blob;

use crate::states::States;

/// What one cycle sends, in this order.
pub(crate) const OPERATIONS: [&str; 4] = ["LOCK", "GET", "POST", "UNLOCK"];

/// Time for each of [`OPERATIONS`], summed over cycles.
pub(super) type Sums = [Duration; 4];

/// A request without the sides' own types.
pub(super) struct Plain {
    pub(super) method: &'static str,
    pub(super) query: Option<String>,
    pub(super) body: Option<Blob>,
}

/// The requests of one cycle: a run with a lock ID of its own and the next serial. The state's digests are
/// made here, as the server makes them while a body comes in.
pub(super) fn requests(number: u64, states: &States) -> [Plain; 4] {
    let id = format!("0b7c8f5e-0000-4000-8000-{number:012}");
    let info = lock_info(&id);
    let blob = |bytes: Bytes| Some(Blob::new(bytes));
    let plain = |method, query: Option<String>, body| Plain { method, query, body };
    [
        plain("LOCK", None, blob(info.clone())),
        plain("GET", None, None),
        plain("POST", Some(format!("ID={id}")), blob(states.whole(number))),
        plain("UNLOCK", None, blob(info)),
    ]
}

/// LockInfo as the CLIs send it.
pub(crate) fn lock_info(id: &str) -> Bytes {
    Bytes::from(format!(
        "{{\"ID\":\"{id}\",\"Operation\":\"OperationTypeApply\",\"Info\":\"\",\"Who\":\"runner@ci-7f9c\",\
         \"Version\":\"1.12.6\",\"Created\":\"2026-01-02T03:04:05.678901234Z\",\"Path\":\"\"}}"
    ))
}

/// Whether a cycle may see this status: only its first GET finds no state.
pub(super) fn check(status: u16, number: u64, method: &str) -> anyhow::Result<()> {
    anyhow::ensure!(status == 200 || (status == 404 && number == 1 && method == "GET"), "{method}: status {status}");
    Ok(())
}
