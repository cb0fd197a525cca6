//! One line in the log and one count in the metrics for each request, however it ends.

use std::sync::Arc;
use std::time::Instant;

use tofu_state_component::{CallerKind, Event, Operation};

use super::metrics::{Counted, Metrics};
use crate::access::Identity;

/// The status under which requests are recorded whose caller went away before the answer (as nginx
/// does); it is never sent.
const GONE: u16 = 499;

/// How many bytes of a path or a method are recorded. Both come from anybody, and states' paths are
/// shorter.
const LONGEST_FIELD: usize = 512;

/// What is known of a request so far. Dropped before [`finish`](Self::finish), it records that the
/// caller went away.
pub struct Record {
    metrics: Arc<Metrics>,
    began: Instant,
    done: bool,
    request_id: String,
    method: String,
    path: String,
    caller: Option<(Arc<str>, &'static str)>,
}

impl Record {
    /// Begins with what the request's head says. `path` is the path as it was sent, still encoded.
    #[must_use]
    pub fn begin(metrics: &Arc<Metrics>, request_id: &str, method: &str, path: &str) -> Self {
        metrics.begin();
        Self {
            metrics: Arc::clone(metrics),
            began: Instant::now(),
            done: false,
            request_id: request_id.to_owned(),
            method: cut(method),
            path: cut(path),
            caller: None,
        }
    }

    /// Now the caller is known.
    pub fn caller(&mut self, identity: &Identity, kind: CallerKind) {
        let kind = match kind {
            CallerKind::SharedToken => "shared-token",
            CallerKind::NamedToken => "named-token",
        };
        self.caller = Some((Arc::clone(identity.name()), kind));
    }

    /// The component has answered.
    pub fn finish(mut self, status: u16, event: &Event) {
        self.write(
            status,
            &Ending {
                operation: operation(event.operation),
                outcome: &event.outcome,
                forced: event.forced,
                unlocked: event.unlocked,
                conflicts: event.conflicts,
                lock_id: event.lock_id.as_deref(),
            },
        );
    }

    /// The host has answered, with a stable word for why.
    pub fn refuse(mut self, status: u16, code: &str) {
        self.write(status, &Ending::of_the_host(code));
    }

    fn write(&mut self, status: u16, ending: &Ending<'_>) {
        self.done = true;
        let duration = self.began.elapsed();
        let Ending { operation, outcome, forced, unlocked, conflicts, lock_id } = *ending;
        self.metrics.end(&Counted { method: &self.method, status, operation, duration, forced, unlocked, conflicts });
        let (caller, kind) = match &self.caller {
            Some((name, kind)) => (Some(&**name), Some(*kind)),
            None => (None, None),
        };
        let duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "tofu_state::request",
                    request_id = self.request_id,
                    method = self.method,
                    path = self.path,
                    status,
                    caller,
                    kind,
                    operation,
                    outcome,
                    forced,
                    unlocked,
                    conflicts,
                    lock_id,
                    duration_ms,
                    "request"
                )
            };
        }
        if status >= 500 || forced { line!(warn) } else { line!(info) }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.done {
            self.write(GONE, &Ending::of_the_host("caller-gone"));
        }
    }
}

#[derive(Clone, Copy)]
struct Ending<'a> {
    operation: &'static str,
    outcome: &'a str,
    forced: bool,
    unlocked: bool,
    conflicts: u32,
    lock_id: Option<&'a str>,
}

impl<'a> Ending<'a> {
    fn of_the_host(outcome: &'a str) -> Self {
        Self { operation: "none", outcome, forced: false, unlocked: false, conflicts: 0, lock_id: None }
    }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Get => "get",
        Operation::Write => "write",
        Operation::Delete => "delete",
        Operation::Lock => "lock",
        Operation::Unlock => "unlock",
        Operation::ForceUnlock => "force-unlock",
        Operation::None => "none",
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_FIELD);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_are_cut_between_letters() {
        assert_eq!(cut("/a/b"), "/a/b");
        assert_eq!(cut(&"x".repeat(LONGEST_FIELD + 1)).len(), LONGEST_FIELD);
        assert_eq!(cut(&format!("x{}", "ä".repeat(LONGEST_FIELD))).len(), LONGEST_FIELD - 1);
    }
}
