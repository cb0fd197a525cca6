//! `tofu-state policy`: what operators and authors of policies need without a server.

mod cases;
mod check;
mod new;
mod run;

use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use super::{Flags, argument, flags, say};
use crate::config::settings::{self, Setting};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Check a policy file, or a module, as a server with these settings does before it uses it.
    Check(PathBuf, Flags),
    /// Let a module judge cases.
    Test(PathBuf, Format),
    /// Write a template for a module.
    New(String),
}

/// How the results of cases are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// The settings of a server that matter for a policy file.
const SETTINGS: [&Setting; 4] =
    [&settings::MODULE_PUBLIC_KEY, &settings::MODULE_CACHE_DIR, &settings::OCI_CREDENTIALS_FILE, &settings::OCI_CACERT];

const CHECK_HELP: &str = "\
Does all that a server does before it uses FILE: size, SHA-256, signature (with MODULE_PUBLIC_KEY), imports,
instantiation, the module's own examples, its configuration. Modules from registries are pulled into MODULE_CACHE_DIR. Lists every policy with its digest. FILE may also be a module (.wasm) alone: then its SHA-256 is printed
as an entry for a policy file. Status 0: a server would take it. Status 1: it would not, and every reason is told.";

const TEST_HELP: &str = "\
Lets a module judge changes, and compares its verdicts with those expected. Status 1 if one differs.

  module = \"target/wasm32-wasip2/release/weekdays.wasm\"      # or builtin = \"freeze\"
  configuration = '''…'''

  [[case]]
  name = \"an apply on a Saturday\"
  expect = \"deny\"                                  # or \"allow\", \"warn\"
  reason = \"frozen\"                                # must occur in the reason; optional
  change = { operation = \"lock\", received = \"2026-01-17T12:00:00Z\", lock = { operation = \"OperationTypeApply\" } }

The README tells what else a change may say. Paths begin at the folder of CASES.";

/// The subcommands.
#[must_use]
pub fn subcommands() -> [clap::Command; 3] {
    let file =
        |name: &'static str| Arg::new("file").value_name(name).required(true).value_parser(value_parser!(PathBuf));
    let format = Arg::new("format").long("format").value_parser(["text", "json"]).default_value("text");
    [
        clap::Command::new("check")
            .about("Check a policy file or a module, as a server does before it uses it")
            .long_about(CHECK_HELP)
            .args(SETTINGS.map(argument))
            .arg(file("FILE")),
        clap::Command::new("test")
            .about("Let a module judge cases, and compare its verdicts with those expected")
            .long_about(TEST_HELP)
            .arg(file("CASES.toml"))
            .arg(format.help("How to print the results")),
        clap::Command::new("new")
            .about("Write a template for a policy module in Rust")
            .arg(Arg::new("name").value_name("NAME").required(true).help("a-z, 0-9 and `-`; the folder's name, too")),
    ]
}

/// The task of a subcommand; none for another's.
#[must_use]
pub fn interpret(name: &str, matches: &ArgMatches) -> Option<Task> {
    let file = || matches.get_one::<PathBuf>("file").cloned();
    match name {
        "check" => Some(Task::Check(file()?, flags(matches, &SETTINGS))),
        "test" => {
            let json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
            Some(Task::Test(file()?, if json { Format::Json } else { Format::Text }))
        }
        "new" => Some(Task::New(matches.get_one::<String>("name")?.clone())),
        _ => None,
    }
}

/// Does it. Returns whether all is well; what is not has been told.
pub fn perform(task: &Task, out: &mut impl Write, err: &mut impl Write) -> bool {
    let done = match task {
        Task::Check(file, flags) => check::check(file, flags, out, err),
        Task::Test(file, format) => run::test(file, *format, out),
        Task::New(name) => new::create(std::path::Path::new("."), name, out).map(|()| true),
    };
    done.unwrap_or_else(|why| {
        say(err, &format!("tofu-state: {why}"));
        false
    })
}
