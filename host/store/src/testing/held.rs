//! A store whose calls a test can hold back, make fail, count and list.
//!
//! Races and lost acknowledgements become plain sequences: a test waits until a call has arrived, does
//! what it likes in the meantime, and lets the call go on. Nothing here measures time.
//!
//! ```
//! # use std::sync::Arc;
//! # use tofu_state_store::{Error, memory::Memory, testing::held::{Call, Held, When}};
//! # async fn example() {
//! let held = Arc::new(Held::new(Arc::new(Memory::new())));
//! let faults = held.faults();
//! let late_write = faults.hold(Call::put("g/p").nth(2), When::Before);
//! faults.fail(Call::get("g/p.lock"), Error::Sealed);
//! // … start a client on `held` …
//! late_write.arrived().await;
//! // … break the lock …
//! late_write.release();
//! # }
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::history::{Child, History};
use crate::{Error, Health, Key, Outcome, Revision, Slot, Store, Write};

/// The kinds of calls that can be held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Store::get`]; [`Store::get_many`] is one for each key.
    Get,
    /// [`Store::put_cas`].
    Put,
    /// [`Store::delete`].
    Delete,
}

/// Which calls a rule is about: an operation, a key or all keys, and the n-th such call or every one,
/// counted from the moment the rule was made.
#[derive(Clone, Debug)]
pub struct Call {
    operation: Operation,
    key: Option<String>,
    nth: Option<usize>,
}

impl Call {
    /// The next read of `key`.
    #[must_use]
    pub fn get(key: &str) -> Self {
        Self::new(Operation::Get, Some(key))
    }

    /// The next write of `key`.
    #[must_use]
    pub fn put(key: &str) -> Self {
        Self::new(Operation::Put, Some(key))
    }

    /// The next deletion of `key`.
    #[must_use]
    pub fn delete(key: &str) -> Self {
        Self::new(Operation::Delete, Some(key))
    }

    /// The next call of a kind, whatever its key.
    #[must_use]
    pub fn any(operation: Operation) -> Self {
        Self::new(operation, None)
    }

    /// The `nth` such call (1: the next one), instead of the next.
    #[must_use]
    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Every such call, instead of the next.
    #[must_use]
    pub fn every(mut self) -> Self {
        self.nth = None;
        self
    }

    fn new(operation: Operation, key: Option<&str>) -> Self {
        Self { operation, key: key.map(str::to_owned), nth: Some(1) }
    }
}

/// On which side of the inner store a call is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing was done yet.
    Before,
    /// It was done, but its caller does not know.
    After,
}

/// How many calls were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// [`Operation::Get`].
    pub get: usize,
    /// [`Operation::Put`].
    pub put: usize,
    /// [`Operation::Delete`].
    pub delete: usize,
}

impl Calls {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.get + self.put + self.delete
    }
}

/// A call that was made. Displays as `put g/p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What was called.
    pub operation: Operation,
    /// On which key.
    pub key: Key,
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operation = match self.operation {
            Operation::Get => "get",
            Operation::Put => "put",
            Operation::Delete => "delete",
        };
        write!(f, "{operation} {}", self.key)
    }
}

/// What a rule does to the call it is about.
#[derive(Clone)]
enum Effect {
    Hold(watch::Sender<usize>, watch::Receiver<bool>),
    Fail(Error),
}

struct Rule {
    call: Call,
    when: When,
    effect: Effect,
    /// Calls of its kind that were seen.
    seen: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    made: Vec<Made>,
}

/// Makes the rules for a [`Held`] store and tells what was called. Cheap to clone.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Holds back a call until the [`Hold`] releases it.
    pub fn hold(&self, call: Call, when: When) -> Hold {
        let (arrivals, arrived) = watch::channel(0);
        let (release, released) = watch::channel(false);
        self.add(call, when, Effect::Hold(arrivals, released));
        Hold { arrived, release }
    }

    /// Answers a call with `error` instead of doing it.
    pub fn fail(&self, call: Call, error: Error) {
        self.add(call, When::Before, Effect::Fail(error));
    }

    /// Does a call and answers it with `error` all the same: a lost acknowledgement.
    pub fn fail_after(&self, call: Call, error: Error) {
        self.add(call, When::After, Effect::Fail(error));
    }

    /// Drops all rules; what is held back goes on only by its [`Hold`].
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// How many calls were made since the last [`Faults::forget`].
    #[must_use]
    pub fn calls(&self) -> Calls {
        let mut calls = Calls::default();
        for made in &self.state().made {
            match made.operation {
                Operation::Get => calls.get += 1,
                Operation::Put => calls.put += 1,
                Operation::Delete => calls.delete += 1,
            }
        }
        calls
    }

    /// The calls made since the last [`Faults::forget`], in the order in which they arrived.
    #[must_use]
    pub fn log(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    /// Forgets the calls made so far; the rules stay.
    pub fn forget(&self) {
        self.state().made.clear();
    }

    fn add(&self, call: Call, when: When, effect: Effect) {
        self.state().rules.push(Rule { call, when, effect, seen: 0 });
    }

    /// Records a call and finds what is to happen to it.
    fn meet(&self, operation: Operation, key: &Key) -> Vec<(When, Effect)> {
        let mut state = self.state();
        state.made.push(Made { operation, key: key.clone() });
        let mut effects = Vec::new();
        for rule in &mut state.rules {
            let Call { operation: wanted, key: wanted_key, nth } = &rule.call;
            if *wanted != operation || wanted_key.as_ref().is_some_and(|wanted| wanted != key.as_str()) {
                continue;
            }
            rule.seen += 1;
            if nth.is_none_or(|nth| nth == rule.seen) {
                effects.push((rule.when, rule.effect.clone()));
            }
        }
        effects
    }

    /// A test that panicked while it held the lock has failed already.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is, or will be, held back. Dropping it releases the call, so that a failing test ends.
#[must_use = "dropping it releases the call"]
pub struct Hold {
    arrived: watch::Receiver<usize>,
    release: watch::Sender<bool>,
}

impl Hold {
    /// Waits until the call is held back.
    pub async fn arrived(&self) {
        self.arrivals(1).await;
    }

    /// Waits until `count` calls are held back (with [`Call::every`]).
    ///
    /// # Panics
    /// If the rule was cleared before that.
    pub async fn arrivals(&self, count: usize) {
        let mut arrived = self.arrived.clone();
        arrived.wait_for(|arrivals| *arrivals >= count).await.expect("the rule of this hold was cleared");
    }

    /// Whether a call has been held back.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        *self.arrived.borrow() > 0
    }

    /// Lets the call go on, and every later one that the rule is about.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release.send_replace(true);
    }
}

/// A store around another one, whose calls follow the rules of its [`Faults`].
pub struct Held {
    inner: Arc<dyn Store>,
    /// The same store, if its history can be asked for.
    history: Option<Arc<dyn History>>,
    faults: Faults,
}

impl Held {
    /// Wraps `inner`; without rules it only counts.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, history: None, faults: Faults::default() }
    }

    /// As [`Held::new`], and its history can be asked for. Those calls follow no rules and are not counted.
    #[must_use]
    pub fn with_history(inner: Arc<dyn History>) -> Self {
        Self { inner: Arc::<dyn History>::clone(&inner), history: Some(inner), faults: Faults::default() }
    }

    fn history(&self) -> Result<&dyn History, Error> {
        self.history.as_deref().ok_or_else(|| Error::Denied("this store was wrapped without its history".to_owned()))
    }

    /// The rules and the counts of this store.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    async fn through<T>(
        &self,
        operation: Operation,
        key: &Key,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let effects = self.faults.meet(operation, key);
        apply(&effects, When::Before).await?;
        let answer = call.await;
        apply(&effects, When::After).await?;
        answer
    }
}

/// Waits out the holds of one side, then gives its error if there is one.
async fn apply(effects: &[(When, Effect)], side: When) -> Result<(), Error> {
    let mut failure = Ok(());
    for (_, effect) in effects.iter().filter(|(when, _)| *when == side) {
        match effect {
            Effect::Hold(arrivals, released) => {
                arrivals.send_modify(|count| *count += 1);
                // An error means that the hold is gone, and a hold that is gone has released.
                let _ = released.clone().wait_for(|released| *released).await;
            }
            Effect::Fail(error) => failure = Err(error.clone()),
        }
    }
    failure
}

#[async_trait]
impl Store for Held {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        self.through(Operation::Get, key, self.inner.get(key)).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        self.through(Operation::Put, key, self.inner.put_cas(key, write)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.through(Operation::Delete, key, self.inner.delete(key)).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

#[async_trait]
impl History for Held {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        self.history()?.list(folder).await
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        self.history()?.top().await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        self.history()?.revisions(key).await
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        self.history()?.revision(key, revision).await
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
