//! A schedule made again, step by step, and told.

use super::World;
use super::invariants::Violation;
use super::state::{Origin, State};
use super::step::{Stepped, Told};
use super::transition::{Actor, CallFault, Transition};
use crate::report::{Diagram, Row, describe};

/// A schedule that was made again.
pub(crate) struct Story {
    pub(crate) diagram: Diagram,
    /// The rule that was broken, and how many steps it took.
    pub(crate) violation: Option<(Violation, usize)>,
    /// A step that could not be made, counted from 1: the component did something else before.
    pub(crate) parted_at: Option<usize>,
}

impl World {
    /// Makes the steps of a schedule, until one breaks a rule or cannot be made.
    pub(crate) fn story(&mut self, beginning: State, schedule: &[Transition]) -> Story {
        let mut lanes: Vec<String> = self.clients.iter().map(|client| client.name.clone()).collect();
        lanes.extend(self.servers.iter().map(|server| format!("server {server}")));
        lanes.push("store".to_owned());
        let mut story = Story { diagram: Diagram { lanes, ..Diagram::default() }, violation: None, parted_at: None };
        let mut state = beginning;
        for (number, transition) in schedule.iter().enumerate() {
            if !self.transitions(&state).contains(transition) {
                story.parted_at = Some(number + 1);
                return story;
            }
            let Stepped { state: next, violation, told } = self.until_known(|world| world.step(&state, *transition));
            self.tell(&mut story.diagram.rows, &state, *transition, &told);
            state = next;
            if let Some(violation) = violation {
                story.diagram.rows.push(Row::Broken(violation.what.clone()));
                story.violation = Some((violation, number + 1));
                return story;
            }
        }
        if self.transitions(&state).is_empty()
            && let Some(violation) = self.unfinished(&state)
        {
            story.diagram.rows.push(Row::Broken(violation.what.clone()));
            story.violation = Some((violation, schedule.len()));
        }
        story
    }

    /// The schedule without all that it does not need to break this rule.
    pub(crate) fn shortened(
        &mut self,
        beginning: &State,
        mut schedule: Vec<Transition>,
        rule: &'static str,
    ) -> Vec<Transition> {
        let breaks = |world: &mut Self, schedule: &[Transition]| {
            let Story { violation, parted_at, .. } = world.story(beginning.clone(), schedule);
            violation.filter(|(violation, _)| violation.rule == rule && parted_at.is_none()).map(|(_, steps)| steps)
        };
        // Without one client altogether, then without single steps.
        for client in 0..self.clients.len() {
            let is_its = |transition: &Transition| match transition {
                Transition::Start(whose)
                | Transition::LoseConnection(whose)
                | Transition::Call { actor: Actor::Client(whose), .. } => usize::from(*whose) == client,
                _ => false,
            };
            let without: Vec<_> = schedule.iter().filter(|step| !is_its(step)).copied().collect();
            if without.len() < schedule.len() && breaks(self, &without).is_some() {
                schedule = without;
            }
        }
        for step in (0..schedule.len()).rev() {
            let mut without = schedule.clone();
            if step >= without.len() {
                continue;
            }
            without.remove(step);
            if let Some(steps) = breaks(self, &without) {
                without.truncate(steps);
                schedule = without;
            }
        }
        schedule
    }

    fn tell(&self, rows: &mut Vec<Row>, before: &State, transition: Transition, told: &Told) {
        let server_lane = |server: u16| self.clients.len() + usize::from(server);
        let store = self.clients.len() + self.servers.len();
        match transition {
            Transition::LoseConnection(client) => {
                let text = "loses its connection".to_owned();
                rows.push(Row::Note { lane: usize::from(client), text, fault: true });
            }
            Transition::Crash { server, late } => {
                let late = late.and_then(|actor| self.origin_of(before, actor));
                let late = late.map(|origin| format!(", a write of {} is on its way", self.whose(origin)));
                let text = format!("dies{}", late.unwrap_or_default());
                rows.push(Row::Note { lane: server_lane(server), text, fault: true });
            }
            Transition::Start(_) | Transition::Call { .. } | Transition::Land(_) => {}
        }
        let Some(origin) = told.origin else { return };
        let (client, server) = (usize::from(origin.client), server_lane(self.server_of(origin.client)));
        if told.begins {
            let text = self.plan(origin).map(|plan| plan.intent.text.clone()).unwrap_or_default();
            rows.push(Row::Message { from: client, to: server, text, fault: false });
        }
        let fault = if let Transition::Call { fault, .. } = transition { fault } else { None };
        if let (Some(call), Some(answer)) = (&told.call, &told.answer) {
            let tables = &self.machine.tables;
            let came = match (fault, transition) {
                (Some(CallFault::Lost), _) => "done, and no answer".to_owned(),
                (Some(CallFault::Repeated), _) => "done, and repeated by the driver: conflict".to_owned(),
                (_, Transition::Land(_)) => format!("late: {}", describe::answer(tables, answer)),
                _ => describe::answer(tables, answer),
            };
            let whose = match transition {
                Transition::Call { actor: Actor::Stray(_), .. } => format!("{}, in the background", self.whose(origin)),
                _ => self.whose(origin),
            };
            let text = format!("{whose}: {} → {came}", describe::call(tables, call));
            let fault = fault.is_some_and(|fault| fault != CallFault::Crash);
            rows.push(Row::Message { from: server, to: store, text, fault });
        }
        if fault == Some(CallFault::Crash) {
            rows.push(Row::Note { lane: server, text: "dies".to_owned(), fault: true });
        }
        if let Some(reply) = told.reply.and_then(|reply| self.machine.replies.get(reply)) {
            rows.push(Row::Message { from: server, to: client, text: describe::reply(reply), fault: false });
        }
    }

    fn origin_of(&self, state: &State, actor: Actor) -> Option<Origin> {
        match actor {
            Actor::Client(client) => {
                let of = state.clients.get(usize::from(client))?;
                Some(Origin { client, at: of.at, attempt: of.attempt })
            }
            Actor::Stray(stray) => state.strays.get(usize::from(stray)).map(|stray| stray.origin),
        }
    }

    fn whose(&self, origin: Origin) -> String {
        self.clients.get(usize::from(origin.client)).map_or_else(String::new, |client| client.name.clone())
    }
}
