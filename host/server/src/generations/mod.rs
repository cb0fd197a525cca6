//! Generations: what serves, exchanged while it serves.
//!
//! A generation is one protocol component and one chain of policies, published together. A request takes the
//! current one when it begins and ends on it, whatever is published meanwhile; a generation is freed when the
//! last request that took it has ended, except the current one and the good one before it, which is kept for a
//! roll-back. What is not good (see [`load`]) is never published: the current generation goes on serving.

pub mod control;
pub mod follow;
pub mod load;
pub mod signature;
pub mod smoke;
pub mod source;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use serde::Serialize;
use time::OffsetDateTime;
use tofu_state_component::Protocol;
use tofu_state_component::policies::{Chain, Mode};

use crate::telemetry::Metrics;

/// How many generations are told of, the current one included.
const TOLD: usize = 16;

/// What a generation is made of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The component that knows the protocol.
    pub protocol: Protocol,
    /// Where it came from, for people.
    pub protocol_source: String,
    /// The policies that judge changes.
    pub policies: Arc<Chain>,
    /// Where their modules came from, in the same order.
    pub policy_sources: Vec<String>,
    /// What stood in the file of policies.
    pub policy_text: Arc<str>,
}

impl Parts {
    /// A component and no policies.
    #[must_use]
    pub fn of(protocol: Protocol, source: &str) -> Self {
        let protocol_source = source.to_owned();
        let (policies, policy_text) = (Arc::default(), Arc::from(""));
        Self { protocol, protocol_source, policies, policy_sources: Vec::new(), policy_text }
    }

    /// Whether these would serve just as `other` does.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self { protocol, protocol_source: _, policies, policy_sources: _, policy_text } = self;
        let modules =
            |chain: &Chain| chain.entries().map(|entry| Arc::clone(entry.module.digest())).collect::<Vec<_>>();
        protocol.digest() == other.protocol.digest()
            && *policy_text == other.policy_text
            && modules(policies) == modules(&other.policies)
    }
}

/// Why a generation was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The server started with it.
    Start,
    /// The files have changed.
    Change,
    /// Somebody asked for the files to be read again.
    Reload,
    /// Somebody rolled back.
    RollBack,
}

/// What serves from one moment to the next.
#[derive(Debug)]
pub struct Generation {
    /// 1 at the start, and one more with each that is published. It counts anew after a restart.
    pub number: u64,
    /// What it is made of.
    pub parts: Parts,
}

/// What is told of a generation, also when it is gone.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// When it was published.
    #[serde(with = "time::serde::rfc3339")]
    pub published: OffsetDateTime,
    /// Why.
    pub origin: Origin,
    /// Of a roll-back: the number of the generation whose parts it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// The protocol component.
    pub protocol: ToldModule,
    /// The policies, in order.
    pub policies: Vec<ToldPolicy>,
}

/// What is told of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct ToldPolicy {
    /// Its name in the policy file.
    pub name: String,
    /// What its verdicts do: `enforce` or `warn`.
    pub mode: &'static str,
    /// Its module.
    #[serde(flatten)]
    pub module: ToldModule,
}

/// What is told of a component or module.
#[derive(Clone, Debug, Serialize)]
pub struct ToldModule {
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Where it came from.
    pub source: String,
}

/// Why the files give no generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadFailure {
    /// When it was found.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What is wrong, where, and what to do.
    pub what: String,
}

/// All that is told.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// The number of the generation that serves.
    pub current: u64,
    /// The number of the one that a roll-back would return to.
    pub previous: Option<u64>,
    /// Somebody rolled back, and neither have the files changed since, nor has a reload been asked for.
    pub rolled_back: bool,
    /// Why what the files hold does not serve; none if it does, or if somebody rolled back from it.
    pub failure: Option<LoadFailure>,
    /// How many generations are in memory.
    pub alive: usize,
    /// The last generations, the newest first.
    pub generations: Vec<Told>,
}

/// Why there was no roll-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no earlier generation to roll back to: the server has published none since it started or since the \
     last roll-back (`tofu-state reload` returns to what the files hold)"
)]
pub struct NothingBefore;

/// Somebody rolled back while a new generation was being made: it is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("somebody rolled back meanwhile")]
pub struct Overtaken;

/// What marks the moment at which the making of a generation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun(u64);

/// The current generation, and what there is to know of the others.
pub struct Generations {
    metrics: Arc<Metrics>,
    current: ArcSwap<Generation>,
    history: Mutex<History>,
}

struct History {
    previous: Option<Arc<Generation>>,
    roll_backs: u64,
    rolled_back: bool,
    failure: Option<LoadFailure>,
    told: Vec<Told>,
    alive: Vec<Weak<Generation>>,
}

impl Generations {
    /// The first generation.
    #[must_use]
    pub fn new(parts: Parts, metrics: Arc<Metrics>) -> Self {
        name_methods(&metrics, &parts);
        let first = Arc::new(Generation { number: 1, parts });
        let history = History {
            previous: None,
            roll_backs: 0,
            rolled_back: false,
            failure: None,
            told: vec![told(&first, Origin::Start, None)],
            alive: vec![Arc::downgrade(&first)],
        };
        Self { metrics, current: ArcSwap::new(first), history: Mutex::new(history) }
    }

    /// The generation that serves now. Whoever holds it keeps it alive.
    #[must_use]
    pub fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// To be called before files are read for [`publish`](Self::publish).
    #[must_use]
    pub fn begin(&self) -> Begun {
        Begun(self.history().roll_backs)
    }

    /// Publishes a new generation: whatever begins from now on takes it. The present one is kept for a roll-back.
    ///
    /// # Errors
    /// [`Overtaken`]
    pub fn publish(&self, parts: Parts, origin: Origin, begun: Begun) -> Result<Arc<Generation>, Overtaken> {
        let mut history = self.history();
        if begun != Begun(history.roll_backs) {
            return Err(Overtaken);
        }
        history.rolled_back = false;
        history.failure = None;
        let before = self.current();
        let next = self.replace(&mut history, parts, origin, None);
        history.previous = Some(before);
        Ok(next)
    }

    /// Publishes the parts of the generation before the present one once more. It holds until the files change or
    /// a reload is asked for, and does not survive a restart.
    ///
    /// # Errors
    /// [`NothingBefore`]
    pub fn roll_back(&self) -> Result<Arc<Generation>, NothingBefore> {
        let mut history = self.history();
        let Generation { number, parts } = &*history.previous.take().ok_or(NothingBefore)?;
        history.roll_backs = history.roll_backs.saturating_add(1);
        history.rolled_back = true;
        history.failure = None;
        Ok(self.replace(&mut history, parts.clone(), Origin::RollBack, Some(*number)))
    }

    /// Notes that what the files hold serves already.
    pub fn unchanged(&self) {
        let mut history = self.history();
        history.failure = None;
        history.rolled_back = false;
    }

    /// Notes why what the files hold cannot serve.
    pub fn failed(&self, what: String) {
        self.metrics.generations.failed();
        self.history().failure = Some(LoadFailure { at: OffsetDateTime::now_utc(), what });
    }

    /// Why what the files hold cannot serve; none if it does.
    #[must_use]
    pub fn failure(&self) -> Option<LoadFailure> {
        self.history().failure.clone()
    }

    /// The generation before the present one, while it is kept.
    #[must_use]
    pub fn previous(&self) -> Option<Arc<Generation>> {
        self.history().previous.clone()
    }

    /// How many generations are in memory: the current one, the one before, and those on which requests still end.
    #[must_use]
    pub fn alive(&self) -> usize {
        let mut history = self.history();
        history.alive.retain(|generation| generation.strong_count() > 0);
        history.alive.len()
    }

    /// All that is told.
    #[must_use]
    pub fn listing(&self) -> Listing {
        let alive = self.alive();
        let history = self.history();
        Listing {
            current: self.current.load().number,
            previous: history.previous.as_ref().map(|previous| previous.number),
            rolled_back: history.rolled_back,
            failure: history.failure.clone(),
            alive,
            generations: history.told.clone(),
        }
    }

    fn replace(&self, history: &mut History, parts: Parts, origin: Origin, same_as: Option<u64>) -> Arc<Generation> {
        name_methods(&self.metrics, &parts);
        let number = self.current.load().number.saturating_add(1);
        let next = Arc::new(Generation { number, parts });
        history.told.insert(0, told(&next, origin, same_as));
        history.told.truncate(TOLD);
        history.alive.retain(|generation| generation.strong_count() > 0);
        history.alive.push(Arc::downgrade(&next));
        self.current.store(Arc::clone(&next));
        next
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Metrics name the methods that are served; all others are one, or anybody could make up labels.
fn name_methods(metrics: &Metrics, parts: &Parts) {
    metrics.requests.set_methods(parts.protocol.routes().iter().map(|route| route.method.clone()));
}

fn told(generation: &Generation, origin: Origin, same_as: Option<u64>) -> Told {
    let Generation { number, parts } = generation;
    let policies = parts.policies.entries().zip(&parts.policy_sources).map(|(entry, source)| ToldPolicy {
        name: entry.name.to_string(),
        mode: match entry.mode {
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
        },
        module: ToldModule { sha256: entry.module.digest().to_string(), source: source.clone() },
    });
    Told {
        number: *number,
        published: OffsetDateTime::now_utc(),
        origin,
        same_as,
        protocol: ToldModule { sha256: parts.protocol.digest().to_owned(), source: parts.protocol_source.clone() },
        policies: policies.collect(),
    }
}

#[cfg(test)]
mod tests;
