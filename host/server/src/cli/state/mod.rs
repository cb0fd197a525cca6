//! The command line of `tofu-state state`. What is done stands in `tofu_state_client`.

mod quarantine;
pub mod server;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tofu_state_client::ask::Answers;
use tofu_state_client::settings::Flags;
use tofu_state_client::state::Task;

const HELP: &str = "\
PATH is a state's path, such as platform/network, on the server that --server names. Where it may be left out, it is
that of TF_HTTP_ADDRESS, as the CLIs have it. The token comes from TF_HTTP_PASSWORD or --password-file.

What changes a state does so under its lock, as an apply does. A command that was interrupted can be run again: it
knows its own lock again and goes on.";

const RESTORE_HELP: &str = "\
Takes the lock, shows what would change, and asks. Then the old version is written with the same lineage and the
present serial + 1; nothing else in it is touched. A restore that is interrupted leaves the old state or the new one,
and can be run again. The version that is replaced stays, and can be restored in turn.

Infrastructure is not changed: `tofu plan` then shows what is to be done, or what has to be imported.";

const MV_HELP: &str = "\
Copies the state and its older versions under the locks of both paths, compares bytes, and deletes the old one. The
older versions of the old path stay there, too; who wrote them and when is told there only. Then change the address in
the backend block, and run `tofu init -reconfigure`.";

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

fn path() -> Arg {
    Arg::new("path").value_name("PATH").required(true).help("The state's path.")
}

fn own_path() -> Arg {
    path().required(false).help("The state's path. [default: that of TF_HTTP_ADDRESS]")
}

fn prefix() -> Arg {
    Arg::new("prefix").value_name("PREFIX").default_value("").hide_default_value(true).help("Only below this path.")
}

fn to_file() -> Arg {
    let to = Arg::new("to").long("to").value_name("FILE").value_parser(value_parser!(PathBuf));
    to.help("Write to a file that its owner alone can read.")
}

fn revision(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name("REVISION").value_parser(value_parser!(u64).range(1..)).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// `tofu-state state`.
#[must_use]
pub fn command() -> Command {
    let new = |name: &'static str, about: &'static str| Command::new(name).about(about);
    let commands = [
        new("list", "List states: serial, size, last write, lock")
            .arg(prefix())
            .arg(flag("deleted", "Also those that were deleted; their versions can be restored.")),
        new("versions", "List the versions of a state that can be had").arg(own_path()),
        new("show", "Tell what is known of a state, and who holds its lock").arg(own_path()),
        new("diff", "Tell what differs between two versions, by resource and attribute")
            .arg(path())
            .arg(revision("from", "The older version. [default: the one before the newer]"))
            .arg(revision("until", "The newer version. [default: the present one]"))
            .arg(flag("sensitive", "Also values that are sensitive.")),
        new("pull", "Print a state's bytes, just as they were sent")
            .arg(own_path())
            .arg(revision("revision", "Which version. [default: the present one]").long("revision"))
            .arg(to_file()),
        new("restore", "Make an older version the present one")
            .after_help(RESTORE_HELP)
            .arg(path())
            .arg(revision("revision", "Which version, see `versions`.").required(true))
            .arg(flag("other-lineage", "Also if it comes from elsewhere: it has another lineage.")),
        new("mv", "Move a state to another path, with its older versions")
            .after_help(MV_HELP)
            .arg(Arg::new("from").value_name("FROM").required(true).help("The state's path."))
            .arg(Arg::new("onto").value_name("TO").required(true).help("Its new path."))
            .arg(flag("no-history", "Leave its older versions behind.")),
        new("rm", "Delete a state; its older versions stay on the server").arg(own_path()),
        new("lock", "Lock a state, and leave it locked, until `unlock`").arg(own_path()).arg(
            Arg::new("reason")
                .long("reason")
                .value_name("TEXT")
                .required(true)
                .help("Why. Whoever is kept out sees it."),
        ),
        new("unlock", "Release a lock")
            .arg(path())
            .arg(Arg::new("id").value_name("ID").required(true).help("The lock's ID."))
            .arg(flag(
                "force",
                "It is somebody else's, whose run has died: break it. What that run still sends is refused.",
            )),
        quarantine::command(),
    ];
    new("state", "States on a running server: see, lock, recover and move them")
        .after_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(server::arguments())
        .arg(flag("yes", "Answer every question with yes.").short('y').global(true))
        .arg(flag("json", "Print results as JSON.").global(true))
        .subcommands(commands)
}

/// What the command line asks for.
#[must_use]
pub fn interpret(matches: &ArgMatches) -> Option<Doing> {
    let (name, matches) = matches.subcommand()?;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let task = match name {
        "list" => Task::List { prefix: text("prefix")?, deleted: matches.get_flag("deleted") },
        "versions" => Task::Versions { path: text("path") },
        "show" => Task::Show { path: text("path") },
        "diff" => Task::Diff {
            path: text("path")?,
            from: number("from"),
            to: number("until"),
            sensitive: matches.get_flag("sensitive"),
        },
        "pull" => {
            let to = matches.get_one::<PathBuf>("to").cloned();
            Task::Pull { path: text("path"), revision: number("revision"), to }
        }
        "restore" => Task::Restore {
            path: text("path")?,
            revision: number("revision")?,
            other_lineage: matches.get_flag("other-lineage"),
        },
        "mv" => Task::Mv { from: text("from")?, to: text("onto")?, history: !matches.get_flag("no-history") },
        "rm" => Task::Rm { path: text("path") },
        "lock" => Task::Lock { path: text("path"), reason: text("reason")? },
        "unlock" => Task::Unlock { path: text("path"), id: text("id")?, force: matches.get_flag("force") },
        "quarantine" => {
            let (name, matches) = matches.subcommand()?;
            return Some(doing(Task::Quarantine(quarantine::interpret(name, matches)?), matches));
        }
        _ => return None,
    };
    Some(doing(task, matches))
}

fn doing(task: Task, matches: &ArgMatches) -> Doing {
    let answers = if matches.get_flag("yes") { Answers::Yes } else { Answers::Terminal };
    Doing { task, server: server::flags(matches), answers, json: matches.get_flag("json") }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_from};
    use super::*;
    use tofu_state_client::state::Quarantine;

    fn parse(arguments: &[&str]) -> Doing {
        match parse_from(["tofu-state", "state"].iter().chain(arguments)).unwrap() {
            Command::State(doing) => doing,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_commands_are_read() {
        let doing = parse(&["unlock", "--server", "http://x", "team/app", "ID", "--force", "--yes"]);
        assert_eq!(doing.task, Task::Unlock { path: Some("team/app".into()), id: "ID".into(), force: true });
        assert_eq!(
            (doing.server.server.as_deref(), doing.answers, doing.json),
            (Some("http://x"), Answers::Yes, false)
        );
        let doing = parse(&["--json", "pull", "--revision", "4"]);
        assert_eq!(doing.task, Task::Pull { path: None, revision: Some(4), to: None });
        assert!(doing.json);
        let doing = parse(&["diff", "team/app", "4"]);
        let expected = Task::Diff { path: "team/app".into(), from: Some(4), to: None, sensitive: false };
        assert_eq!(doing.task, expected);
        let doing = parse(&["quarantine", "discard", "team/app", "abcdef", "-y"]);
        let expected = Quarantine::Discard { path: "team/app".into(), digest: "abcdef".into() };
        assert_eq!((doing.task, doing.answers), (Task::Quarantine(expected), Answers::Yes));
    }

    #[test]
    fn what_is_missing_is_a_mistake() {
        for wrong in [&["lock", "team/app"][..], &["restore", "team/app"], &["restore", "team/app", "0"], &["mv", "a"]]
        {
            assert!(parse_from(["tofu-state", "state"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
