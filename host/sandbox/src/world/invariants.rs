//! What must hold in every schedule.
//!
//! All of it is said in terms of what clients can see: requests, replies, and what a GET would answer and who holds
//! the lock at each moment, which the component itself is asked. So it fits any component of this protocol.

use super::World;
use super::history::{Flight, Holder, Sight, Visible};
use super::state::{Phase, State};
use crate::machine::execute::RawReply;
use crate::scenario::Tolerated;
use crate::scenario::intent::{Intent, Kind, LockId};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A stable word.
    pub rule: &'static str,
    /// A sentence.
    pub what: String,
}

/// A request that changes something.
pub(crate) struct Cause<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) flight: &'a Flight,
}

fn broken(rule: &'static str, what: String) -> Option<Violation> {
    Some(Violation { rule, what })
}

impl World {
    /// A call has changed what can be seen of a path. `state` is brought up to date.
    pub(super) fn judge_change(
        &self,
        state: &mut State,
        path: u8,
        (before, after): (Sight, Sight),
        cause: &Cause<'_>,
    ) -> Option<Violation> {
        if before.whole && !after.whole && !matches!(after.state, Visible::Unreadable(_)) {
            return broken(
                "state-revision-lost",
                format!("after a call of `{}` a revision that is kept cannot be read any more", cause.intent.text),
            );
        }
        let violation = self.judge_holder(state, path, before.holder, after.holder, cause);
        violation.or_else(|| self.judge_state(state, path, before, after.state, cause))
    }

    fn judge_holder(
        &self,
        state: &mut State,
        path: u8,
        before: Holder,
        after: Holder,
        cause: &Cause<'_>,
    ) -> Option<Violation> {
        if before == after {
            return None;
        }
        let Intent { kind, text, received, .. } = cause.intent;
        let name = |lock: LockId| self.names.lock_text(lock);
        match (before, after) {
            (_, Holder::Unknown) => {
                broken("lock-unreadable", format!("after a call of `{text}` nobody can tell who holds the lock"))
            }
            (Holder::Held(old), Holder::Held(new)) => {
                broken("lock-overwritten", format!("`{text}` gave {}'s lock to {}", name(old), name(new)))
            }
            (Holder::Nobody | Holder::Unknown, Holder::Held(new)) => {
                if *kind != Kind::Lock(new) {
                    return broken("lock-from-nowhere", format!("`{text}` locked for {}", name(new)));
                }
                if state.history.gone(new).is_some() {
                    return broken(
                        "lock-after-release",
                        format!(
                            "`{text}` took a lock that was released or broken already: nobody will release it again"
                        ),
                    );
                }
                if let Some(past) = state.history.paths.get_mut(usize::from(path)) {
                    past.life = *received;
                }
                None
            }
            (Holder::Held(old), Holder::Nobody) => {
                let expired = self.lock_ttl.is_some_and(|ttl| received.saturating_sub(cause.flight.life) > ttl);
                let (may, broke) = match kind {
                    Kind::Unlock(id) => (*id == old, false),
                    Kind::Break(Some(id)) => (*id == old, true),
                    Kind::Break(None) => (!cause.flight.has_released, true),
                    Kind::Lock(_) => (expired, true),
                    _ => (false, true),
                };
                state.history.set_gone(path, old, broke);
                if may {
                    return None;
                }
                broken(
                    "released-anothers-lock",
                    format!("`{text}` ended {}'s lock, which is not its to end", name(old)),
                )
            }
            (Holder::Nobody | Holder::Unknown, Holder::Nobody) => None,
        }
    }

    fn judge_state(
        &self,
        state: &mut State,
        path: u8,
        before: Sight,
        after: Visible,
        cause: &Cause<'_>,
    ) -> Option<Violation> {
        if before.state == after {
            return None;
        }
        let Intent { kind, text, received, .. } = cause.intent;
        let told = |visible: Visible| self.visible_text(visible);
        if let Visible::Unreadable(status) = after {
            return broken(
                "state-unreadable",
                format!("after a call of `{text}` the state cannot be read any more: a GET is answered {status}"),
            );
        }
        let (lock, serial) = match (kind, after) {
            (Kind::Post { lock, serial, state }, Visible::State(now)) if *state == now => (*lock, Some(*serial)),
            (Kind::Delete { lock }, Visible::Nothing) => (*lock, None),
            _ => {
                return broken(
                    "state-changed",
                    format!("`{text}` turned {} into {}, which it was not to", told(before.state), told(after)),
                );
            }
        };
        let gone = lock.and_then(|lock| state.history.gone(lock));
        match (before.holder, lock) {
            (Holder::Held(holder), Some(lock)) if holder == lock => {}
            (Holder::Held(_), None) if self.tolerates(Tolerated::UnlockedWriters) => {}
            (_, Some(_))
                if self.tolerates(Tolerated::AbandonedWrites)
                    && gone.is_some_and(|gone| !gone.broken)
                    && !cause.flight.began_gone => {}
            (Holder::Held(holder), _) => {
                return broken(
                    "written-under-anothers-lock",
                    format!("`{text}` wrote while {} held the lock", self.names.lock_text(holder)),
                );
            }
            (Holder::Nobody | Holder::Unknown, None) => {}
            (Holder::Nobody | Holder::Unknown, Some(_)) => match gone {
                None => return broken("written-unheld", format!("`{text}` wrote under a lock that was never held")),
                Some(_) if cause.flight.began_gone => {
                    return broken(
                        "written-unheld",
                        format!("`{text}` wrote under a lock that was gone before it began"),
                    );
                }
                Some(gone) if gone.told && gone.broken => {
                    return broken(
                        "written-after-break",
                        format!("`{text}` wrote after somebody was answered that its lock is broken"),
                    );
                }
                Some(gone) if gone.told => {
                    return broken(
                        "written-after-release",
                        format!("`{text}` wrote after its lock's release was answered"),
                    );
                }
                Some(_) => {}
            },
        }
        let past = state.history.paths.get_mut(usize::from(path))?;
        if let (Some((id, written)), Some(serial)) = (past.by, serial)
            && past.told
            && Some(id) == lock
            && serial <= written
        {
            return broken(
                "older-over-newer",
                format!("`{text}` replaced {}, which is newer and was acknowledged", told(before.state)),
            );
        }
        past.by = lock.zip(serial);
        past.told = false;
        if lock.is_some() {
            past.life = *received;
        }
        None
    }

    /// A client gets a reply. `state` is brought up to date.
    pub(super) fn judge_reply(
        &self,
        state: &mut State,
        cause: &Cause<'_>,
        reply: &RawReply,
        sight: Sight,
        met_fault: bool,
    ) -> Option<Violation> {
        let Intent { kind, text, path, .. } = cause.intent;
        let flight = cause.flight;
        let RawReply { status, body, .. } = reply;
        let claims =
            |what: &str| broken("claims-what-is-not-so", format!("`{text}` was answered {status}, but {what}"));
        if *status >= 500 && !met_fault && !matches!(sight.state, Visible::Unreadable(_)) {
            return broken(
                "fails-without-a-fault",
                format!("`{text}` was answered {status}, and nothing had gone wrong"),
            );
        }
        let past = state.history.paths.get_mut(usize::from(*path));
        match (kind, *status) {
            (Kind::Get, 200) if !body.is_empty() => {
                let is_so = |visible: &Visible| matches!(visible, Visible::State(id) if self.is_state(*id, body));
                if !flight.seen.iter().any(is_so) {
                    return claims("no such state was there at any moment in between");
                }
            }
            (Kind::Get, 200 | 204 | 404) if !flight.seen.contains(&Visible::Nothing) => {
                return claims("there was a state all the time");
            }
            (Kind::Post { state: sent, .. }, 200 | 201 | 204) => {
                if !flight.was_so {
                    return claims("the state that it sent was not there at any moment in between");
                }
                if let Some(past) = past.filter(|_| sight.state == Visible::State(*sent)) {
                    past.told = true;
                }
            }
            (Kind::Delete { .. }, 200) if !flight.was_so => {
                return claims("there was a state all the time");
            }
            (Kind::Lock(_), 200) if !flight.was_so => {
                return claims("it did not hold the lock at any moment in between");
            }
            (Kind::Unlock(id) | Kind::Break(Some(id)), 200) => {
                if !flight.was_so {
                    return claims("its lock was held all the time");
                }
                state.history.tell_gone(*path, Some(*id));
            }
            (Kind::Break(None), 200) => {
                if !flight.was_so {
                    return claims("the lock was held all the time");
                }
                if flight.has_released {
                    state.history.tell_gone(*path, None);
                }
            }
            (Kind::Lock(id), 409 | 423) => {
                let holder = holder_told(body);
                if *status == 409 && flight.was_busy && holder.is_none() {
                    return broken(
                        "holder-not-told",
                        format!("`{text}` was answered 409 without a LockInfo: the CLI cannot say who holds the lock"),
                    );
                }
                if *status == 409 && !flight.was_busy && state.history.gone(*id).is_none() {
                    return broken(
                        "refused-without-reason",
                        format!("`{text}` was answered 409, and nobody held the lock"),
                    );
                }
            }
            (Kind::Unlock(id) | Kind::Break(Some(id)), 409) if !flight.was_busy => {
                return broken(
                    "refused-without-reason",
                    format!("`{text}` was answered 409, and nobody but {} held the lock", self.names.lock_text(*id)),
                );
            }
            (Kind::Post { lock: Some(lock), .. } | Kind::Delete { lock: Some(lock) }, 409) => {
                let serial = if let Kind::Post { serial, .. } = kind { Some(*serial) } else { None };
                let older = past.is_some_and(|past| {
                    past.by.is_some_and(|(id, written)| id == *lock && serial.is_some_and(|serial| serial <= written))
                });
                // What is there already is no older write: it is a replay.
                let is_there = matches!(kind, Kind::Post { state, .. } if sight.state == Visible::State(*state));
                let older = older && !is_there;
                if !flight.was_unheld && !flight.was_disturbed && !older {
                    return broken(
                        "holder-refused",
                        format!("`{text}` was answered 409, though it held the lock and nobody else wrote"),
                    );
                }
            }
            (Kind::Post { lock: None, .. } | Kind::Delete { lock: None }, 409)
                if !flight.was_busy && !flight.was_disturbed && !state.history.any_gone(*path) =>
            {
                return broken(
                    "refused-without-reason",
                    format!("`{text}` was answered 409, and nobody held the lock or wrote"),
                );
            }
            _ => {}
        }
        None
    }

    /// At the end of a schedule everybody must be done.
    pub(crate) fn unfinished(&self, state: &State) -> Option<Violation> {
        let waits = state.clients.iter().zip(&self.clients).find(|(client, _)| client.phase != Phase::Done)?.1;
        broken("stuck", format!("client {} is not done, and nothing can happen any more", waits.name))
    }

    fn tolerates(&self, what: Tolerated) -> bool {
        self.tolerate.contains(&what)
    }

    pub(crate) fn visible_text(&self, visible: Visible) -> String {
        match visible {
            Visible::Nothing => "no state".to_owned(),
            Visible::State(state) => format!("state {}", self.names.state_text(state)),
            Visible::Unreadable(status) => format!("an unreadable state ({status})"),
        }
    }
}

/// The `ID` of a LockInfo in a reply.
pub(crate) fn holder_told(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    json.get("ID")?.as_str().map(str::to_owned)
}
