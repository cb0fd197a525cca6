//! Requests one after the other, with faults at chosen calls.

use crate::machine::execute::RawReply;
use crate::scenario::intent::{Intent, Kind, LockId};
use crate::scenario::{FullStep, Scenario, ScenarioError, StepFault, StepFaultKind, request};
use crate::store::contents::{self, Contents};
use crate::store::{Answer, Call, Failed, Lesson};
use crate::world::history::Gone;
use crate::world::step::learn;
use crate::world::{Want, World};

/// More calls than any request needs.
const MAX_CALLS: usize = 1000;

/// The store while steps are made.
pub(crate) struct Performing {
    pub(crate) contents: Contents,
    memories: Vec<Vec<(u32, u64, u32)>>,
    /// Seconds that latency took.
    later: u64,
    /// What was done, for whoever goes on from here.
    pub(crate) done: Vec<Intent>,
    /// The locks that were released or broken.
    pub(crate) gone: Vec<(LockId, Gone)>,
}

/// What came of a step.
pub(crate) struct Performed {
    pub(crate) intent: Option<Intent>,
    /// None: the server died, or nothing was asked.
    pub(crate) reply: Option<RawReply>,
    pub(crate) calls: Vec<(Call, Answer)>,
    pub(crate) failure: Option<String>,
}

impl Performing {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            contents: Contents::default(),
            memories: vec![Vec::new(); scenario.servers.len()],
            later: 0,
            done: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Takes one step to its end, with what it does in the background.
    pub(crate) fn perform(
        &mut self,
        world: &mut World,
        scenario: &Scenario,
        step: &FullStep,
    ) -> Result<Performed, ScenarioError> {
        if step.remove_in_store.is_some() || step.destroy_in_store.is_some() {
            return self.by_hand(world, step);
        }
        let server = match &step.server {
            None => 0,
            Some(name) => scenario
                .servers
                .iter()
                .position(|server| server == name)
                .ok_or_else(|| ScenarioError(format!("there is no server {name:?} among `servers`")))?,
        };
        let made = request::make(scenario, step, &mut world.names, self.later)?;
        let request = world.machine.add(made.prepared);
        let performed = self.answer(world, server, request, made.intent, &step.faults);
        self.note(&performed);
        Ok(performed)
    }

    fn by_hand(&mut self, world: &mut World, step: &FullStep) -> Result<Performed, ScenarioError> {
        let number = |world: &mut World, text: &str| {
            let key = contents::key(text).ok_or_else(|| ScenarioError(format!("{text:?} is no key")))?;
            Ok(world.machine.tables.keys.number(key))
        };
        if let Some(text) = &step.remove_in_store {
            let key = number(world, text)?;
            self.contents = self.contents.remove_in_store(&mut world.machine.tables, key);
        }
        if let Some(text) = &step.destroy_in_store {
            let key = number(world, text)?;
            let (_, changed) = self.contents.answer(&mut world.machine.tables, &Call::Delete(key), 1);
            self.contents = changed.unwrap_or_else(|| self.contents.clone());
        }
        Ok(Performed { intent: None, reply: None, calls: Vec::new(), failure: None })
    }

    fn answer(
        &mut self,
        world: &mut World,
        server: usize,
        request: u32,
        intent: Intent,
        faults: &[StepFault],
    ) -> Performed {
        let of = u16::try_from(server).unwrap_or(0);
        let mut node = world.until_known(|world| Ok(world.machine.root(of, request)?));
        let (mut calls, mut reply, mut failure) = (Vec::new(), None, None);
        let mut crashed = false;
        loop {
            let memory = self.memories.get(server).cloned().unwrap_or_default();
            let next = world.machine.next(node);
            let mut memory = memory;
            next.lessons.iter().for_each(|lesson: &Lesson| learn(&mut memory, *lesson));
            failure = failure.or_else(|| next.failure.as_ref().map(|failure| failure.to_string()));
            reply = reply.or(next.reply);
            let asked = next.asked;
            let call = next.calls.first().cloned();
            if let Some(place) = self.memories.get_mut(server) {
                *place = memory.clone();
            }
            let (number, answer) = match (asked, call) {
                (Some((number, key)), _) => {
                    let seen = memory.iter().find(|(known, _, _)| *known == key);
                    (number, Answer::Recalled(seen.map(|(_, revision, body)| (*revision, *body))))
                }
                (None, Some((number, call))) => {
                    let fault = faults.iter().find(|fault| usize::from(fault.call) == calls.len() + 1);
                    let answer = self.call(world, &call, fault);
                    calls.push((call, answer.clone()));
                    if fault.is_some_and(|fault| fault.kind == StepFaultKind::Crash) {
                        crashed = true;
                    }
                    (number, answer)
                }
                (None, None) => break,
            };
            if crashed {
                if let Some(memory) = self.memories.get_mut(server) {
                    memory.clear();
                }
                break;
            }
            if calls.len() >= MAX_CALLS {
                failure = failure.or_else(|| Some(format!("it has made {MAX_CALLS} calls and is not done")));
                break;
            }
            node = world.until_known(|world| Ok::<_, Want>(world.machine.child(node, number, &answer)?));
        }
        let reply = reply.filter(|_| !crashed).and_then(|reply| world.machine.replies.get(reply));
        Performed { intent: Some(intent), reply: reply.map(|reply| (**reply).clone()), calls, failure }
    }

    fn call(&mut self, world: &mut World, call: &Call, fault: Option<&StepFault>) -> Answer {
        match fault.map(|fault| fault.kind) {
            Some(StepFaultKind::Conflict) => return Answer::Conflict,
            Some(StepFaultKind::Unavailable) => return Answer::Failed(Failed::Unavailable),
            Some(StepFaultKind::Denied) => return Answer::Failed(Failed::Denied),
            Some(StepFaultKind::Timeout) => return Answer::Failed(Failed::Timeout),
            Some(StepFaultKind::Latency) => {
                self.later += fault.and_then(|fault| fault.seconds).unwrap_or(1);
            }
            Some(StepFaultKind::LostAcknowledgement | StepFaultKind::Crash) | None => {}
        }
        let keep = world.keep_versions;
        let (answer, changed) = self.contents.answer(&mut world.machine.tables, call, keep);
        if let Some(changed) = changed {
            self.contents = changed;
        }
        if fault.is_some_and(|fault| fault.kind == StepFaultKind::LostAcknowledgement) {
            return Answer::Failed(Failed::Timeout);
        }
        answer
    }

    /// Keeps what invariants want to know of what was done.
    fn note(&mut self, performed: &Performed) {
        let (Some(intent), Some(reply)) = (&performed.intent, &performed.reply) else { return };
        if reply.status != 200 {
            return;
        }
        self.done.push(intent.clone());
        let gone = match intent.kind {
            Kind::Unlock(id) => Some((id, false)),
            Kind::Break(Some(id)) => Some((id, true)),
            _ => None,
        };
        if let Some((id, broken)) = gone {
            self.gone.retain(|(known, _)| *known != id);
            self.gone.push((id, Gone { told: true, broken, path: intent.path }));
            self.gone.sort_by_key(|(id, _)| *id);
        }
    }
}
