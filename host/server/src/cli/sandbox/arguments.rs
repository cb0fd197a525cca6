//! The command line of `tofu-state sandbox`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::Task;

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The component's file; none: the one that is built in.
    pub component: Option<PathBuf>,
    /// The component of every server but a scenario's first one; none: the same.
    pub swapped: Option<PathBuf>,
    /// The policy file; none: no policies.
    pub policies: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// JUnit's XML.
    Junit,
}

/// `tofu-state sandbox run`.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Scenario files, and folders of them.
    pub scenarios: Vec<PathBuf>,
    /// What is tried.
    pub given: Given,
    /// How results are printed.
    pub format: Format,
    /// Show the store's calls, too.
    pub calls: bool,
}

/// `tofu-state sandbox explore`.
#[derive(Debug, PartialEq, Eq)]
pub struct Explore {
    /// Scenario files, and folders of them.
    pub scenarios: Vec<PathBuf>,
    /// What is tried.
    pub given: Given,
    /// How results are printed.
    pub format: Format,
    /// States to visit at most, in each scenario.
    pub max_states: Option<u64>,
    /// Schedules to see the end of at most, in each scenario.
    pub max_schedules: Option<u64>,
    /// How long to search at most, in each scenario.
    pub time: Option<Duration>,
    /// So many faults in each schedule, whatever the scenario says.
    pub faults: Option<u8>,
    /// Try every order, also of calls that have nothing to do with each other.
    pub every_order: bool,
    /// That something was not covered counts as broken.
    pub all: bool,
    /// Draw what breaks a rule as SVG, too.
    pub svg: bool,
    /// Where replay files and drawings go.
    pub folder: PathBuf,
}

/// `tofu-state sandbox replay`.
#[derive(Debug, PartialEq, Eq)]
pub struct Replay {
    /// The file.
    pub file: PathBuf,
    /// What is tried.
    pub given: Given,
    /// Where to draw it as SVG.
    pub svg: Option<PathBuf>,
}

const RUN_HELP: &str = "\
Makes each scenario's [[step]]s, one after the other, on a component and a store in memory, with the faults that the
scenario sets at chosen calls, and compares replies and store with what is expected. docs/sandbox.md tells what a
scenario may say. There is no network and no clock: the same comes of it every time.

Status 0: all as expected; 1: something is not; 2: a file is wrong.";

const EXPLORE_HELP: &str = "\
Covers every order in which the store's calls of each scenario's [[client]]s can happen, with as many crashes and lost
acknowledgements as the scenario allows, and checks in every state that no rule is broken: at most one holder, no
acknowledged write lost, no reply that claims what is not so, … (docs/sandbox.md). The first schedule that breaks one is
cut to the steps that it needs, printed as a sequence diagram and saved for `tofu-state sandbox replay`.

What a bound leaves out is told. Status 0: no rule is broken; 1: one is (or with --all, something was left out); 2: a
file is wrong.";

const REPLAY_HELP: &str = "\
Makes a schedule that was saved by `explore` again, step by step, and prints it. Status 0: it breaks the same rule
again; 1: it does not, which is what one hopes of a component that was mended; 2: the file is wrong.";

/// The subcommands.
#[must_use]
pub fn subcommands() -> [clap::Command; 3] {
    let path = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
    };
    let given = || {
        [
            path("component", "FILE").help("The protocol component (.wasm) [default: the one that is built in]"),
            path("policies", "FILE").help("The policies, as POLICY_FILE names them [default: none]"),
        ]
    };
    let scenarios = || {
        Arg::new("scenario")
            .value_name("SCENARIO")
            .required(true)
            .num_args(1..)
            .value_parser(value_parser!(PathBuf))
            .help("Scenario files (TOML), and folders of them")
    };
    let swapped = || {
        path("swap-to", "FILE").help(
            "The component of every server but each scenario's first one: as in the middle of a swap [default: the same]",
        )
    };
    let format = || {
        let format = Arg::new("format").long("format").value_parser(["text", "json", "junit"]).default_value("text");
        format.help("How to print the results")
    };
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("NUMBER").value_parser(value_parser!(u64).range(1..)).help(help)
    };
    [
        clap::Command::new("run")
            .about("Make the steps of scenarios, and compare what comes of them with what is expected")
            .long_about(RUN_HELP)
            .args(given())
            .arg(swapped())
            .arg(format())
            .arg(Arg::new("calls").long("calls").action(ArgAction::SetTrue).help("Show the store's calls, too"))
            .arg(scenarios()),
        clap::Command::new("explore")
            .about("Cover every schedule of scenarios' clients, and check that no rule is broken")
            .long_about(EXPLORE_HELP)
            .args(given())
            .arg(swapped())
            .arg(format())
            .arg(number("max-states", "Visit so many states at most, in each scenario"))
            .arg(number("max-schedules", "See the end of so many schedules at most, in each scenario"))
            .arg(
                Arg::new("time")
                    .long("time")
                    .value_name("DURATION")
                    .value_parser(|text: &str| humantime::parse_duration(text).map_err(|error| error.to_string()))
                    .help("Search for so long at most, in each scenario (90s, 10m)"),
            )
            .arg(
                Arg::new("faults")
                    .long("faults")
                    .value_name("NUMBER")
                    .value_parser(value_parser!(u8).range(..=8))
                    .help("So many faults in each schedule at most, whatever the scenario says"),
            )
            .arg(
                Arg::new("every-order").long("every-order").action(ArgAction::SetTrue).help(
                    "Try every order also of what has nothing to do with each other (no partial-order reduction)",
                ),
            )
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Fail if something was not covered"))
            .arg(Arg::new("svg").long("svg").action(ArgAction::SetTrue).help("Draw what breaks a rule as SVG, too"))
            .arg(path("out", "FOLDER").default_value(".").help("Where replay files and drawings go"))
            .arg(scenarios()),
        clap::Command::new("replay")
            .about("Make a schedule that was saved by explore again")
            .long_about(REPLAY_HELP)
            .args(given())
            .arg(swapped())
            .arg(path("svg", "FILE").help("Draw it as SVG into this file"))
            .arg(Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf))),
    ]
}

/// The task of a subcommand; none for another's.
#[must_use]
pub fn interpret(name: &str, matches: &ArgMatches) -> Option<Task> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let scenarios = || matches.get_many::<PathBuf>("scenario").map(|files| files.cloned().collect());
    let given = Given { component: path("component"), swapped: path("swap-to"), policies: path("policies") };
    match name {
        "run" => Some(Task::Run(Run {
            scenarios: scenarios()?,
            given,
            format: format(matches),
            calls: matches.get_flag("calls"),
        })),
        "explore" => Some(Task::Explore(Explore {
            scenarios: scenarios()?,
            given,
            format: format(matches),
            max_states: matches.get_one("max-states").copied(),
            max_schedules: matches.get_one("max-schedules").copied(),
            time: matches.get_one("time").copied(),
            faults: matches.get_one("faults").copied(),
            every_order: matches.get_flag("every-order"),
            all: matches.get_flag("all"),
            svg: matches.get_flag("svg"),
            folder: path("out")?,
        })),
        "replay" => Some(Task::Replay(Replay { file: path("file")?, given, svg: path("svg") })),
        _ => None,
    }
}

fn format(matches: &ArgMatches) -> Format {
    match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => Format::Json,
        Some("junit") => Format::Junit,
        _ => Format::Text,
    }
}
