//! One line in the log for each request, however it ends.

use super::Finished;

/// Writes the line.
pub(super) fn write(finished: &Finished) {
    let Finished { request_id, method, path, status, caller, duration, generation, .. } = finished;
    let (caller, kind) =
        (caller.as_ref().map(|caller| &*caller.name), caller.as_ref().map(super::finished::Known::kind));
    let (operation, outcome) = (finished.operation(), finished.outcome());
    let (forced, unlocked, conflicts) = (finished.forced(), finished.unlocked(), finished.conflicts());
    let (lock_id, trace_id) = (finished.lock_id(), finished.trace_id());
    let (denied_by, quarantined) = (finished.denied_by(), finished.quarantined());
    // Of a stranger nothing else is known.
    let peer = finished.peer.filter(|_| caller.is_none()).map(|peer| peer.ip().to_canonical().to_string());
    let peer = peer.as_deref();
    let duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "tofu_state::request",
                request_id,
                method,
                path,
                status,
                caller,
                kind,
                peer,
                operation,
                outcome,
                forced,
                unlocked,
                conflicts,
                denied_by,
                quarantined,
                lock_id,
                trace_id,
                generation,
                duration_ms,
                "request"
            )
        };
    }
    if *status >= 500 || forced { line!(warn) } else { line!(info) }
}
