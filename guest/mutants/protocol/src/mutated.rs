//! The real protocol behind imports that lie.

use tofu_state_protocol::document::{self, LockDocument, LockStatus, StateDocument, Written};
use tofu_state_protocol::exchange::{Operation, Request, Response};
use tofu_state_protocol::lock_info::LockInfo;
use tofu_state_protocol::outside::{Outcome, Remembered, Retention, Revision, Slot, Store, StoreError};
use tofu_state_protocol::path::LOCK_SUFFIX;
use tofu_state_protocol::policies::Policies;

use crate::{HEADER, Mutant, answers, choice, fences, locks, writes};

/// Answers one request as the mutant does that this component is.
pub(crate) fn handle<S: Store>(
    request: &Request<S::Blob>,
    store: &S,
    policies: &dyn Policies<S::Blob>,
) -> Response<S::Blob> {
    let Some(mutant) = choice::chosen(request.header(HEADER)) else {
        return tofu_state_protocol::handle(request, store, policies);
    };
    let mutated = Mutated { real: Real::of(request, store), lies: lies(mutant) };
    answers::changed(mutant, tofu_state_protocol::handle(request, &mutated, policies))
}

fn lies<S: Store>(mutant: Mutant) -> Box<dyn Lies<S>> {
    match mutant {
        Mutant::ReleaseByDelete => Box::new(locks::ReleaseByDelete),
        Mutant::LockWithoutCas => Box::new(locks::LockWithoutCas),
        Mutant::UnlockOfAnyId => Box::new(locks::UnlockOfAnyId),
        Mutant::LateLockAccepted => Box::new(locks::LateLockAccepted),
        Mutant::LockReplayRefused => Box::new(locks::LockReplayRefused),
        Mutant::TakeoverDespiteWrites => Box::new(locks::TakeoverDespiteWrites::default()),
        Mutant::TakeoverInOneStep => Box::new(locks::TakeoverInOneStep::default()),
        Mutant::BreakWithoutFence => Box::new(fences::BreakWithoutFence),
        Mutant::FenceBeforeBreak => Box::new(fences::FenceBeforeBreak),
        Mutant::NoFenceWithoutState => Box::new(fences::NoFenceWithoutState),
        Mutant::BrokenLockTakenUnfenced => Box::new(fences::BrokenLockTakenUnfenced),
        Mutant::LockReadFirst => Box::new(writes::LockReadFirst::default()),
        Mutant::LockFromMemory => Box::new(writes::LockFromMemory),
        Mutant::PostWithoutHolderCheck => Box::new(writes::WithoutHolderCheck(Operation::Write)),
        Mutant::DeleteWithoutHolderCheck => Box::new(writes::WithoutHolderCheck(Operation::Delete)),
        Mutant::GoneLockAccepted => Box::new(writes::GoneLockAccepted),
        Mutant::ExpectedRevisionIgnored => Box::new(writes::ExpectedRevisionIgnored),
        Mutant::LostRaceRetriedUnchecked => Box::new(writes::LostRaceRetriedUnchecked),
        Mutant::LowerSerialAccepted => Box::new(writes::LowerSerialAccepted),
        Mutant::PostReplayRefused => Box::new(writes::PostReplayRefused),
        Mutant::DeleteInStore => Box::new(writes::DeleteInStore),
        Mutant::UnknownIsDone => Box::new(answers::UnknownIsDone),
        Mutant::UnavailableIsEmpty => Box::new(answers::UnavailableIsEmpty),
        // It lies to its client only.
        Mutant::UnlockReplayRefused => Box::new(answers::Nothing),
    }
}

/// A call's answer.
pub(crate) type Answer<T> = Result<T, StoreError>;

/// What a mutant makes of a request's calls. A call that it does not mention, it leaves as it is.
pub(crate) trait Lies<S: Store> {
    /// See [`Store::get`].
    fn get(&self, real: &Real<'_, S>, key: &str) -> Answer<Slot<S::Blob>> {
        real.store.get(key)
    }

    /// See [`Store::recall`].
    fn recall(&self, real: &Real<'_, S>, key: &str) -> Option<Remembered> {
        real.store.recall(key)
    }

    /// See [`Store::put_cas`].
    fn put(&self, real: &Real<'_, S>, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        real.put(key, put)
    }
}

/// What is to be written.
pub(crate) struct Put<'a, B> {
    pub(crate) meta: &'a [u8],
    pub(crate) content: Option<&'a B>,
    pub(crate) expected: Revision,
    pub(crate) retention: Retention,
}

impl<B> Put<'_, B> {
    /// The lock that is to be written.
    pub(crate) fn lock(&self, key: &str) -> Option<LockDocument> {
        is_lock(key).then(|| document::decode(key, self.meta).ok())?
    }

    /// The state that is to be written.
    pub(crate) fn state(&self, key: &str) -> Option<StateDocument> {
        is_state(key).then(|| document::decode(key, self.meta).ok())?
    }
}

/// The store as it is, and what the request is about.
pub(crate) struct Real<'a, S: Store> {
    pub(crate) store: &'a S,
    pub(crate) operation: Operation,
    /// The lock's ID that the request names.
    pub(crate) lock_id: Option<String>,
}

impl<'a, S: Store> Real<'a, S> {
    fn of(request: &Request<S::Blob>, store: &'a S) -> Self {
        let is_lock_face = request.path.first().is_some_and(|first| first == "-");
        let route = tofu_state_protocol::ROUTES
            .iter()
            .find(|route| route.method == request.method && route.prefix.is_empty() != is_lock_face);
        let operation = route.map_or(Operation::None, |route| route.operation);
        let named =
            request.query.as_deref().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("ID=")));
        let lock_id = match operation {
            Operation::Lock | Operation::Unlock => LockInfo::parse(&request.small_body()).ok().map(|info| info.id),
            _ => named.map(str::to_owned),
        };
        Self { store, operation, lock_id }
    }

    /// Whether the request changes the state.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.operation, Operation::Write | Operation::Delete)
    }

    /// Writes if the revision is the expected one.
    pub(crate) fn put(&self, key: &str, put: Put<'_, S::Blob>) -> Answer<Outcome> {
        let Put { meta, content, expected, retention } = put;
        self.store.put_cas(key, meta, content, expected, retention)
    }

    /// Writes over whatever is there.
    pub(crate) fn put_over(&self, key: &str, mut put: Put<'_, S::Blob>) -> Answer<Outcome> {
        loop {
            put.expected = match self.store.get(key)? {
                Slot::Absent => 0,
                Slot::Entry(entry) => entry.revision,
                Slot::Removed(revision) => revision,
            };
            let Put { meta, content, expected, retention } = put;
            if self.store.put_cas(key, meta, content, expected, retention)? == Outcome::Written {
                return Ok(Outcome::Written);
            }
        }
    }

    /// The lock as it is, but for what `change` makes of it.
    pub(crate) fn get_lock(&self, key: &str, change: impl FnOnce(&mut LockDocument)) -> Answer<Slot<S::Blob>> {
        let mut slot = self.store.get(key)?;
        if is_lock(key)
            && let Slot::Entry(entry) = &mut slot
            && let Ok(mut lock) = document::decode(key, &entry.meta)
        {
            change(&mut lock);
            entry.meta = document::encode(&lock);
        }
        Ok(slot)
    }

    /// The state's document as it is, but for what `change` makes of it.
    pub(crate) fn get_state(&self, key: &str, change: impl FnOnce(&mut StateDocument)) -> Answer<Slot<S::Blob>> {
        let mut slot = self.store.get(key)?;
        if is_state(key)
            && let Slot::Entry(entry) = &mut slot
            && let Ok(mut state) = document::decode(key, &entry.meta)
        {
            change(&mut state);
            entry.meta = document::encode(&state);
        }
        Ok(slot)
    }

    /// Removes a key with all its revisions, which the protocol never does.
    pub(crate) fn delete(&self, key: &str) -> Answer<Outcome> {
        use crate::bindings::tofu_state::backend::store;
        store::delete(key).map_err(|_| StoreError::Timeout)?;
        Ok(Outcome::Written)
    }
}

/// Who wrote a state.
pub(crate) fn written(state: &mut StateDocument) -> Option<&mut Written> {
    match state {
        StateDocument::State(state) => Some(&mut state.written),
        StateDocument::Deleted(deleted) => Some(&mut deleted.written),
        StateDocument::NoState => None,
    }
}

/// Whether a lock lies under `key`.
pub(crate) fn is_lock(key: &str) -> bool {
    key.ends_with(LOCK_SUFFIX)
}

/// Whether a state lies under `key`.
pub(crate) fn is_state(key: &str) -> bool {
    !is_lock(key) && !key.starts_with('.')
}

/// Whether it is held, by whom, is nobody's business: lets `lock_id` hold it, or nobody if there is none.
pub(crate) fn pretend_held_by(lock: &mut LockDocument, lock_id: Option<&str>) {
    match (&mut lock.status, lock_id) {
        (LockStatus::Held(held), Some(id)) => id.clone_into(&mut held.id),
        (status, Some(id)) => {
            *status = LockStatus::Held(document::Held {
                id: id.to_owned(),
                who: None,
                info: String::new(),
                since: 0,
                by: String::new(),
                trace: None,
            });
        }
        (status, None) => *status = LockStatus::Free,
    }
}

/// A store that lies.
struct Mutated<'a, S: Store> {
    real: Real<'a, S>,
    lies: Box<dyn Lies<S>>,
}

impl<S: Store> Store for Mutated<'_, S> {
    type Blob = S::Blob;

    fn get(&self, key: &str) -> Answer<Slot<S::Blob>> {
        self.lies.get(&self.real, key)
    }

    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Answer<Slot<S::Blob>>; N] {
        self.real.store.get_many(keys)
    }

    fn recall(&self, key: &str) -> Option<Remembered> {
        self.lies.recall(&self.real, key)
    }

    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&S::Blob>,
        expected: Revision,
        retention: Retention,
    ) -> Answer<Outcome> {
        self.lies.put(&self.real, key, Put { meta, content, expected, retention })
    }
}
