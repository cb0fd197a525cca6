//! The command line of `tofu-state state quarantine`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use tofu_state_client::state::Quarantine;

use super::{flag, path, prefix, to_file};

const HELP: &str = "\
SHA256 is the refused state's, or the first six digits of it or more, as `list` shows it. `accept` writes it as any
other state is written, under the lock, and the policies are asked again: change the policy first, or say --overrule,
which needs the right to break locks.";

pub(super) fn command() -> Command {
    let new = |name: &'static str, about: &'static str| {
        let digest = Arg::new("digest").value_name("SHA256").required(true).help("Which one.");
        Command::new(name).about(about).arg(path()).arg(digest)
    };
    Command::new("quarantine")
        .about("States that a policy refused: see, accept or discard them")
        .after_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("List them").arg(prefix()))
        .subcommand(new("pull", "Print the bytes of one").arg(to_file()))
        .subcommand(
            new("accept", "Make one the present state").arg(flag("overrule", "Also if a policy denies it still.")),
        )
        .subcommand(new("discard", "Throw one away for good"))
}

pub(super) fn interpret(name: &str, matches: &ArgMatches) -> Option<Quarantine> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    Some(match name {
        "list" => Quarantine::List { prefix: text("prefix")? },
        "pull" => {
            let to = matches.get_one::<PathBuf>("to").cloned();
            Quarantine::Pull { path: text("path")?, digest: text("digest")?, to }
        }
        "accept" => {
            Quarantine::Accept { path: text("path")?, digest: text("digest")?, overrule: matches.get_flag("overrule") }
        }
        "discard" => Quarantine::Discard { path: text("path")?, digest: text("digest")? },
        _ => return None,
    })
}
