//! Partial-order reduction: which requests have nothing to do with which.
//!
//! The order in which two calls are made matters only if they are about the same state, and one of them may write.
//! So those who are under way fall into groups, such that nobody in one group will ever do anything that matters in
//! another; every schedule comes to the same as one in which one group's steps are made first. Only that group's steps
//! have to be tried then: they are a persistent set, and as no step can be undone, nothing is put off for ever.
//!
//! While a fault may still happen, all belong together: it can be spent in one group only.

use super::World;
use super::state::{Origin, Phase, State};
use super::transition::{Actor, Transition};
use crate::scenario::intent::{Intent, Kind, PathId};

/// Somebody who has something left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Somebody {
    Client(u8),
    Stray(u8),
    Late(u8),
}

/// What somebody may still touch.
struct Touching {
    who: Somebody,
    /// The paths, and whether they may be written.
    paths: Vec<(PathId, bool)>,
    group: usize,
}

impl World {
    /// Leaves out steps that need not be tried in this state, because others may be made before them.
    pub(crate) fn reduced(&self, state: &State, mut transitions: Vec<Transition>) -> Vec<Transition> {
        if state.faults > 0 && !self.fault_kinds.is_empty() {
            return transitions;
        }
        let Some(first) = transitions.first().and_then(|transition| who(*transition)) else { return transitions };
        let all = self.grouped(state);
        let group = |who: Somebody| all.iter().find(|other| other.who == who).map(|other| other.group);
        let Some(chosen) = group(first) else { return transitions };
        transitions.retain(|transition| who(*transition).and_then(group).is_none_or(|group| group == chosen));
        transitions
    }

    /// All who have something left to do, in groups.
    fn grouped(&self, state: &State) -> Vec<Touching> {
        let mut all = self.all_touching(state);
        for one in 0..all.len() {
            for other in 0..one {
                let (Some(this), Some(that)) = (all.get(one), all.get(other)) else { continue };
                let (old, new) = (this.group, that.group);
                if old != new && (meet(&this.paths, &that.paths) || self.waits(this.who, that.who)) {
                    all.iter_mut().filter(|touching| touching.group == old).for_each(|touching| touching.group = new);
                }
            }
        }
        all
    }

    fn all_touching(&self, state: &State) -> Vec<Touching> {
        let mut all = Vec::new();
        let mut push = |who, paths| {
            let group = all.len();
            all.push(Touching { who, paths, group });
        };
        for (client, (of, plan)) in state.clients.iter().zip(&self.clients).enumerate() {
            if of.phase == Phase::Done {
                continue;
            }
            let left = plan.steps.iter().skip(usize::from(of.at));
            push(Somebody::Client(small(client)), left.map(|step| touched(&step.intent)).collect());
        }
        let of = |origin: Origin| self.plan(origin).map(|plan| touched(&plan.intent)).into_iter().collect();
        for (stray, origin) in state.strays.iter().map(|stray| stray.origin).enumerate() {
            push(Somebody::Stray(small(stray)), of(origin));
        }
        for (late, origin) in state.late.iter().map(|late| late.origin).enumerate() {
            push(Somebody::Late(small(late)), of(origin));
        }
        all
    }

    /// Whether one of two clients waits for the other, or may.
    fn waits(&self, one: Somebody, other: Somebody) -> bool {
        let (Somebody::Client(one), Somebody::Client(other)) = (one, other) else { return false };
        let waits = |who: u8, whom: u8| {
            let plan = self.clients.get(usize::from(who));
            plan.is_some_and(|plan| plan.after.iter().any(|(before, _)| *before == usize::from(whom)))
        };
        waits(one, other) || waits(other, one)
    }
}

fn touched(intent: &Intent) -> (PathId, bool) {
    (intent.path, intent.kind != Kind::Get)
}

fn meet(these: &[(PathId, bool)], those: &[(PathId, bool)]) -> bool {
    these.iter().any(|(path, writes)| those.iter().any(|(other, written)| path == other && (*writes || *written)))
}

fn who(transition: Transition) -> Option<Somebody> {
    match transition {
        Transition::Start(client)
        | Transition::LoseConnection(client)
        | Transition::Call { actor: Actor::Client(client), .. } => Some(Somebody::Client(client)),
        Transition::Call { actor: Actor::Stray(stray), .. } => Some(Somebody::Stray(stray)),
        Transition::Land(late) => Some(Somebody::Late(late)),
        Transition::Crash { .. } => None,
    }
}

/// There are at most 32 clients, and of the others no more than steps.
fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
