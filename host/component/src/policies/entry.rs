//! An entry of the chain: a module, and how the operator wants it used.

use std::sync::Arc;
use std::time::Duration;

use super::PolicyModule;
use super::contract::Operation;

/// What a policy's verdict does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A denial refuses the change.
    #[default]
    Enforce,
    /// A denial is recorded and refuses nothing.
    Warn,
}

/// What becomes of a change whose policy fails: traps, takes too long, wants too much memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It counts as denied.
    #[default]
    Deny,
    /// It counts as allowed.
    Allow,
}

/// What becomes of a write whose resources cannot be counted: the state is encrypted, or too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uncounted {
    /// It counts as denied.
    #[default]
    Deny,
    /// It counts as allowed.
    Allow,
    /// The policy is asked, without counts.
    Ask,
}

/// What a policy needs beside the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The current state's header also on `lock` and `force-unlock`.
    pub current: bool,
    /// On `write`, what it does to the resources.
    pub resources: bool,
    /// The states themselves.
    pub state: bool,
}

impl From<Needs> for super::contract::Needs {
    fn from(Needs { current, resources, state }: Needs) -> Self {
        let flag = |set, flag| if set { flag } else { Self::empty() };
        flag(current, Self::CURRENT) | flag(resources, Self::RESOURCES) | flag(state, Self::STATE)
    }
}

/// Which operations a policy judges. It is not asked of the others, which saves an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// A lock is taken.
    pub lock: bool,
    /// A state is written.
    pub write: bool,
    /// A lock is broken.
    pub force_unlock: bool,
    /// A state is deleted.
    pub delete: bool,
}

impl Operations {
    /// Every operation that there is.
    pub const ALL: Self = Self { lock: true, write: true, force_unlock: true, delete: true };
    /// None.
    pub const NONE: Self = Self { lock: false, write: false, force_unlock: false, delete: false };

    /// Whether `operation` is one of them.
    #[must_use]
    pub fn contains(self, operation: Operation) -> bool {
        match operation {
            Operation::Lock => self.lock,
            Operation::Write => self.write,
            Operation::ForceUnlock => self.force_unlock,
            Operation::Delete => self.delete,
        }
    }
}

impl Default for Operations {
    /// What holds for a module of which nothing else is known.
    fn default() -> Self {
        Self::ALL
    }
}

/// What one review may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The instance's memories, all together; at most [`crate::Limits::memory_bytes`].
    pub memory_bytes: usize,
    /// Time that the module may compute. A clock measures it, so on a busy machine it passes faster than the
    /// module computes.
    pub computing: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 16 << 20, computing: Duration::from_secs(1) }
    }
}

/// Says whether a policy judges changes of the state with that path.
pub type PathFilter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// One policy of the chain.
#[derive(Clone)]
pub struct Entry {
    /// The name by which people know it.
    pub name: Arc<str>,
    /// The module.
    pub module: PolicyModule,
    /// What its verdicts do.
    pub mode: Mode,
    /// What its failures do.
    pub on_error: OnError,
    /// Which states it judges; none: all.
    pub paths: Option<PathFilter>,
    /// Which operations it judges.
    pub operations: Operations,
    /// What it needs.
    pub needs: Needs,
    /// What is done where the resources that it needs cannot be counted.
    pub uncounted: Uncounted,
    /// Its configuration, as the operator wrote it.
    pub configuration: String,
    /// What one review may use.
    pub limits: Limits,
}

impl Entry {
    /// An entry that enforces `module` on all states, with nothing else said.
    #[must_use]
    pub fn new(name: &str, module: PolicyModule) -> Self {
        Self {
            name: name.into(),
            module,
            mode: Mode::default(),
            on_error: OnError::default(),
            paths: None,
            operations: Operations::default(),
            needs: Needs::default(),
            uncounted: Uncounted::default(),
            configuration: String::new(),
            limits: Limits::default(),
        }
    }

    pub(super) fn applies_to(&self, operation: Operation, path: &str) -> bool {
        self.operations.contains(operation) && self.paths.as_ref().is_none_or(|paths| paths(path))
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("module", &self.module).finish_non_exhaustive()
    }
}
