//! The list of mutants.

macro_rules! mutants {
    ($($(#[doc = $rule:literal])+ $variant:ident = $name:literal,)+) => {
        /// A broken variant of the protocol: what it does not do, or does instead.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[doc = $rule])+ $variant,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, for files and messages.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub fn does(self) -> &'static str {
                match self { $(Self::$variant => concat!($($rule,)+).trim_ascii(),)+ }
            }
        }
    };
}

mutants! {
    /// A released lock is deleted in the store, which takes no revision.
    ReleaseByDelete = "release-by-delete",
    /// A lock is taken without a compare-and-set: whoever saw it free writes.
    LockWithoutCas = "lock-without-cas",
    /// An UNLOCK releases whatever lock is held, whoever's ID it names.
    UnlockOfAnyId = "unlock-of-any-id",
    /// A LOCK of an ID that was released already, a late duplicate, is granted.
    LateLockAccepted = "late-lock-accepted",
    /// A LOCK by the lock's holder, a replay, is refused.
    LockReplayRefused = "lock-replay-refused",
    /// An UNLOCK of what is unlocked already, a replay, is refused.
    UnlockReplayRefused = "unlock-replay-refused",
    /// LOCK_TTL takes over from a holder who has just written: only the LOCK counts as a sign of life.
    TakeoverDespiteWrites = "takeover-despite-writes",
    /// LOCK_TTL gives the lock to the next one at once: no "broken" record, no fence.
    TakeoverInOneStep = "takeover-in-one-step",
    /// A broken lock is not followed by a fence.
    BreakWithoutFence = "break-without-fence",
    /// The fence comes before the lock is broken, and not after.
    FenceBeforeBreak = "fence-before-break",
    /// Where there is no state yet there is no fence.
    NoFenceWithoutState = "no-fence-without-state",
    /// A LOCK that finds a broken lock takes it without a fence: its breaker has surely made one.
    BrokenLockTakenUnfenced = "broken-lock-taken-unfenced",
    /// The lock is read before the state's revision, and not after it.
    LockReadFirst = "lock-read-first",
    /// A write checks the lock as the server remembers it.
    LockFromMemory = "lock-from-memory",
    /// A POST with another's lock ID, or with none, is accepted while the state is locked.
    PostWithoutHolderCheck = "post-without-holder-check",
    /// A DELETE is accepted while the state is locked by another.
    DeleteWithoutHolderCheck = "delete-without-holder-check",
    /// A write under a lock that is held no longer is accepted where nobody holds one.
    GoneLockAccepted = "gone-lock-accepted",
    /// A write expects whatever revision is there when it is made.
    ExpectedRevisionIgnored = "expected-revision-ignored",
    /// A lock's holder whose write loses its compare-and-set writes over what won, without a check.
    LostRaceRetriedUnchecked = "lost-race-retried-unchecked",
    /// A lower serial under the same lock, a late copy of an earlier write, is accepted.
    LowerSerialAccepted = "lower-serial-accepted",
    /// A POST of what is there already, a replay, is refused.
    PostReplayRefused = "post-replay-refused",
    /// DELETE deletes in the store, which takes no revision.
    DeleteInStore = "delete-in-store",
    /// A write whose answer did not come in time is acknowledged.
    UnknownIsDone = "unknown-is-done",
    /// A store that cannot be reached has no state.
    UnavailableIsEmpty = "unavailable-is-empty",
}
