//! A store in memory for native tests. A test can run anything it likes just before a chosen call
//! reaches it: that is how every interleaving of two requests is made, without threads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::outside::{Blob, Digests, Entry, Outcome, Remembered, Retention, Revision, Slot, Store, StoreError};

/// Bytes in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Rc<[u8]>);

impl Bytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Blob for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let to = (from + len as usize).min(self.0.len());
        self.0[from..to].to_vec()
    }

    fn digests(&self) -> Digests {
        Digests { md5: Md5::digest(&self.0).into(), sha256: Sha256::digest(&self.0).into() }
    }
}

/// Which calls a step comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Put,
}

/// How a call ends instead of reaching the store, or after it did.
pub(crate) enum Fault {
    /// The call is not made.
    Instead(StoreError),
    /// The call is made; its answer is lost, and the one who repeats it learns of a conflict.
    Repeated,
}

type Step = Box<dyn FnOnce(&Simulated) -> Option<Fault>>;

struct Hook {
    operation: Operation,
    key: String,
    /// How many matching calls pass first.
    skip: usize,
    step: Option<Step>,
}

thread_local! {
    /// Whether servers remember what they saw last, as in production.
    static REMEMBERS: Cell<bool> = const { Cell::new(true) };
}

/// From now on, servers of this test remember what they saw last, or do not.
pub(crate) fn servers_remember(remember: bool) {
    REMEMBERS.set(remember);
}

/// Documents by key and revision.
type Written = BTreeMap<(String, Revision), Entry<Bytes>>;

/// The store, as one server sees it: clones share the documents.
#[derive(Clone, Default)]
pub(crate) struct Simulated {
    /// What this server saw last.
    memory: Rc<RefCell<BTreeMap<String, Remembered>>>,
    documents: Rc<RefCell<BTreeMap<String, Slot<Bytes>>>>,
    /// All that was ever written.
    written: Rc<RefCell<Written>>,
    hooks: Rc<RefCell<Vec<Hook>>>,
    calls: Rc<RefCell<Vec<(Operation, String)>>>,
}

impl Simulated {
    /// The same store, seen by another server that remembers nothing yet.
    pub(crate) fn of_another_server(&self) -> Self {
        Self { memory: Rc::default(), ..self.clone() }
    }

    fn remember(&self, key: &str, revision: Revision, meta: &[u8]) {
        self.memory.borrow_mut().insert(key.to_owned(), Remembered { revision, meta: meta.to_vec() });
    }

    /// Runs `step` before the `nth` (from 0) matching call from now on.
    pub(crate) fn before(&self, operation: Operation, key: &str, nth: usize, step: impl FnOnce(&Self) + 'static) {
        self.hook(operation, key, nth, move |store| {
            step(store);
            None
        });
    }

    /// Makes the `nth` matching call from now on fail.
    pub(crate) fn fail(&self, operation: Operation, key: &str, nth: usize, fault: Fault) {
        self.hook(operation, key, nth, move |_| Some(fault));
    }

    fn hook(&self, operation: Operation, key: &str, nth: usize, step: impl FnOnce(&Self) -> Option<Fault> + 'static) {
        let hook = Hook { operation, key: key.to_owned(), skip: nth, step: Some(Box::new(step)) };
        self.hooks.borrow_mut().push(hook);
    }

    /// All steps have run: a test whose interleaving never happened proves nothing.
    pub(crate) fn assert_all_steps_ran(&self) {
        let waiting: Vec<_> = self.hooks.borrow().iter().map(|hook| (hook.operation, hook.key.clone())).collect();
        assert!(waiting.is_empty(), "never reached: {waiting:?}");
    }

    /// Takes back all steps that have not run.
    pub(crate) fn forget_steps(&self) {
        self.hooks.borrow_mut().clear();
    }

    /// The calls made so far, in order.
    pub(crate) fn calls(&self) -> Vec<(Operation, String)> {
        self.calls.borrow().clone()
    }

    pub(crate) fn peek(&self, key: &str) -> Slot<Bytes> {
        self.documents.borrow().get(key).cloned().unwrap_or(Slot::Absent)
    }

    pub(crate) fn plant(&self, key: &str, slot: Slot<Bytes>) {
        self.documents.borrow_mut().insert(key.to_owned(), slot);
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.documents.borrow().keys().cloned().collect()
    }

    /// What was written under `key`, oldest first.
    pub(crate) fn written(&self, key: &str) -> Vec<Entry<Bytes>> {
        let range = (key.to_owned(), 0)..=(key.to_owned(), Revision::MAX);
        self.written.borrow().range(range).map(|(_, entry)| entry.clone()).collect()
    }

    /// Removes a document and all that was written before it.
    pub(crate) fn erase(&self, key: &str) {
        self.documents.borrow_mut().remove(key);
        self.written.borrow_mut().retain(|(own, _), _| own != key);
    }

    /// What somebody with the store's own tools can do.
    pub(crate) fn remove_in_store(&self, key: &str) {
        let revision = self.revision(key);
        self.plant(key, Slot::Removed(revision));
    }

    pub(crate) fn revision(&self, key: &str) -> Revision {
        match self.peek(key) {
            Slot::Absent => 0,
            Slot::Entry(entry) => entry.revision,
            Slot::Removed(revision) => revision,
        }
    }

    fn enter(&self, operation: Operation, key: &str) -> Option<Fault> {
        self.calls.borrow_mut().push((operation, key.to_owned()));
        let step = {
            let mut hooks = self.hooks.borrow_mut();
            let due = hooks.iter_mut().position(|hook| {
                if hook.operation != operation || hook.key != key {
                    return false;
                }
                let due = hook.skip == 0;
                hook.skip = hook.skip.saturating_sub(1);
                due
            });
            due.and_then(|position| hooks.remove(position).step)
        };
        step.and_then(|step| step(self))
    }

    fn put_now(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&Bytes>,
        expected: Revision,
        retention: Retention,
    ) -> Outcome {
        if self.revision(key) != expected {
            return Outcome::Conflict;
        }
        if retention == Retention::Erased {
            self.written.borrow_mut().retain(|(own, _), _| own != key);
        }
        let entry = Entry { revision: expected + 1, meta: meta.to_vec(), content: content.cloned() };
        self.written.borrow_mut().insert((key.to_owned(), entry.revision), entry.clone());
        self.plant(key, Slot::Entry(entry));
        Outcome::Written
    }
}

impl Store for Simulated {
    type Blob = Bytes;

    fn get(&self, key: &str) -> Result<Slot<Bytes>, StoreError> {
        match self.enter(Operation::Get, key) {
            Some(Fault::Instead(error)) => Err(error),
            Some(Fault::Repeated) | None => {
                let slot = self.peek(key);
                if let Slot::Entry(entry) = &slot {
                    self.remember(key, entry.revision, &entry.meta);
                }
                Ok(slot)
            }
        }
    }

    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Result<Slot<Bytes>, StoreError>; N] {
        keys.map(|key| self.get(key))
    }

    fn recall(&self, key: &str) -> Option<Remembered> {
        if REMEMBERS.get() { self.memory.borrow().get(key).cloned() } else { None }
    }

    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&Bytes>,
        expected: Revision,
        retention: Retention,
    ) -> Result<Outcome, StoreError> {
        let outcome = match self.enter(Operation::Put, key) {
            Some(Fault::Instead(error)) => return Err(error),
            Some(Fault::Repeated) => {
                self.put_now(key, meta, content, expected, retention);
                self.put_now(key, meta, content, expected, retention)
            }
            None => self.put_now(key, meta, content, expected, retention),
        };
        if outcome == Outcome::Written {
            self.remember(key, expected + 1, meta);
        }
        Ok(outcome)
    }
}
