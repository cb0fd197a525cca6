//! What must be remembered of a run to judge what comes next.

use crate::scenario::intent::{Intent, Kind, LockId, PathId, StateId};

/// What a GET would answer at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Visible {
    Nothing,
    State(StateId),
    /// It would fail with this status.
    Unreadable(u16),
}

/// Who holds a lock at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Nobody,
    Held(LockId),
    /// An ID that the scenario does not know, or the lock cannot be read.
    Unknown,
}

/// What can be seen of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sight {
    pub(crate) state: Visible,
    pub(crate) holder: Holder,
    /// Every revision that is kept can be read.
    pub(crate) whole: bool,
}

/// Since when nobody holds a lock any more, and how that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gone {
    /// Somebody was answered that it is so.
    pub(crate) told: bool,
    /// Somebody else than its holder ended it.
    pub(crate) broken: bool,
    /// Whose lock it was.
    pub(crate) path: PathId,
}

/// What is remembered of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// The holder's last sign of life.
    pub(crate) life: u64,
    /// Under which lock, and with which serial, the visible state was written.
    pub(crate) by: Option<(LockId, u64)>,
    /// Its writer was answered that it is there.
    pub(crate) told: bool,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    pub(crate) paths: Vec<Past>,
    /// Locks that were released or broken, sorted.
    pub(crate) gone: Vec<(LockId, Gone)>,
}

impl History {
    pub(crate) fn gone(&self, lock: LockId) -> Option<Gone> {
        let at = self.gone.binary_search_by_key(&lock, |(lock, _)| *lock).ok()?;
        self.gone.get(at).map(|(_, gone)| *gone)
    }

    /// Whether any lock of this path is gone.
    pub(crate) fn any_gone(&self, path: PathId) -> bool {
        self.gone.iter().any(|(_, gone)| gone.path == path)
    }

    pub(crate) fn set_gone(&mut self, path: PathId, lock: LockId, broken: bool) {
        match self.gone.binary_search_by_key(&lock, |(lock, _)| *lock) {
            Ok(at) => {
                if let Some((_, gone)) = self.gone.get_mut(at) {
                    gone.broken |= broken;
                }
            }
            Err(at) => self.gone.insert(at, (lock, Gone { told: false, broken, path })),
        }
    }

    /// Somebody was told that this lock is gone; none: that all of this path are.
    pub(crate) fn tell_gone(&mut self, path: PathId, lock: Option<LockId>) {
        let is_meant = |other: LockId, gone: &Gone| lock.map_or(gone.path == path, |lock| lock == other);
        let concerned = self.gone.iter_mut().filter(|(other, gone)| is_meant(*other, gone));
        concerned.for_each(|(_, gone)| gone.told = true);
    }
}

/// What was so at some moment between a request's beginning and now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    /// What a success would claim.
    pub(crate) was_so: bool,
    /// The request's own lock was not held.
    pub(crate) was_unheld: bool,
    /// Somebody else's lock was held.
    pub(crate) was_busy: bool,
    /// Somebody else has changed the state or the lock; for a write without a lock also unseen, as a LOCK does that writes
    /// down that there is no state yet.
    pub(crate) was_disturbed: bool,
    /// Its own lock was gone when it began.
    pub(crate) began_gone: bool,
    /// It has released or broken a lock.
    pub(crate) has_released: bool,
    /// The holder's last sign of life when it began.
    pub(crate) life: u64,
    /// For a GET: what could be seen.
    pub(crate) seen: Vec<Visible>,
}

impl Flight {
    /// A request that begins now.
    pub(crate) fn begin(intent: &Intent, sight: Sight, history: &History) -> Self {
        let past = history.paths.get(usize::from(intent.path));
        let began_gone = intent.kind.own_lock().is_some_and(|lock| history.gone(lock).is_some());
        let mut flight = Self { began_gone, life: past.map_or(0, |past| past.life), ..Self::default() };
        flight.see(intent, sight);
        flight
    }

    /// Takes a look.
    pub(crate) fn see(&mut self, intent: &Intent, sight: Sight) {
        let Sight { state, holder, .. } = sight;
        let others = |own: Option<LockId>| matches!(holder, Holder::Held(id) if own != Some(id));
        match &intent.kind {
            Kind::Get => {
                if self.seen.last() != Some(&state) {
                    self.seen.push(state);
                }
            }
            Kind::Post { lock, state: sent, .. } => {
                self.was_so |= state == Visible::State(*sent);
                self.was_unheld |= lock.is_some_and(|lock| holder != Holder::Held(lock));
                self.was_busy |= others(*lock);
            }
            Kind::Delete { lock } => {
                self.was_so |= state == Visible::Nothing;
                self.was_unheld |= lock.is_some_and(|lock| holder != Holder::Held(lock));
                self.was_busy |= others(*lock);
            }
            Kind::Lock(id) => {
                self.was_so |= holder == Holder::Held(*id);
                self.was_busy |= others(Some(*id));
            }
            Kind::Unlock(id) | Kind::Break(Some(id)) => {
                self.was_so |= holder != Holder::Held(*id);
                self.was_busy |= others(Some(*id));
            }
            Kind::Break(None) => self.was_so |= holder == Holder::Nobody || self.has_released || self.was_disturbed,
            Kind::Other => {}
        }
    }
}
