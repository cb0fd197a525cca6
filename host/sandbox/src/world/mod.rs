//! The world of a scenario: servers, clients and the store, and what can happen in it next.

pub(crate) mod compile;
pub(crate) mod history;
pub(crate) mod invariants;
pub(crate) mod lens;
pub(crate) mod names;
pub(crate) mod reduction;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod story;
pub(crate) mod transition;

use rustc_hash::FxHashMap;

use self::history::Sight;
pub(crate) use self::names::Names;
use self::state::{Origin, Phase, State};
use crate::machine::execute::Prepared;
use crate::machine::{Machine, Wanted};
use crate::scenario::intent::Intent;
use crate::scenario::{FaultKind, Tolerated};
use crate::store::contents::Contents;

/// A client as the scenario says it.
pub(crate) struct ClientPlan {
    pub(crate) name: String,
    pub(crate) server: u16,
    pub(crate) steps: Vec<StepPlan>,
    /// Clients that must be done, or have had so many requests answered.
    pub(crate) after: Vec<(usize, Option<u8>)>,
    pub(crate) tries: u8,
}

/// A request of a client.
pub(crate) struct StepPlan {
    /// The request of each attempt.
    pub(crate) requests: Vec<u32>,
    pub(crate) intent: Intent,
}

/// See the module.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) names: Names,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) servers: Vec<String>,
    pub(crate) keep_versions: usize,
    pub(crate) lock_ttl: Option<u64>,
    pub(crate) fault_kinds: Vec<FaultKind>,
    pub(crate) tolerate: Vec<Tolerated>,
    /// A GET of each path, to look with.
    pub(crate) gets: Vec<Prepared>,
    views: FxHashMap<Contents, u32>,
    sights: Vec<Vec<Sight>>,
}

/// What has to be found out before a step can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// What a component does.
    Run(Wanted),
    /// What can be seen of these contents.
    Look(Contents),
}

impl From<Wanted> for Want {
    fn from(wanted: Wanted) -> Self {
        Self::Run(wanted)
    }
}

impl World {
    /// The view of contents that were looked at.
    pub(crate) fn view(&self, contents: &Contents) -> Result<u32, Want> {
        self.views.get(contents).copied().ok_or_else(|| Want::Look(contents.clone()))
    }

    /// What can be seen of each path in a view.
    pub(crate) fn sights_of(&self, view: u32) -> &[Sight] {
        self.sights.get(view as usize).map_or(&[], Vec::as_slice)
    }

    /// Finds out all of it, on all processors.
    pub(crate) fn find_out(&mut self, wants: &[Want]) {
        use rayon::prelude::*;
        let runs: Vec<Wanted> =
            wants.iter().filter_map(|want| if let Want::Run(run) = want { Some(run.clone()) } else { None }).collect();
        self.machine.execute(&runs);
        let looks: Vec<&Contents> = wants
            .iter()
            .filter_map(|want| if let Want::Look(contents) = want { Some(contents) } else { None })
            .collect();
        let (machine, gets) = (&self.machine, &self.gets);
        let looked: Vec<_> = looks.par_iter().map(|contents| lens::look(machine, gets, contents)).collect();
        self.machine.executions += (looks.len() * (self.gets.len() + 1)) as u64;
        for (contents, looked) in looks.into_iter().zip(looked) {
            let sights = self.sights(&looked);
            let number = u32::try_from(self.sights.len()).unwrap_or(u32::MAX);
            self.sights.push(sights);
            self.views.insert(contents.clone(), number);
        }
    }

    /// Does `work`, and finds out what it lacks until it lacks nothing.
    pub(crate) fn until_known<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Want>) -> T {
        loop {
            match work(self) {
                Ok(done) => return done,
                Err(want) => self.find_out(&[want]),
            }
        }
    }

    /// The request that an origin names.
    pub(crate) fn plan(&self, origin: Origin) -> Option<&StepPlan> {
        self.clients.get(usize::from(origin.client))?.steps.get(usize::from(origin.at))
    }

    /// The server of a client.
    pub(crate) fn server_of(&self, client: u8) -> u16 {
        self.clients.get(usize::from(client)).map_or(0, |client| client.server)
    }

    /// Whether the state's bytes are these.
    pub(crate) fn is_state(&self, state: u32, bytes: &bytes::Bytes) -> bool {
        self.names.state_bytes(state).is_some_and(|known| known == bytes)
    }

    /// Whether a client may begin.
    pub(crate) fn may_begin(&self, state: &State, client: usize) -> bool {
        let Some(plan) = self.clients.get(client) else { return false };
        plan.after.iter().all(|(other, answered)| {
            state.clients.get(*other).is_some_and(|other| {
                other.phase == Phase::Done || answered.is_some_and(|answered| other.at >= answered)
            })
        })
    }
}
