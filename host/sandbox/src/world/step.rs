//! Taking a step: what a transition makes of a state.

use super::history::Flight;
use super::invariants::{Cause, Violation};
use super::state::{Late, Origin, Phase, State, Stray};
use super::transition::{Actor, CallFault, Transition};
use super::{Want, World};
use crate::machine::execute::RawReply;
use crate::machine::{NodeId, ReplyId};
use crate::scenario::intent::{Intent, Kind, PathId};
use crate::store::{Answer, Call, Failed, KeyId, Lesson};

/// More calls than any request needs: one that makes them would go on for ever.
const MAX_CALLS: u16 = 400;

/// What came of a transition.
pub(crate) struct Stepped {
    pub(crate) state: State,
    pub(crate) violation: Option<Violation>,
    pub(crate) told: Told,
}

/// What happened, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) origin: Option<Origin>,
    pub(crate) call: Option<Call>,
    pub(crate) answer: Option<Answer>,
    pub(crate) reply: Option<ReplyId>,
    /// The request begins with this step.
    pub(crate) begins: bool,
}

impl World {
    /// Takes a step. The same step from the same state always comes to the same.
    pub(crate) fn step(&mut self, state: &State, transition: Transition) -> Result<Stepped, Want> {
        let mut stepped = Stepped { state: state.clone(), violation: None, told: Told::default() };
        match transition {
            Transition::Start(client) => self.start(&mut stepped, client)?,
            Transition::Call { actor, number, fault } => self.call(&mut stepped, actor, number, fault)?,
            Transition::LoseConnection(client) => {
                stepped.state.faults = stepped.state.faults.saturating_sub(1);
                self.lose_connection(&mut stepped, client)?;
            }
            Transition::Crash { server, late } => {
                stepped.state.faults = stepped.state.faults.saturating_sub(1);
                self.crash(&mut stepped, server, late)?;
            }
            Transition::Land(late) => self.land(&mut stepped, late)?,
        }
        stepped.state.strays.sort_by_key(|stray| (stray.origin, stray.node));
        Ok(stepped)
    }

    fn start(&mut self, stepped: &mut Stepped, client: u8) -> Result<(), Want> {
        let state = &mut stepped.state;
        let Some(of) = state.clients.get(usize::from(client)) else { return Ok(()) };
        let origin = Origin { client, at: of.at, attempt: of.attempt };
        let flight = self.begin(state, origin);
        let node = self.past_memory(state, client, of.node)?;
        if let Some(of) = state.clients.get_mut(usize::from(client)) {
            (of.phase, of.node, of.flight) = (Phase::Waiting, node, flight);
        }
        stepped.told = Told { origin: Some(origin), begins: true, ..Told::default() };
        stepped.violation = self.failure(node, origin);
        self.answered_without_store(stepped, client, origin)
    }

    /// A request may be refused before it has asked the store anything.
    fn answered_without_store(&mut self, stepped: &mut Stepped, client: u8, origin: Origin) -> Result<(), Want> {
        let Some(of) = stepped.state.clients.get(usize::from(client)) else { return Ok(()) };
        match self.machine.next(of.node).reply {
            Some(reply) if stepped.violation.is_none() => self.deliver(stepped, client, origin, reply),
            _ => Ok(()),
        }
    }

    fn begin(&self, state: &State, origin: Origin) -> Flight {
        let Some(plan) = self.plan(origin) else { return Flight::default() };
        match self.sights_of(state.view).get(usize::from(plan.intent.path)) {
            Some(sight) => Flight::begin(&plan.intent, *sight, &state.history),
            None => Flight::default(),
        }
    }

    /// Answers what a request asks the memory of its server, and teaches that what was learnt on the way.
    fn past_memory(&self, state: &mut State, client: u8, mut node: NodeId) -> Result<NodeId, Want> {
        let server = usize::from(self.server_of(client));
        loop {
            let next = self.machine.next(node);
            if let Some(memory) = state.memories.get_mut(server) {
                next.lessons.iter().for_each(|lesson| learn(memory, *lesson));
            }
            let Some((number, key)) = next.asked else { return Ok(node) };
            let seen = state.memories.get(server).and_then(|memory| {
                let at = memory.binary_search_by_key(&key, |(key, _, _)| *key).ok()?;
                memory.get(at).map(|(_, revision, body)| (*revision, *body))
            });
            node = self.machine.child(node, number, &Answer::Recalled(seen))?;
        }
    }

    fn call(&mut self, stepped: &mut Stepped, actor: Actor, number: u16, fault: Option<CallFault>) -> Result<(), Want> {
        let (origin, node, mut flight, begins) = match actor {
            Actor::Client(client) => {
                let Some(of) = stepped.state.clients.get(usize::from(client)) else { return Ok(()) };
                let origin = Origin { client, at: of.at, attempt: of.attempt };
                let begins = of.phase == Phase::Ready;
                let flight = if begins { self.begin(&stepped.state, origin) } else { of.flight.clone() };
                (origin, of.node, flight, begins)
            }
            Actor::Stray(stray) => {
                let Some(of) = stepped.state.strays.get(usize::from(stray)) else { return Ok(()) };
                (of.origin, of.node, of.flight.clone(), false)
            }
        };
        let before = self.machine.next(node);
        let had_reply = before.reply.is_some();
        let Some((_, call)) = before.calls.iter().find(|(own, _)| *own == number).cloned() else { return Ok(()) };
        let answer = if fault == Some(CallFault::Unavailable) {
            Answer::Failed(Failed::Unavailable)
        } else {
            let answer = self.apply(stepped, origin, &call, &mut flight)?;
            match fault {
                Some(CallFault::Lost) => Answer::Failed(Failed::Timeout),
                Some(CallFault::Repeated) => Answer::Conflict,
                _ => answer,
            }
        };
        if fault.is_some() {
            stepped.state.faults = stepped.state.faults.saturating_sub(1);
        }
        let node = self.machine.child(node, number, &answer)?;
        let node = self.past_memory(&mut stepped.state, origin.client, node)?;
        stepped.told = Told { origin: Some(origin), call: Some(call), answer: Some(answer), reply: None, begins };
        if stepped.violation.is_none() {
            stepped.violation = self.failure(node, origin);
        }
        match actor {
            Actor::Client(client) => {
                if let Some(of) = stepped.state.clients.get_mut(usize::from(client)) {
                    (of.phase, of.node, of.flight) = (Phase::Waiting, node, flight);
                }
                if fault == Some(CallFault::Crash) {
                    return self.crash(stepped, self.server_of(client), None);
                }
                match self.machine.next(node).reply {
                    Some(reply) if !had_reply && stepped.violation.is_none() => {
                        self.deliver(stepped, client, origin, reply)
                    }
                    _ => Ok(()),
                }
            }
            Actor::Stray(stray) => {
                let is_done = self.machine.next(node).calls.is_empty();
                if is_done {
                    stepped.state.strays.remove(usize::from(stray));
                } else if let Some(of) = stepped.state.strays.get_mut(usize::from(stray)) {
                    (of.node, of.flight) = (node, flight);
                }
                Ok(())
            }
        }
    }

    /// Makes a call in the store. What it changes is judged, and seen by everybody who is under way.
    fn apply(
        &mut self,
        stepped: &mut Stepped,
        origin: Origin,
        call: &Call,
        flight: &mut Flight,
    ) -> Result<Answer, Want> {
        let keep = self.keep_versions;
        let (answer, changed) = stepped.state.contents.answer(&mut self.machine.tables, call, keep);
        let Some(contents) = changed else { return Ok(answer) };
        let view = self.view(&contents)?;
        let old_view = std::mem::replace(&mut stepped.state.view, view);
        stepped.state.contents = contents;
        let Some(intent) = self.plan(origin).map(|plan| plan.intent.clone()) else { return Ok(answer) };
        self.writers_without_a_lock_may_lose(&mut stepped.state, intent.path, origin);
        if old_view == view {
            return Ok(answer);
        }
        let pairs: Vec<_> =
            self.sights_of(old_view).iter().copied().zip(self.sights_of(view).iter().copied()).collect();
        for (path, (before, after)) in pairs.into_iter().enumerate() {
            let Ok(path) = u8::try_from(path) else { continue };
            if before == after {
                continue;
            }
            let cause = Cause { intent: &intent, flight };
            let violation = self.judge_change(&mut stepped.state, path, (before, after), &cause);
            stepped.violation = stepped.violation.take().or(violation);
            if before.holder != after.holder && !matches!(intent.kind, Kind::Lock(_)) {
                flight.has_released = true;
            }
            self.everybody_sees(&mut stepped.state, path, after, origin);
            if intent.path == path {
                flight.see(&intent, after);
            }
        }
        Ok(answer)
    }

    /// The one who changed it sees it by itself: its flight is not in the state while it takes its step.
    fn everybody_sees(&self, state: &mut State, path: PathId, sight: super::history::Sight, by: Origin) {
        self.others_waiting(state, path, by, |intent, flight| {
            flight.was_disturbed = true;
            flight.see(intent, sight);
        });
        for of in &mut state.strays {
            let Some(plan) = self.plan(of.origin) else { continue };
            if plan.intent.path == path && of.origin != by {
                of.flight.was_disturbed = true;
                of.flight.see(&plan.intent, sight);
            }
        }
    }

    /// Whatever others write, seen or not, is a reason to refuse a write without a lock.
    fn writers_without_a_lock_may_lose(&self, state: &mut State, path: PathId, by: Origin) {
        self.others_waiting(state, path, by, |intent, flight| {
            let is_without = matches!(intent.kind, Kind::Post { lock: None, .. } | Kind::Delete { lock: None });
            flight.was_disturbed |= is_without;
        });
    }

    /// The clients, other than that one, who wait for a reply about this path.
    fn others_waiting(&self, state: &mut State, path: PathId, by: Origin, mut each: impl FnMut(&Intent, &mut Flight)) {
        for (client, of) in state.clients.iter_mut().enumerate() {
            let Ok(client) = u8::try_from(client) else { continue };
            let origin = Origin { client, at: of.at, attempt: of.attempt };
            let Some(plan) = self.plan(origin) else { continue };
            if of.phase == Phase::Waiting && plan.intent.path == path && origin != by {
                each(&plan.intent, &mut of.flight);
            }
        }
    }

    fn failure(&self, node: NodeId, origin: Origin) -> Option<Violation> {
        let text = || self.plan(origin).map(|plan| plan.intent.text.clone()).unwrap_or_default();
        if let Some(failure) = &self.machine.next(node).failure {
            return Some(Violation { rule: "component-failed", what: format!("`{}`: {failure}", text()) });
        }
        let endless = self.machine.depth(node) > MAX_CALLS;
        endless.then(|| Violation {
            rule: "endless",
            what: format!("`{}` has made {MAX_CALLS} calls and is not done", text()),
        })
    }

    /// A client gets its reply, and goes on.
    fn deliver(&mut self, stepped: &mut Stepped, client: u8, origin: Origin, reply: ReplyId) -> Result<(), Want> {
        stepped.told.reply = Some(reply);
        let Some(plan) = self.plan(origin) else { return Ok(()) };
        let intent = plan.intent.clone();
        let Some(reply) = self.machine.replies.get(reply).map(|reply| (**reply).clone()) else { return Ok(()) };
        let Some(of) = stepped.state.clients.get(usize::from(client)).cloned() else { return Ok(()) };
        let sight = self.sights_of(stepped.state.view).get(usize::from(intent.path)).copied();
        if let Some(sight) = sight {
            let cause = Cause { intent: &intent, flight: &of.flight };
            let met_fault = self.machine.met_fault(of.node);
            stepped.violation = self.judge_reply(&mut stepped.state, &cause, &reply, sight, met_fault);
        }
        if !self.machine.next(of.node).calls.is_empty() {
            // What goes on in the background is nobody's request any more.
            stepped.state.strays.push(Stray { origin, node: of.node, flight: of.flight });
        }
        self.go_on(&mut stepped.state, client, Some(&reply))
    }

    /// What a client does after a reply, or after none.
    fn go_on(&mut self, state: &mut State, client: u8, reply: Option<&RawReply>) -> Result<(), Want> {
        let Some(plan) = self.clients.get(usize::from(client)) else { return Ok(()) };
        let Some(of) = state.clients.get_mut(usize::from(client)) else { return Ok(()) };
        let is_again = reply.is_none_or(|reply| reply.status >= 500) && of.attempt + 1 < plan.tries;
        of.flight = Flight::default();
        if is_again {
            of.attempt += 1;
        } else {
            let is_lock =
                plan.steps.get(usize::from(of.at)).is_some_and(|step| matches!(step.intent.kind, Kind::Lock(_)));
            let is_granted = reply.is_some_and(|reply| reply.status == 200);
            of.attempt = 0;
            of.at += 1;
            if (is_lock && !is_granted) || usize::from(of.at) >= plan.steps.len() {
                (of.phase, of.node) = (Phase::Done, 0);
                of.at = u8::MAX;
                return Ok(());
            }
        }
        let request = plan
            .steps
            .get(usize::from(of.at))
            .and_then(|step| step.requests.get(usize::from(of.attempt)).or_else(|| step.requests.last()).copied());
        if let Some(request) = request {
            (of.phase, of.node) = (Phase::Ready, self.machine.root(plan.server, request)?);
        }
        Ok(())
    }

    fn lose_connection(&mut self, stepped: &mut Stepped, client: u8) -> Result<(), Want> {
        let Some(of) = stepped.state.clients.get(usize::from(client)).cloned() else { return Ok(()) };
        let origin = Origin { client, at: of.at, attempt: of.attempt };
        stepped.state.strays.push(Stray { origin, node: of.node, flight: of.flight });
        stepped.told = Told { origin: Some(origin), ..Told::default() };
        self.go_on(&mut stepped.state, client, None)
    }

    fn crash(&mut self, stepped: &mut Stepped, server: u16, late: Option<Actor>) -> Result<(), Want> {
        let state = &mut stepped.state;
        let written = match late {
            None => None,
            Some(Actor::Client(client)) => state
                .clients
                .get(usize::from(client))
                .map(|of| (Origin { client, at: of.at, attempt: of.attempt }, of.node, of.flight.clone())),
            Some(Actor::Stray(stray)) => {
                state.strays.get(usize::from(stray)).map(|of| (of.origin, of.node, of.flight.clone()))
            }
        };
        if let Some((origin, node, flight)) = written
            && let Some(call) = self.write_of(node).cloned()
        {
            state.late.push(Late { origin, call, flight });
            stepped.told.origin.get_or_insert(origin);
        }
        state.strays.retain(|stray| self.server_of(stray.origin.client) != server);
        if let Some(memory) = state.memories.get_mut(usize::from(server)) {
            memory.clear();
        }
        for client in 0..self.clients.len() {
            let Ok(client) = u8::try_from(client) else { continue };
            let is_there = self.server_of(client) == server
                && stepped.state.clients.get(usize::from(client)).is_some_and(|of| of.phase == Phase::Waiting);
            if is_there {
                self.go_on(&mut stepped.state, client, None)?;
            }
        }
        Ok(())
    }

    fn land(&mut self, stepped: &mut Stepped, late: u8) -> Result<(), Want> {
        if usize::from(late) >= stepped.state.late.len() {
            return Ok(());
        }
        let Late { origin, call, mut flight } = stepped.state.late.remove(usize::from(late));
        let answer = self.apply(stepped, origin, &call, &mut flight)?;
        stepped.told = Told { origin: Some(origin), call: Some(call), answer: Some(answer), ..Told::default() };
        Ok(())
    }
}

/// As [`tofu_state_store::Remembering`] does.
pub(crate) fn learn(memory: &mut Vec<(KeyId, u64, u32)>, lesson: Lesson) {
    let (key, seen) = match lesson {
        Lesson::Seen(key, revision, body) => {
            doubt(memory, key, revision);
            (key, Some((revision, body)))
        }
        Lesson::Written(key, revision, body) => (key, Some((revision, body))),
        Lesson::Absent(key) => {
            doubt(memory, key, 0);
            (key, None)
        }
        Lesson::Unknown(key) => (key, None),
    };
    let place = memory.binary_search_by_key(&key, |(key, _, _)| *key);
    match (place, seen) {
        (Ok(at), Some((revision, body))) => {
            if let Some(known) = memory.get_mut(at) {
                *known = (key, revision, body);
            }
        }
        (Err(at), Some((revision, body))) => memory.insert(at, (key, revision, body)),
        (Ok(at), None) => {
            memory.remove(at);
        }
        (Err(_), None) => {}
    }
}

/// A revision that went back means that nothing that was seen before is worth anything.
fn doubt(memory: &mut Vec<(KeyId, u64, u32)>, key: KeyId, revision: u64) {
    if memory.iter().any(|(known, seen, _)| *known == key && *seen > revision) {
        memory.clear();
    }
}
