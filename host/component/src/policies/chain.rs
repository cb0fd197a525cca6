//! The chain: every policy that applies, in order, until one refuses.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;

use super::contract::{Change, Context, Operation, ResourceChanges, Verdict};
use super::entry::{Entry, Mode, OnError, Uncounted};
use super::module::World;
use super::review::{Review, Word};
use super::{resources, text};
use crate::Failure;

/// The policies in use, in order. Never changed once made.
#[derive(Debug, Default)]
pub struct Chain {
    entries: Vec<Link>,
}

/// An entry, and what is made of it once.
#[derive(Debug)]
struct Link {
    entry: Entry,
    context: Context,
}

/// Why entries make no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Two of them have the same name.
    #[error("two policies are called {0:?}: give each a name of its own")]
    SameName(String),
    /// The module reads states, and the entry does not give them.
    #[error("the module of {0:?} reads states (world state-policy-module): say needs = [\"state\"]")]
    NeedsState(String),
    /// The entry gives states, and the module has no use for them.
    #[error(
        "the module of {0:?} cannot read states (world policy-module): build it for state-policy-module, or leave \"state\" out of its needs"
    )]
    ReadsNoState(String),
    /// The memory is more than an instance can have.
    #[error("{name:?} may not have {asked} bytes of memory: an instance has at most {most}")]
    TooMuchMemory {
        /// The policy.
        name: String,
        /// What its entry says.
        asked: usize,
        /// What the engine gives.
        most: usize,
    },
}

/// What the chain needs to judge an operation on a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// A policy applies.
    pub review: bool,
    /// The current state's header, where it is not given anyway.
    pub current: bool,
    /// The current state's content.
    pub content: bool,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The policy.
    pub policy: Arc<str>,
    /// For the person at the CLI.
    pub reason: String,
    /// Whether a refused state may be kept aside.
    pub keep: bool,
}

/// What the chain says of a change.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Why it may not be made; none: it may.
    pub refusal: Option<Refusal>,
    /// Each policy's review, in order, the refusing one last.
    pub reviews: Vec<Review>,
}

impl Chain {
    /// A chain of these policies in this order.
    ///
    /// # Errors
    /// See [`ChainError`].
    pub fn new(entries: Vec<Entry>) -> Result<Self, ChainError> {
        let mut names = BTreeSet::new();
        for entry in &entries {
            let name = entry.name.to_string();
            let most = entry.module.loaded.shared.limits.memory_bytes;
            if entry.limits.memory_bytes > most {
                return Err(ChainError::TooMuchMemory { name, asked: entry.limits.memory_bytes, most });
            }
            match (entry.module.world(), entry.needs.state) {
                (World::StatePolicy, false) => return Err(ChainError::NeedsState(name)),
                (World::Policy, true) => return Err(ChainError::ReadsNoState(name)),
                _ => {}
            }
            if !names.insert(name) {
                return Err(ChainError::SameName(entry.name.to_string()));
            }
        }
        let link = |entry: Entry| {
            let context = Context { configuration: entry.configuration.clone(), resources: None };
            Link { entry, context }
        };
        Ok(Self { entries: entries.into_iter().map(link).collect() })
    }

    /// The policies, in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().map(|link| &link.entry)
    }

    /// What it takes to judge `operation` on `path`.
    #[must_use]
    pub fn needed(&self, operation: Operation, path: &str) -> Needed {
        let mut needed = Needed::default();
        for Link { entry, .. } in self.entries.iter().filter(|link| link.entry.applies_to(operation, path)) {
            needed.review = true;
            needed.current |= entry.needs.current;
            needed.content |= match operation {
                Operation::Write => entry.needs.resources || entry.needs.state,
                Operation::Delete => entry.needs.state,
                Operation::Lock | Operation::ForceUnlock => entry.needs.state && entry.needs.current,
            };
        }
        needed
    }

    /// Lets every policy that applies judge `change`, until one refuses it.
    pub async fn review(&self, change: &Change, current: Option<&Bytes>, proposed: Option<&Bytes>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut counted = None;
        let apply = |link: &&Link| link.entry.applies_to(change.operation, &change.path);
        for link in self.entries.iter().filter(apply) {
            let began = (SystemTime::now(), Instant::now());
            if link.entry.needs.resources && change.operation == Operation::Write && counted.is_none() {
                counted = Some(resources::count_for(change, current, proposed).await);
            }
            let answer = link.ask(change, counted.as_ref().and_then(Option::as_ref), current, proposed).await;
            let (review, refusal) = link.recorded(answer, began);
            judgement.reviews.push(review);
            if refusal.is_some() {
                judgement.refusal = refusal;
                break;
            }
        }
        judgement
    }
}

/// What an entry came to.
enum Answer {
    Said(Verdict),
    Failed(Failure),
    /// Its resources cannot be counted.
    Uncounted,
}

impl Link {
    async fn ask(
        &self,
        change: &Change,
        counted: Option<&ResourceChanges>,
        current: Option<&Bytes>,
        proposed: Option<&Bytes>,
    ) -> Answer {
        let Entry { module, needs, uncounted, limits, .. } = &self.entry;
        let change = self.shown(change);
        let counts = needs.resources && change.operation == Operation::Write;
        if counts && counted.is_none() && *uncounted != Uncounted::Ask {
            return Answer::Uncounted;
        }
        let context = match counted.filter(|_| counts) {
            Some(resources) => Cow::Owned(Context { resources: Some(resources.clone()), ..self.context.clone() }),
            None => Cow::Borrowed(&self.context),
        };
        let state = |state: Option<&Bytes>| state.filter(|_| needs.state).cloned();
        let current = state(current).filter(|_| change.current.is_some());
        match module.review(&change, &context, limits, current, state(proposed)).await {
            Ok(verdict) => Answer::Said(verdict),
            Err(failure) => Answer::Failed(failure),
        }
    }

    /// The change as this policy gets to see it: whether another one needs more must not show.
    fn shown<'a>(&self, change: &'a Change) -> Cow<'a, Change> {
        let always = matches!(change.operation, Operation::Write | Operation::Delete);
        if always || self.entry.needs.current || change.current.is_none() {
            return Cow::Borrowed(change);
        }
        Cow::Owned(Change { current: None, ..change.clone() })
    }

    fn recorded(&self, answer: Answer, (began, since): (SystemTime, Instant)) -> (Review, Option<Refusal>) {
        let Entry { name, module, mode, on_error, uncounted, needs, .. } = &self.entry;
        let mut review = Review {
            name: Arc::clone(name),
            digest: Arc::clone(module.digest()),
            mode: *mode,
            verdict: Word::Allow,
            labels: Vec::new(),
            reason: None,
            error: None,
            refused: false,
            began,
            duration: since.elapsed(),
        };
        let (denied, keep) = match answer {
            Answer::Said(Verdict::Allow(labels)) => {
                review.labels = if needs.state { Vec::new() } else { text::labels(labels) };
                (false, true)
            }
            Answer::Said(Verdict::Warn(reason)) => {
                review.verdict = Word::Warn;
                review.reason = Some(text::reason(&reason));
                (false, true)
            }
            Answer::Said(Verdict::Deny(denial)) => {
                review.verdict = Word::Deny;
                review.reason = Some(text::reason(&denial.reason));
                (true, denial.keep)
            }
            Answer::Uncounted => {
                let denied = *uncounted == Uncounted::Deny;
                if denied {
                    review.verdict = Word::Deny;
                }
                review.reason =
                    Some(if denied { format!("{UNCOUNTED}, and its entry denies that") } else { UNCOUNTED.to_owned() });
                (denied, true)
            }
            Answer::Failed(failure) => {
                tracing::error!(policy = %name, digest = %module.digest(), %failure, "a policy failed");
                review.verdict = Word::Error;
                review.error = Some(failure.to_string());
                let denied = *on_error == OnError::Deny;
                review.reason =
                    Some(if denied { format!("{FAILED}, and its entry denies that") } else { FAILED.to_owned() });
                (denied, true)
            }
        };
        review.refused = denied && *mode == Mode::Enforce;
        let refusal = review.refused.then(|| Refusal {
            policy: Arc::clone(name),
            reason: review.reason.clone().unwrap_or_default(),
            keep,
        });
        (review, refusal)
    }
}

/// What is told of a write whose resources cannot be counted.
const UNCOUNTED: &str =
    "what this write does to the resources cannot be counted (the state is encrypted, or too large)";

/// What is told of a policy that failed.
const FAILED: &str = "the policy failed (the server's log says how), so nobody knows whether this may be done";
