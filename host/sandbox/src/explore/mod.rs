//! The search: every schedule, each state once, the shortest way to a violation first.
//!
//! States are visited in the order of how many steps lead to them. What the steps of a whole level lack (what a
//! component does with an answer that it never got before) is found out at once, on all processors; taking steps is
//! a matter of tables. Nothing depends on time or on the number of processors.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::replay::Replay;
use crate::report::Diagram;
use crate::world::invariants::Violation;
use crate::world::state::State;
use crate::world::step::Stepped;
use crate::world::transition::Transition;
use crate::world::{Want, World};

/// Where to stop. What is left then is told.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// States to visit at most.
    pub states: Option<u64>,
    /// How long to search at most. What is found until then depends on the machine; nothing else does.
    pub time: Option<Duration>,
    /// Schedules to cover at most.
    pub schedules: Option<u128>,
    /// Every order is tried, also of calls that have nothing to do with each other.
    pub every_order: bool,
}

/// How far a search is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// States that were visited.
    pub states: u64,
    /// Steps that were taken between them.
    pub transitions: u64,
    /// Instances that were executed.
    pub executions: u64,
    /// States that wait.
    pub waiting: u64,
    /// Steps that lead to those.
    pub depth: u32,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Nothing was left out.
    pub complete: bool,
    /// Why something was left out.
    pub stopped_by: Option<&'static str>,
    /// Different states.
    pub states: u64,
    /// Steps between them.
    pub transitions: u64,
    /// Instances that were executed.
    pub executions: u64,
    /// Different schedules from the beginning to an end. Of a search that was stopped, those that it saw end.
    pub schedules: u128,
    /// The most steps of a schedule.
    pub longest: u32,
    /// States that were found, and from which the search did not go on.
    pub waiting: u64,
    /// How long it took.
    pub time: Duration,
    /// For how long of that instances were executed; the rest is steps between states.
    pub executing: Duration,
    /// The shortest schedule that breaks a rule.
    pub counterexample: Option<Counterexample>,
}

/// A schedule that breaks a rule.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The rule.
    pub violation: Violation,
    /// What happens.
    pub diagram: Diagram,
    /// To make it again.
    pub replay: Replay,
}

impl Counterexample {
    /// How many steps it has. None of them can be left out.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.replay.steps()
    }
}

/// What a search found, before it is told.
pub(crate) struct Found {
    pub(crate) explored: Explored,
    pub(crate) world: World,
    /// The shortest schedule that breaks a rule.
    pub(crate) broken: Option<(Violation, Vec<Transition>)>,
}

/// How a state was reached first.
#[derive(Clone, Copy)]
struct Reached {
    from: u32,
    by: Transition,
}

struct Search {
    numbers: FxHashMap<u128, u32>,
    reached: Vec<Reached>,
    /// The states that follow each state, in the order in which states were visited.
    edges: Vec<u32>,
    edge_ends: Vec<(u32, usize)>,
    ends: Vec<u32>,
}

/// States between two reports of how far it is.
const TOLD_EVERY: usize = 4096;

const NONE: u32 = u32::MAX;

fn fingerprint(state: &State) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Everything that can follow a state.
enum Expansion {
    Steps(Vec<(Transition, Stepped)>),
    Lacks(Vec<Want>),
}

fn expand(world: &mut World, state: &State, reduce: bool) -> Expansion {
    let mut transitions = world.transitions(state);
    if reduce {
        transitions = world.reduced(state, transitions);
    }
    let (mut steps, mut wants) = (Vec::with_capacity(transitions.len()), Vec::new());
    for transition in transitions {
        match world.step(state, transition) {
            Ok(stepped) => steps.push((transition, stepped)),
            Err(want) => wants.push(want),
        }
    }
    if wants.is_empty() { Expansion::Steps(steps) } else { Expansion::Lacks(wants) }
}

/// Searches all that follows from `beginning`.
pub(crate) fn explore(
    mut world: World,
    beginning: State,
    bounds: &Bounds,
    mut progress: impl FnMut(&Progress),
) -> Found {
    let began = Instant::now();
    let mut search = Search {
        numbers: FxHashMap::default(),
        reached: vec![Reached { from: NONE, by: Transition::Land(0) }],
        edges: Vec::new(),
        edge_ends: Vec::new(),
        ends: Vec::new(),
    };
    search.numbers.insert(fingerprint(&beginning), 0);
    let mut executing = Duration::ZERO;
    let mut level = vec![(0_u32, beginning)];
    let (mut depth, mut stopped_by, mut broken) = (0_u32, None, None);
    'search: while !level.is_empty() {
        let mut following = Vec::new();
        let mut todo = level;
        while !todo.is_empty() {
            let (mut left, mut wants, mut known) = (Vec::new(), Vec::new(), FxHashSet::default());
            for (number, state) in todo {
                stopped_by = stopped(&search, bounds, began);
                if stopped_by.is_some() {
                    break 'search;
                }
                if search.edge_ends.len() % TOLD_EVERY == TOLD_EVERY - 1 {
                    progress(&search.progress(&world, following.len(), depth));
                }
                match expand(&mut world, &state, !bounds.every_order) {
                    Expansion::Steps(steps) => {
                        if let Some(found) = search.take(&world, number, &state, steps, &mut following) {
                            broken = Some(found);
                            break 'search;
                        }
                    }
                    Expansion::Lacks(lacking) => {
                        wants.extend(lacking.into_iter().filter(|want| known.insert(want.clone())));
                        left.push((number, state));
                    }
                }
            }
            let since = Instant::now();
            world.find_out(&wants);
            executing += since.elapsed();
            todo = left;
            progress(&search.progress(&world, following.len(), depth));
        }
        if !following.is_empty() {
            depth += 1;
        }
        level = following;
    }
    let complete = stopped_by.is_none() && broken.is_none();
    let explored = Explored {
        complete,
        stopped_by,
        states: search.reached.len() as u64,
        transitions: search.edges.len() as u64,
        executions: world.machine.executions,
        schedules: search.schedules(),
        longest: depth,
        waiting: search.reached.len().saturating_sub(search.edge_ends.len()) as u64,
        time: began.elapsed(),
        executing,
        counterexample: None,
    };
    Found { explored, world, broken }
}

fn stopped(search: &Search, bounds: &Bounds, began: Instant) -> Option<&'static str> {
    let visited = search.edge_ends.len() as u64;
    if bounds.states.is_some_and(|most| visited >= most) || search.reached.len() >= NONE as usize {
        return Some("the number of states");
    }
    // Looking at the clock, and counting, take longer than a step.
    if visited % 1024 != 1023 {
        return None;
    }
    if bounds.time.is_some_and(|most| began.elapsed() >= most) {
        return Some("time");
    }
    // Every schedule that has ended passed through an end.
    (bounds.schedules.is_some_and(|most| search.ends.len() as u128 >= most)).then_some("the number of schedules")
}

impl Search {
    fn take(
        &mut self,
        world: &World,
        number: u32,
        state: &State,
        steps: Vec<(Transition, Stepped)>,
        following: &mut Vec<(u32, State)>,
    ) -> Option<(Violation, Vec<Transition>)> {
        if steps.is_empty() {
            self.ends.push(number);
            if let Some(violation) = world.unfinished(state) {
                return Some((violation, self.schedule(number)));
            }
        }
        for (by, stepped) in steps {
            if let Some(violation) = stepped.violation {
                let mut schedule = self.schedule(number);
                schedule.push(by);
                return Some((violation, schedule));
            }
            let next = u32::try_from(self.reached.len()).unwrap_or(NONE);
            let to = *self.numbers.entry(fingerprint(&stepped.state)).or_insert(next);
            if to == next {
                self.reached.push(Reached { from: number, by });
                following.push((next, stepped.state));
            }
            self.edges.push(to);
        }
        self.edge_ends.push((number, self.edges.len()));
        None
    }

    /// The steps that lead to a state.
    fn schedule(&self, mut number: u32) -> Vec<Transition> {
        let mut steps = Vec::new();
        while let Some(Reached { from, by }) = self.reached.get(number as usize)
            && *from != NONE
        {
            steps.push(*by);
            number = *from;
        }
        steps.reverse();
        steps
    }

    fn progress(&self, world: &World, waiting: usize, depth: u32) -> Progress {
        Progress {
            states: self.reached.len() as u64,
            transitions: self.edges.len() as u64,
            executions: world.machine.executions,
            waiting: waiting as u64,
            depth,
        }
    }

    /// How many ways lead from the beginning to an end. No step can be undone, so there is no way round.
    fn schedules(&self) -> u128 {
        let mut from: Vec<&[u32]> = vec![&[]; self.reached.len()];
        let mut begin = 0;
        for (number, end) in &self.edge_ends {
            if let (Some(place), Some(edges)) = (from.get_mut(*number as usize), self.edges.get(begin..*end)) {
                *place = edges;
            }
            begin = *end;
        }
        let is_end: FxHashSet<u32> = self.ends.iter().copied().collect();
        let mut ways: Vec<Option<u128>> = vec![None; self.reached.len()];
        let mut stack = vec![0_u32];
        while let Some(&number) = stack.last() {
            let at = number as usize;
            if ways.get(at).copied().flatten().is_some() {
                stack.pop();
                continue;
            }
            let next = from.get(at).copied().unwrap_or_default();
            let before = stack.len();
            stack.extend(next.iter().filter(|next| ways.get(**next as usize).copied().flatten().is_none()));
            if stack.len() == before {
                let sum = next
                    .iter()
                    .filter_map(|next| ways.get(*next as usize).copied().flatten())
                    .fold(u128::from(is_end.contains(&number)), u128::saturating_add);
                if let Some(place) = ways.get_mut(at) {
                    *place = Some(sum);
                }
                stack.pop();
            }
        }
        ways.first().copied().flatten().unwrap_or(0)
    }
}
