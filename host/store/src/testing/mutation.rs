//! Deliberately broken variants of the layout, which exploration must find out; those of the protocol are components
//! (`guest/mutants/protocol`).

use std::sync::atomic::{AtomicU8, Ordering};

/// What the collection of garbage does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutation {
    /// It removes chunk sets whose write may still succeed: the document has not passed the revision that it expects.
    CollectsUnpassed = 1,
    /// It removes chunk sets that a kept revision names.
    CollectsNamed = 2,
}

impl Mutation {
    /// All of them.
    pub const ALL: &[Self] = &[Self::CollectsUnpassed, Self::CollectsNamed];

    /// Its name, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CollectsUnpassed => "chunks-collected-under-way",
            Self::CollectsNamed => "chunks-collected-in-use",
        }
    }

    /// Whether this process has it.
    pub(crate) fn is_chosen(self) -> bool {
        CHOSEN.load(Ordering::Relaxed) == self as u8
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Breaks every layout of this process in this way, or none from now on. For test programs that do nothing else.
pub fn choose(mutation: Option<Mutation>) {
    CHOSEN.store(mutation.map_or(0, |mutation| mutation as u8), Ordering::Relaxed);
}
