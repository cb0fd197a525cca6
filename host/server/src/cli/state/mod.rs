//! The command line of `tofu-state state`. What is done stands in `tofu_state_client`.

pub mod server;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tofu_state_client::ask::Answers;
use tofu_state_client::settings::Flags;
use tofu_state_client::state::Task;

const HELP: &str = "\
PATH is a state's path, such as platform/network, on the server that --server names. Without PATH it is the state of
TF_HTTP_ADDRESS, as the CLIs have it. The token comes from TF_HTTP_PASSWORD or --password-file.

What changes a state does so under its lock, as an apply does. A command that was interrupted can be run again: it
knows its own lock again and goes on.";

/// What to do, where, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Doing {
    /// What to do.
    pub task: Task,
    /// Where the server is.
    pub server: Flags,
    /// How questions are answered.
    pub answers: Answers,
    /// Results as JSON.
    pub json: bool,
}

/// `tofu-state state`.
#[must_use]
pub fn command() -> Command {
    let path = || Arg::new("path").value_name("PATH").help("The state's path. [default: that of TF_HTTP_ADDRESS]");
    let this = |name: &'static str, about: &'static str| Command::new(name).about(about).arg(path());
    let needed_path = || path().required(true);
    let commands =
        [
            this("pull", "Print a state's bytes, just as they were sent").arg(
                Arg::new("to")
                    .long("to")
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help("Write them to a file, readable by its owner only."),
            ),
            this("lock", "Lock a state, and leave it locked, until `unlock`").arg(
                Arg::new("reason")
                    .long("reason")
                    .value_name("TEXT")
                    .required(true)
                    .help("Why. Whoever is kept out sees it."),
            ),
            Command::new("unlock")
                .about("Release a lock")
                .arg(needed_path())
                .arg(Arg::new("id").value_name("ID").required(true).help("The lock's ID."))
                .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help(
                    "It is somebody else's, whose run has died: break it. What that run still sends is refused.",
                )),
            this("rm", "Delete a state; its older versions stay on the server"),
        ];
    Command::new("state")
        .about("States on a running server: see, lock, recover and move them")
        .after_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(server::arguments())
        .arg(
            Arg::new("yes")
                .long("yes")
                .short('y')
                .global(true)
                .action(ArgAction::SetTrue)
                .help("Answer every question with yes."),
        )
        .arg(Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Print results as JSON."))
        .subcommands(commands)
}

/// What the command line asks for.
#[must_use]
pub fn interpret(matches: &ArgMatches) -> Option<Doing> {
    let (name, matches) = matches.subcommand()?;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let path = text("path");
    let task = match name {
        "pull" => Task::Pull { path, to: matches.get_one::<PathBuf>("to").cloned() },
        "lock" => Task::Lock { path, reason: text("reason")? },
        "unlock" => Task::Unlock { path, id: text("id")?, force: matches.get_flag("force") },
        "rm" => Task::Rm { path },
        _ => return None,
    };
    let answers = if matches.get_flag("yes") { Answers::Yes } else { Answers::Terminal };
    Some(Doing { task, server: server::flags(matches), answers, json: matches.get_flag("json") })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_from};
    use super::*;

    #[test]
    fn the_commands_are_read() {
        let parse = |arguments: &[&str]| match parse_from(["tofu-state", "state"].iter().chain(arguments)).unwrap() {
            Command::State(doing) => doing,
            other => panic!("{other:?}"),
        };
        let doing = parse(&["unlock", "--server", "http://x", "team/app", "ID", "--force", "--yes"]);
        assert_eq!(doing.task, Task::Unlock { path: Some("team/app".into()), id: "ID".into(), force: true });
        assert_eq!(
            (doing.server.server.as_deref(), doing.answers, doing.json),
            (Some("http://x"), Answers::Yes, false)
        );
        let doing = parse(&["--json", "pull"]);
        assert_eq!(doing.task, Task::Pull { path: None, to: None });
        assert!(doing.json);
        assert!(parse_from(["tofu-state", "state", "lock", "team/app"]).is_err(), "a lock needs a reason");
    }
}
