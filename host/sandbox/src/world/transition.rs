//! What can happen next.

use serde::{Deserialize, Serialize};

use super::World;
use super::state::{Phase, State};
use crate::scenario::FaultKind;
use crate::store::Call;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Actor {
    /// A client's own, by the client's place in the scenario.
    Client(u8),
    /// One that nobody waits for any more, by its place among those.
    Stray(u8),
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CallFault {
    /// Done, and no answer in time.
    Lost,
    /// Done, and then repeated by the driver: a conflict.
    Repeated,
    /// Not done, and the store cannot be reached.
    Unavailable,
    /// Done, and the server dies before it can send the reply that follows.
    Crash,
}

/// One step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transition {
    /// A client sends its request, and the server asks its memory.
    Start(u8),
    /// A call is made and answered; the client's first one begins its request.
    Call { actor: Actor, number: u16, fault: Option<CallFault> },
    /// A client loses its connection; its request goes on.
    LoseConnection(u8),
    /// A server dies; the write of this request, if any is named, is still on its way.
    Crash { server: u16, late: Option<Actor> },
    /// A late write reaches the store, by its place among those.
    Land(u8),
}

impl World {
    /// Everything that can happen in `state`.
    pub(crate) fn transitions(&self, state: &State) -> Vec<Transition> {
        let mut all = Vec::new();
        for (client, of) in state.clients.iter().enumerate() {
            let Ok(index) = u8::try_from(client) else { continue };
            match of.phase {
                Phase::Done => continue,
                Phase::Ready if !self.may_begin(state, client) => continue,
                // What asks the memory first, or is answered without the store, begins on its own.
                Phase::Ready if self.machine.next(of.node).calls.is_empty() => all.push(Transition::Start(index)),
                Phase::Ready | Phase::Waiting => self.calls(state, Actor::Client(index), of.node, &mut all),
            }
            if state.faults > 0 && of.phase == Phase::Waiting && self.has(FaultKind::LostConnection) {
                all.push(Transition::LoseConnection(index));
            }
        }
        for (stray, of) in state.strays.iter().enumerate() {
            let Ok(index) = u8::try_from(stray) else { continue };
            self.calls(state, Actor::Stray(index), of.node, &mut all);
        }
        if state.faults > 0 {
            self.crashes(state, &mut all);
        }
        all.extend((0..state.late.len()).filter_map(|late| Some(Transition::Land(u8::try_from(late).ok()?))));
        all
    }

    fn has(&self, kind: FaultKind) -> bool {
        self.fault_kinds.contains(&kind)
    }

    /// The calls of a request that may be answered next, each also with what may go wrong.
    ///
    /// Chunks that are under way at once are answered in the order in which they were asked for: whatever else the
    /// order, each of them is there or not on its own, and a set counts only as a whole.
    fn calls(&self, state: &State, actor: Actor, node: u32, all: &mut Vec<Transition>) {
        let mut chunk_seen = false;
        for (number, call) in &self.machine.next(node).calls {
            let is_chunk = call.key().is_some_and(|key| self.machine.tables.key(key).starts_with(".chunks/"));
            if is_chunk && std::mem::replace(&mut chunk_seen, true) {
                continue;
            }
            let mut push = |fault| all.push(Transition::Call { actor, number: *number, fault });
            push(None);
            if state.faults == 0 {
                continue;
            }
            if call.is_write() && self.has(FaultKind::LostAcknowledgement) {
                push(Some(CallFault::Lost));
                if matches!(call, Call::Put { .. }) {
                    push(Some(CallFault::Repeated));
                }
            }
            if self.has(FaultKind::Unavailable) {
                push(Some(CallFault::Unavailable));
            }
            if matches!(actor, Actor::Client(_)) && call.is_write() && self.has(FaultKind::Crash) {
                push(Some(CallFault::Crash));
            }
        }
    }

    fn crashes(&self, state: &State, all: &mut Vec<Transition>) {
        if !self.has(FaultKind::Crash) && !self.has(FaultKind::LateWrite) {
            return;
        }
        for server in 0..self.servers.len() {
            let Ok(server) = u16::try_from(server) else { continue };
            let waiting = state.clients.iter().enumerate().filter_map(|(client, of)| {
                let index = u8::try_from(client).ok()?;
                let is_there = of.phase == Phase::Waiting && self.server_of(index) == server;
                is_there.then_some((Actor::Client(index), of.node))
            });
            let stray = state.strays.iter().enumerate().filter_map(|(stray, of)| {
                let index = u8::try_from(stray).ok()?;
                (self.server_of(of.origin.client) == server).then_some((Actor::Stray(index), of.node))
            });
            let there: Vec<_> = waiting.chain(stray).collect();
            if there.is_empty() {
                continue;
            }
            if self.has(FaultKind::Crash) {
                all.push(Transition::Crash { server, late: None });
            }
            if self.has(FaultKind::LateWrite) {
                let writes = there.iter().filter(|(_, node)| self.write_of(*node).is_some());
                all.extend(writes.map(|(actor, _)| Transition::Crash { server, late: Some(*actor) }));
            }
        }
    }

    /// The write that a request has under way.
    pub(crate) fn write_of(&self, node: u32) -> Option<&Call> {
        self.machine.next(node).calls.iter().map(|(_, call)| call).find(|call| call.is_write())
    }
}
