//! Any sequence of operations by several clients, against a simple model of what must come out.

use proptest::prelude::*;

use super::scripted::Scripted;
use super::server::{LOCK, STATE, Server, state};
use crate::policies::Needs;

#[derive(Clone, Debug)]
enum Step {
    Lock(u8),
    Unlock(u8),
    Break,
    BreakById(u8),
    /// By a client, with its own lock ID or without any; the serial grows by this much.
    Post {
        client: u8,
        with_id: bool,
        more: u8,
    },
    Delete {
        client: u8,
        with_id: bool,
    },
    Get,
    /// The client comes back with a new lock ID, as a new run does.
    NewRun(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0u8..3;
    let step = prop_oneof![
        3 => client.clone().prop_map(Step::Lock),
        2 => client.clone().prop_map(Step::Unlock),
        1 => Just(Step::Break),
        1 => client.clone().prop_map(Step::BreakById),
        4 => (client.clone(), any::<bool>(), 0u8..3).prop_map(|(client, with_id, more)| Step::Post { client, with_id, more }),
        1 => (client.clone(), any::<bool>()).prop_map(|(client, with_id)| Step::Delete { client, with_id }),
        2 => Just(Step::Get),
        2 => client.prop_map(Step::NewRun),
    ];
    prop::collection::vec(step, 1..60)
}

/// What the protocol promises when requests come one after another.
#[derive(Default)]
struct Model {
    runs: [u32; 3],
    holder: Option<String>,
    released: Vec<String>,
    broken: Vec<String>,
    state: Option<String>,
    /// Serial and lock ID of the last write or deletion.
    last: Option<(Option<u64>, Option<String>)>,
    serial: u64,
}

impl Model {
    fn id(&self, client: u8) -> String {
        format!("c{client}-{}", self.runs[usize::from(client)])
    }

    /// The lock is free; its ID is remembered.
    fn release(&mut self, broken: bool) {
        if let Some(holder) = self.holder.take() {
            let gone = if broken { &mut self.broken } else { &mut self.released };
            gone.push(holder);
            let forget = gone.len().saturating_sub(8);
            gone.drain(..forget);
        }
    }

    /// Whether a change with this lock ID passes the lock.
    fn passes(&self, id: Option<&String>) -> bool {
        self.holder.as_ref() == id
    }
}

fn run(server: &Server, model: &mut Model, step: &Step) {
    match step {
        Step::NewRun(client) => model.runs[usize::from(*client)] += 1,
        Step::Lock(client) => {
            let id = model.id(*client);
            let expected = match &model.holder {
                Some(holder) if *holder == id => 200,
                Some(_) => 409,
                None if model.released.contains(&id) || model.broken.contains(&id) => 409,
                None => 200,
            };
            let answer = server.lock(&id);
            assert_eq!(answer.status, expected, "LOCK {id}");
            if expected == 200 {
                model.holder = Some(id);
            } else if let Some(holder) = &model.holder {
                assert_eq!(answer.json()["ID"], holder.as_str());
            }
        }
        Step::Unlock(client) | Step::BreakById(client) => {
            let id = model.id(*client);
            let answer =
                if matches!(step, Step::Unlock(_)) { server.unlock(&id) } else { server.force_unlock_by_id(&id) };
            let others = model.holder.as_ref().is_some_and(|holder| *holder != id);
            let expected = if others && !model.released.contains(&id) { 409 } else { 200 };
            assert_eq!(answer.status, expected, "UNLOCK {id}");
            if !others {
                model.release(matches!(step, Step::BreakById(_)));
            }
        }
        Step::Break => {
            assert_eq!(server.force_unlock().status, 200);
            model.release(true);
        }
        Step::Post { client, with_id, more } => {
            let id = with_id.then(|| model.id(*client));
            let serial = model.serial + u64::from(*more);
            let content = state(serial, &format!("w{client}"));
            let same = model.state.as_ref() == Some(&content);
            let older = matches!(&model.last, Some((Some(last), by)) if by.is_some() && *by == id && serial <= *last);
            let expected = if model.passes(id.as_ref()) && (same || !older) { 200 } else { 409 };
            let before = server.store.revision(STATE);
            assert_eq!(server.post(id.as_deref(), &content).status, expected, "POST {id:?} {serial}");
            let written = expected == 200 && !same;
            // Without an ID, a broken lock is fenced first.
            let fenced = u64::from(id.is_none());
            let revisions = before + u64::from(written)..=before + u64::from(written) + fenced;
            assert!(revisions.contains(&server.store.revision(STATE)));
            if written {
                model.serial = serial;
                model.state = Some(content);
                model.last = Some((Some(serial), id));
            }
        }
        Step::Delete { client, with_id } => {
            let id = with_id.then(|| model.id(*client));
            let expected = if model.passes(id.as_ref()) { 200 } else { 409 };
            assert_eq!(server.delete(id.as_deref()).status, expected, "DELETE {id:?}");
            if expected == 200 && model.state.take().is_some() {
                model.last = Some((Some(model.serial), id));
            }
        }
        Step::Get => assert_eq!(server.content(), model.state),
    }
    assert_eq!(server.content(), model.state, "after {step:?}");
}

proptest! {
    /// Also where policies are asked that allow everything, whatever they need.
    #[test]
    fn any_sequence_keeps_to_the_model(steps in steps(), review in any::<bool>(), current in any::<bool>(), content in any::<bool>()) {
        let server = Server::new().judged_by(&Scripted::allowing(Needs { review, current, content }));
        let mut model = Model::default();
        for step in &steps {
            let before = (server.store.revision(STATE), server.store.revision(LOCK));
            run(&server, &mut model, step);
            let after = (server.store.revision(STATE), server.store.revision(LOCK));
            prop_assert!(after.0 >= before.0 && after.1 >= before.1, "revisions never go back");
        }
    }

    /// Two requests at one moment: one of them comes entirely between any two store calls of the other.
    /// Whatever happens, at most one client holds the lock, and what was acknowledged is there.
    #[test]
    fn a_request_between_two_calls_of_another_is_safe(
        prelude in steps(), put in any::<bool>(), on_lock in any::<bool>(), between in 0u8..4, word in 0u8..2,
    ) {
        let server = Server::new();
        let mut model = Model::default();
        for step in &prelude {
            run(&server, &mut model, step);
        }
        let operation = if put { super::simulated::Operation::Put } else { super::simulated::Operation::Get };
        let key = if on_lock { LOCK } else { STATE };
        let holder = model.holder.clone();
        let serial = model.serial + 10;
        let outcome = std::rc::Rc::new(std::cell::RefCell::new(None));
        let seen = std::rc::Rc::clone(&outcome);
        let his = holder.clone();
        server.store.before(operation, key, 0, move |store| {
            let other = Server::over(store);
            let answer = match between {
                0 => other.force_unlock(),
                1 => other.lock("intruder"),
                2 => other.post(his.as_deref(), &state(serial + 5, "intruder")),
                _ => other.unlock(his.as_deref().unwrap_or("nobody")),
            };
            *seen.borrow_mut() = Some((answer.status, other.content(), other.store.revision(STATE)));
        });
        let id = if word == 0 { holder } else { None };
        let mine = state(serial, "mine");
        let posted = server.post(id.as_deref(), &mine).status;
        server.store.forget_steps();
        let between_outcome = outcome.borrow().clone();
        let now = server.content();
        if posted == 200 {
            prop_assert_eq!(now.as_ref(), Some(&mine), "an acknowledged write is there");
        }
        if let Some((status, content, _)) = between_outcome {
            if between == 0 && status == 200 && id.is_some() && content.as_ref() != Some(&mine) {
                prop_assert_eq!(posted, 409, "nobody writes under a lock whose break was acknowledged");
                prop_assert_eq!(&now, &content);
            }
            if between == 2 && status == 200 && posted != 200 {
                prop_assert_eq!(now, Some(state(serial + 5, "intruder")), "an acknowledged write is not lost");
            }
        }
    }
}
