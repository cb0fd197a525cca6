//! From a scenario to its world, and to the state that it begins in.

use std::time::Duration;

use super::history::{Holder, Past, Visible};
use super::state::{Client, Phase, State};
use super::{ClientPlan, Names, StepPlan, World};
use crate::machine::Machine;
use crate::machine::execute::{Laying, Serving};
use crate::run::perform::Performing;
use crate::scenario::intent::Kind;
use crate::scenario::{FullStep, Scenario, ScenarioError, request};
use crate::world::history::History;

fn wrong<T>(what: String) -> Result<T, ScenarioError> {
    Err(ScenarioError(what))
}

impl World {
    /// The world of a scenario, and the state after its set-up. `servings` holds what each server runs; where there
    /// are fewer than servers, the last one is run by the rest.
    pub(crate) fn of(scenario: &Scenario, servings: &[Serving]) -> Result<(Self, State), ScenarioError> {
        let (mut world, performed) = Self::set_up(scenario, servings)?;
        let state = world.beginning(scenario, performed)?;
        Ok((world, state))
    }

    /// The world of a scenario, and its store after the set-up.
    pub(crate) fn set_up(scenario: &Scenario, servings: &[Serving]) -> Result<(Self, Performing), ScenarioError> {
        let Some(last) = servings.last() else { return wrong("there is no component".to_owned()) };
        if scenario.servers.is_empty() {
            return wrong("`servers` is empty: name at least one".to_owned());
        }
        let all = servings.iter().chain(std::iter::repeat(last)).take(scenario.servers.len()).cloned().collect();
        let laying = Laying {
            entry_bytes: scenario.store.entry_bytes,
            garbage_age: Duration::from_secs(scenario.store.garbage_age),
            remembers: scenario.store.remembers,
        };
        let mut names = Names::default();
        names.path(&scenario.path)?;
        let mut world = Self {
            machine: Machine::new(all, laying),
            names,
            clients: Vec::new(),
            servers: scenario.servers.clone(),
            keep_versions: scenario.store.keep_versions.max(1),
            lock_ttl: scenario.settings.lock_ttl.map(|seconds| seconds.saturating_mul(1000)),
            fault_kinds: scenario.faults.kinds.clone(),
            tolerate: scenario.tolerate.clone(),
            gets: Vec::new(),
            views: rustc_hash::FxHashMap::default(),
            sights: Vec::new(),
        };
        for client in &scenario.clients {
            let plan = world.plan_client(scenario, client)?;
            world.clients.push(plan);
        }
        world.check_names()?;
        let mut performing = Performing::new(scenario);
        for step in &scenario.setup {
            performing.perform(&mut world, scenario, &step.full())?;
        }
        for step in &scenario.steps {
            step.full().path.iter().try_for_each(|path| world.names.path(path).map(drop))?;
        }
        world.look_with(scenario)?;
        Ok((world, performing))
    }

    /// Makes the requests that the world is looked at with.
    pub(crate) fn look_with(&mut self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let paths: Vec<String> = self.names.paths().map(|(_, path)| path.to_owned()).collect();
        self.gets.clear();
        for path in paths {
            let step = FullStep { request: Some("GET".to_owned()), path: Some(path), ..FullStep::default() };
            self.gets.push(request::make(scenario, &step, &mut self.names, 0)?.prepared);
        }
        Ok(())
    }

    fn plan_client(
        &mut self,
        scenario: &Scenario,
        client: &crate::scenario::Client,
    ) -> Result<ClientPlan, ScenarioError> {
        let named = |what: String| ScenarioError(format!("client {:?}: {what}", client.name));
        let server = match &client.server {
            None => 0,
            Some(name) => scenario
                .servers
                .iter()
                .position(|server| server == name)
                .ok_or_else(|| named(format!("there is no server {name:?} among `servers`")))?,
        };
        let tries = client.tries.max(1);
        if client.requests.is_empty() || client.requests.len() > 64 {
            return Err(named("it has to make 1 to 64 requests".to_owned()));
        }
        let mut steps = Vec::new();
        for step in &client.requests {
            let full = step.full();
            if full.expect.is_some() || !full.faults.is_empty() || full.server.is_some() {
                return Err(named(
                    "`expect`, `faults` and `server` belong to steps, not to clients' requests".to_owned(),
                ));
            }
            let made = request::make(scenario, &full, &mut self.names, 0).map_err(|error| named(error.0))?;
            // Only chunk sets tell one attempt from another.
            let copies = if scenario.store.entry_bytes.is_some() { tries } else { 1 };
            let requests = (0..copies).map(|_| self.machine.add(made.prepared.clone())).collect();
            steps.push(StepPlan { requests, intent: made.intent });
        }
        let mut after = Vec::new();
        for text in &client.after {
            let (name, answered) = match text.split_once(':') {
                None => (text.as_str(), None),
                Some((name, number)) => {
                    let number = number
                        .parse()
                        .map_err(|_| named(format!("`after = [{text:?}]`: write \"NAME\" or \"NAME:2\"")))?;
                    (name, Some(number))
                }
            };
            let other = scenario.clients.iter().position(|client| client.name == name);
            after.push((other.ok_or_else(|| named(format!("`after` names {name:?}, which is no client")))?, answered));
        }
        Ok(ClientPlan { name: client.name.clone(), server: u16::try_from(server).unwrap_or(0), steps, after, tries })
    }

    fn check_names(&self) -> Result<(), ScenarioError> {
        for (at, client) in self.clients.iter().enumerate() {
            if self.clients.iter().skip(at + 1).any(|other| other.name == client.name) {
                return wrong(format!("two clients are called {:?}", client.name));
            }
        }
        if self.clients.len() > 32 {
            return wrong("more than 32 clients".to_owned());
        }
        Ok(())
    }

    fn beginning(&mut self, scenario: &Scenario, performed: Performing) -> Result<State, ScenarioError> {
        let contents = performed.contents;
        let view = self.until_known(|world| world.view(&contents));
        let mut history = History { paths: vec![Past::default(); self.sights_of(view).len()], gone: performed.gone };
        for done in &performed.done {
            let Some(sight) = self.sights_of(view).get(usize::from(done.path)).copied() else { continue };
            let Some(past) = history.paths.get_mut(usize::from(done.path)) else { continue };
            match done.kind {
                Kind::Lock(id) if sight.holder == Holder::Held(id) => past.life = done.received,
                Kind::Post { lock, serial, state } if sight.state == Visible::State(state) => {
                    (past.by, past.told) = (lock.zip(Some(serial)), true);
                    if lock.is_some() {
                        past.life = done.received;
                    }
                }
                _ => {}
            }
        }
        let mut clients = Vec::new();
        for client in 0..self.clients.len() {
            let root = self.until_known(|world| {
                let plan = world.clients.get(client);
                let request = plan.and_then(|plan| Some((plan.server, *plan.steps.first()?.requests.first()?)));
                match request {
                    Some((server, request)) => Ok(world.machine.root(server, request)?),
                    None => Ok(0),
                }
            });
            clients.push(Client {
                at: 0,
                attempt: 0,
                phase: Phase::Ready,
                node: root,
                flight: super::history::Flight::default(),
            });
        }
        Ok(State {
            contents,
            view,
            clients,
            strays: Vec::new(),
            late: Vec::new(),
            memories: vec![Vec::new(); self.servers.len()],
            history,
            faults: scenario.faults.up_to,
        })
    }
}
