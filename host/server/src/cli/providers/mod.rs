//! `tofu-state providers`: lock files and mirrors of providers, without a server.

mod arguments;
mod lock;
mod mirror;
mod progress;
mod summary;
mod telling;

use std::io::Write;

use clap::ArgMatches;

pub use lock::{LockTask, Place};
pub use mirror::MirrorTask;
pub(crate) use telling::Spans;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Bring lock files up to date, or check them.
    Lock(LockTask),
    /// Put what root modules need into a folder.
    Mirror(MirrorTask),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All is as it should be.
    Good,
    /// Something is not, and was told.
    Bad,
    /// It could not begin: the command line or a configuration is wrong.
    Wrong,
}

/// The subcommands.
#[must_use]
pub fn subcommands() -> [clap::Command; 2] {
    [lock::command(), mirror::command()]
}

/// The task of a subcommand; none for another's.
#[must_use]
pub fn interpret(name: &str, matches: &ArgMatches) -> Option<Task> {
    match name {
        "lock" => lock::interpret(matches).map(Task::Lock),
        "mirror" => mirror::interpret(matches).map(Task::Mirror),
        _ => None,
    }
}

/// Does it.
pub async fn perform(task: &Task, out: &mut impl Write, err: &mut impl Write) -> End {
    match task {
        Task::Lock(task) => lock::perform(task, out, err).await,
        Task::Mirror(task) => mirror::perform(task, out, err).await,
    }
}
