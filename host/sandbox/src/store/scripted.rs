//! A store whose answers are given beforehand. A call beyond them is noted and never returns.
//!
//! A call is named by its number in the order in which the calls of a request are made. One answer is given at a
//! time, and the next only once nothing moves any more: so the same answers in the same order bring about the same
//! calls with the same numbers, also where several are under way at once.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use tofu_state_store::history::{Child, History};
use tofu_state_store::{Error, Health, Key, Layout, Outcome, Remembered, Revision, Slot, Store, Write};

/// A call with all that belongs to it.
#[derive(Clone)]
pub(crate) enum RawCall {
    Get(Key),
    Put(Key, Write),
    Delete(Key),
    List(Key),
    Top,
    Revisions(Key),
    Revision(Key, Revision),
}

/// An answer with all that belongs to it.
#[derive(Clone)]
pub(crate) enum RawAnswer {
    Recalled(Option<Remembered>),
    Slot(Slot),
    Put(Outcome),
    Done,
    Children(Vec<Child>),
    Revisions(Vec<Revision>),
    Failed(Error),
}

/// What a server learns above the layout.
#[derive(Clone)]
pub(crate) enum RawLesson {
    Seen(Key, Remembered),
    Written(Key, Remembered),
    Absent(Key),
    Unknown(Key),
}

struct Waiting {
    number: u16,
    call: RawCall,
    waker: Waker,
}

/// Something of a call, by the number of the call.
pub(crate) type Of<T> = (u16, T);

/// What was asked of a script and not answered.
pub(crate) struct Taken {
    /// The calls that wait for an answer.
    pub(crate) calls: Vec<Of<RawCall>>,
    /// The question to the server's memory.
    pub(crate) asked: Option<Of<Key>>,
    /// What was learnt after the last answer.
    pub(crate) lessons: Vec<RawLesson>,
}

/// The answers, and what came of them.
#[derive(Default)]
pub(crate) struct Script {
    answers: Vec<(u16, RawAnswer)>,
    /// How many answers may be given so far, and how many were.
    allowed: usize,
    given: usize,
    made: u16,
    waiting: Vec<Waiting>,
    /// A question to the server's memory that no answer is known to.
    asked: Option<(u16, Key)>,
    lessons: Vec<RawLesson>,
}

/// A script that a store and its driver share.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Script>>);

impl Shared {
    pub(crate) fn new(answers: Vec<(u16, RawAnswer)>) -> Self {
        Self(Arc::new(Mutex::new(Script { answers, ..Script::default() })))
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next answer be given: false if there is none. An answer to a call that is not under way means that
    /// the component does not do the same thing twice.
    pub(crate) fn allow_next(&self) -> Result<bool, NotTheSame> {
        let mut script = self.script();
        if script.asked.is_some() {
            return Ok(false);
        }
        let Some((number, _)) = script.answers.get(script.allowed) else { return Ok(false) };
        let number = *number;
        script.allowed += 1;
        match script.waiting.iter().find(|waiting| waiting.number == number) {
            Some(waiting) => waiting.waker.wake_by_ref(),
            None => return Err(NotTheSame),
        }
        Ok(true)
    }

    /// What is open.
    pub(crate) fn take(&self) -> Taken {
        let mut script = self.script();
        let mut calls: Vec<_> =
            std::mem::take(&mut script.waiting).into_iter().map(|waiting| (waiting.number, waiting.call)).collect();
        calls.sort_by_key(|(number, _)| *number);
        Taken { calls, asked: script.asked.take(), lessons: std::mem::take(&mut script.lessons) }
    }

    async fn call(&self, call: RawCall) -> RawAnswer {
        let mut own = None;
        poll_fn(move |context| {
            let mut script = self.script();
            if script.asked.is_some() {
                return Poll::Pending;
            }
            let number = *own.get_or_insert_with(|| {
                let number = script.made;
                script.made = script.made.saturating_add(1);
                number
            });
            let given = script.given;
            if given < script.allowed
                && let Some((next, answer)) = script.answers.get(given)
                && *next == number
            {
                let answer = answer.clone();
                script.given += 1;
                script.waiting.retain(|waiting| waiting.number != number);
                return Poll::Ready(answer);
            }
            let waker = context.waker().clone();
            match script.waiting.iter_mut().find(|waiting| waiting.number == number) {
                Some(waiting) => waiting.waker = waker,
                None => script.waiting.push(Waiting { number, call: call.clone(), waker }),
            }
            Poll::Pending
        })
        .await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        let mut script = self.script();
        if script.asked.is_some() {
            return None;
        }
        let number = script.made;
        script.made = script.made.saturating_add(1);
        let next = script.given;
        match script.answers.get(next) {
            Some((answered, RawAnswer::Recalled(seen))) if *answered == number && script.allowed == next => {
                let seen = seen.clone();
                script.allowed += 1;
                script.given += 1;
                seen
            }
            _ => {
                script.asked = Some((number, key.clone()));
                None
            }
        }
    }

    /// Only what was learnt after the last answer is new.
    fn learn(&self, lesson: RawLesson) {
        let mut script = self.script();
        if script.given == script.answers.len() {
            script.lessons.push(lesson);
        }
    }
}

/// The component did something else than before with the same answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTheSame;

/// The raw store.
pub(crate) struct Scripted(pub(crate) Shared);

/// An answer of another kind than the call's cannot be: the store's own answers are made for the call.
fn nonsense<T>() -> Result<T, Error> {
    Err(Error::Corrupt("the sandbox answered another call".to_owned()))
}

#[async_trait]
impl Store for Scripted {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        match self.0.call(RawCall::Get(key.clone())).await {
            RawAnswer::Slot(slot) => Ok(slot),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        match self.0.call(RawCall::Put(key.clone(), write)).await {
            RawAnswer::Put(outcome) => Ok(outcome),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        match self.0.call(RawCall::Delete(key.clone())).await {
            RawAnswer::Done => Ok(()),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: "scripted".to_owned() }
    }
}

#[async_trait]
impl History for Scripted {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        self.children(RawCall::List(folder.clone())).await
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        self.children(RawCall::Top).await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        match self.0.call(RawCall::Revisions(key.clone())).await {
            RawAnswer::Revisions(revisions) => Ok(revisions),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        match self.0.call(RawCall::Revision(key.clone(), revision)).await {
            RawAnswer::Slot(slot) => Ok(slot),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }
}

impl Scripted {
    async fn children(&self, call: RawCall) -> Result<Vec<Child>, Error> {
        match self.0.call(call).await {
            RawAnswer::Children(children) => Ok(children),
            RawAnswer::Failed(error) => Err(error),
            _ => nonsense(),
        }
    }
}

/// What stands above the layout in a server: its memory, see [`tofu_state_store::Remembering`]. What it would learn
/// is noted here, and what it would tell is a call like any other.
pub(crate) struct Memory {
    pub(crate) inner: Arc<Layout>,
    pub(crate) script: Shared,
    /// Whether there is one.
    pub(crate) remembers: bool,
}

impl Memory {
    fn note(&self, key: &Key, slot: &Result<Slot, Error>) {
        let key = key.clone();
        self.script.learn(match slot {
            Ok(Slot::Entry(entry)) => {
                RawLesson::Seen(key, Remembered { revision: entry.revision, meta: entry.meta.clone() })
            }
            Ok(Slot::Absent) => RawLesson::Absent(key),
            Ok(Slot::Removed(_)) | Err(_) => RawLesson::Unknown(key),
        });
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let slot = self.inner.get(key).await;
        self.note(key, &slot);
        slot
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let meta = write.meta.clone();
        let outcome = self.inner.put_cas(key, write).await;
        self.script.learn(match &outcome {
            Ok(Outcome::Written(revision)) => RawLesson::Written(key.clone(), Remembered { revision: *revision, meta }),
            Ok(Outcome::Conflict) | Err(_) => RawLesson::Unknown(key.clone()),
        });
        outcome
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.script.learn(RawLesson::Unknown(key.clone()));
        self.inner.delete(key).await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        if self.remembers { self.script.recall(key) } else { None }
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let slots = self.inner.get_many(keys).await;
        keys.iter().zip(&slots).for_each(|(key, slot)| self.note(key, slot));
        slots
    }
}
