//! The command line, and what follows from it: which layers are measured, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, value_parser};

/// What the program is to do.
pub(crate) enum Command {
    /// Measure.
    Measure(Plan),
    /// Be the server on a store in memory that the embedded one is compared with, see `server/memory.rs`.
    ServeFromMemory,
}

/// A layer that is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Engine,
    Dispatch,
    Drivers,
    Server,
}

impl Layer {
    const ALL: [Self; 4] = [Self::Engine, Self::Dispatch, Self::Drivers, Self::Server];

    fn of(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::Engine),
            "b" => Some(Self::Dispatch),
            "c" => Some(Self::Drivers),
            "d" => Some(Self::Server),
            _ => None,
        }
    }
}

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The layers, in their order.
    pub(crate) layers: Vec<Layer>,
    /// A minute or so instead of several.
    pub(crate) quick: bool,
    /// The `tofu-state` binary.
    pub(crate) server: PathBuf,
    /// Where the results go.
    pub(crate) results: PathBuf,
}

impl Plan {
    /// Whether all layers are measured; only then are results written.
    pub(crate) fn is_whole(&self) -> bool {
        self.layers == Layer::ALL
    }

    /// How often each side of a comparison has its turn.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    /// How long one turn of a small thing is.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 60 } else { 150 })
    }

    /// How often each side has its turn with a server.
    pub(crate) fn server_rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// How long one turn of clients of a server is.
    pub(crate) fn server_turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 1000 })
    }
}

/// Reads the command line. On a mistake in it and on `--help` it prints and ends the process.
pub(crate) fn parse() -> Command {
    let matches = command().get_matches();
    if matches.get_flag("serve-from-memory") {
        return Command::ServeFromMemory;
    }
    let layers = match matches.get_one::<String>("layer") {
        Some(letter) => Layer::of(letter).into_iter().collect(),
        None => Layer::ALL.to_vec(),
    };
    let given = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    Command::Measure(Plan {
        layers,
        quick: matches.get_flag("quick"),
        server: given("server").unwrap_or_else(beside_this_program),
        results: given("results").unwrap_or_else(|| PathBuf::from("bench/results")),
    })
}

fn command() -> clap::Command {
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    clap::Command::new("tofu-state-bench")
        .about("Measures tofu-state layer by layer, each against its floor in the same run")
        .arg(
            Arg::new("layer")
                .long("layer")
                .value_name("LETTER")
                .value_parser(["a", "b", "c", "d"])
                .help("Measure one layer only: a engine, b dispatch, c drivers, d server. Writes no results"),
        )
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .help("Fewer and shorter rounds, and fewer cells"),
        )
        .arg(path("server").value_name("FILE").help("The server to measure [default: tofu-state beside this program]"))
        .arg(path("results").value_name("FOLDER").help("Where the results go [default: bench/results]"))
        .arg(Arg::new("serve-from-memory").long("serve-from-memory").action(ArgAction::SetTrue).hide(true))
}

/// Both are built into the same folder.
fn beside_this_program() -> PathBuf {
    std::env::current_exe().map(|program| program.with_file_name("tofu-state")).unwrap_or_else(|_| "tofu-state".into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }
}
