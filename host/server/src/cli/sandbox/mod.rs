//! `tofu-state sandbox`: scenarios run, explored and replayed on a component, without a server, a network or a clock.

mod arguments;
mod explore;
mod recorded;
mod replay;
mod run;
mod under_test;

use std::io::Write;

pub use self::arguments::{Explore, Format, Given, Replay, Run, interpret, subcommands};
use super::say;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Make the steps of scenarios.
    Run(Run),
    /// Cover the schedules of scenarios.
    Explore(Explore),
    /// Make a schedule, or a recorded request, again.
    Replay(Replay),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Fine,
    /// Something is not as expected, or a rule is broken.
    Broken,
    /// Nothing could be tried: a file is wrong.
    Wrong,
}

impl Verdict {
    /// The process's exit status.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Broken => 1,
            Self::Wrong => 2,
        }
    }
}

/// Does it. What is wrong has been told.
pub fn perform(task: &Task, out: &mut impl Write, err: &mut impl Write) -> Verdict {
    let done = match task {
        Task::Run(task) => run::run(task, out),
        Task::Explore(task) => explore::explore(task, out, err),
        Task::Replay(task) => replay::replay(task, out, err),
    };
    done.unwrap_or_else(|why| {
        say(err, &format!("tofu-state: {why}"));
        Verdict::Wrong
    })
}
