//! The command lines of `tofu-state import` and `tofu-state export`. What is done stands in `tofu_state_client`.

mod sources;

use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use regex::Regex;
use tofu_state_client::Error;
use tofu_state_client::settings::{Flags, Settings};
use tofu_state_client::transfer::export::{to_folder, to_tar};
use tofu_state_client::transfer::import::{Import, import};
use tofu_state_client::transfer::naming::Naming;
use tofu_state_client::transfer::report::{Outcome, Report};
use tofu_state_client::transfer::source::server::Server;

use self::sources::From;
use super::say;
use super::state::server;

const IMPORT_HELP: &str = "\
Without --apply nothing is written: the source is read, the server is asked what is there, and the report says what
would be done. With it, each state that is not there yet is written under its lock, with its serial and lineage, and
read again; bytes have to be the same. A state that is there already is never touched: the same bytes are `present`,
others a CONFLICT. So it can be run again, after an interruption or when a conflict is settled. The source is only read.

Names become paths: --rename first, then --strip, then `.tfstate`, `/terraform.tfstate` and `/default.tfstate` go from
the end, then --into comes before all of it. Status 0: no conflict, nothing invalid, nothing failed.

Examples:
  tofu-state import folder ./states --into platform
  tofu-state import s3 --bucket states --prefix prod/ --strip prod --apply
  tofu-state import gitlab --url https://gitlab.example.com --project platform/network --into platform --apply
  tofu-state import kv --mount secret --prefix terraform --field state --strip terraform --apply
  tofu-state import consul --prefix terraform/ --strip terraform --rename '-env:' - --apply";

const EXPORT_HELP: &str = "\
Reads every state that the token may read, while the server serves, and writes each into a file of its own, with a
manifest (states.json) last. Each state is whole, but they are not all of one moment; locks and older versions are not
in it. Bring it back with `tofu-state import folder` or `tofu-state import tar`. The files hold secrets.

Examples:
  tofu-state export tar states.tar
  tofu-state export folder ./platform --prefix platform";

/// An import or an export.
#[derive(Debug)]
pub struct Doing {
    /// The server that is written, or read.
    pub server: Flags,
    task: Task,
    parallel: usize,
    json: bool,
}

#[derive(Debug)]
enum Task {
    Import { from: From, naming: Naming, apply: bool },
    Export { prefix: String, to: To },
}

#[derive(Debug)]
enum To {
    Folder(PathBuf),
    Tar(PathBuf),
}

/// `tofu-state import`.
#[must_use]
pub fn import_command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).default_value("").hide_default_value(true).global(true).help(help)
    };
    Command::new("import")
        .about("Bring states to a server: from files, S3, GitLab, Consul, another http backend, a KV version 2")
        .after_help(IMPORT_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(server::arguments())
        .arg(flag("apply", "Write. Without it, nothing is."))
        .arg(text("strip", "PREFIX", "What names begin with, and paths shall not; whole segments."))
        .arg(text("into", "PREFIX", "What is put before every path."))
        .arg(
            Arg::new("rename")
                .long("rename")
                .value_names(["REGEX", "BY"])
                .num_args(2)
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
                .global(true)
                .help("Replace in names, such as '^env:/([^/]+)/(.+)$' '$2-$1'. May be given several times."),
        )
        .args(common())
        .subcommands(sources::commands())
}

/// `tofu-state export`.
#[must_use]
pub fn export_command() -> Command {
    let to = |name: &'static str, about: &'static str| {
        let to = Arg::new("to").value_name("TO").required(true).value_parser(value_parser!(PathBuf));
        Command::new(name).about(about).arg(to.help("Where the states go."))
    };
    Command::new("export")
        .about("Write all states of a running server into a folder or an archive")
        .after_help(EXPORT_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(server::arguments())
        .arg(
            Arg::new("prefix")
                .long("prefix")
                .value_name("PATH")
                .default_value("")
                .hide_default_value(true)
                .global(true)
                .help("Only states below this path."),
        )
        .args(common())
        .subcommand(to("folder", "A file for each state, in a folder that holds no finished export"))
        .subcommand(to("tar", "One archive, whole or not at all"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).global(true).help(help)
}

fn common() -> [Arg; 2] {
    let parallel = Arg::new("parallel").long("parallel").value_name("NUMBER").default_value("8").global(true);
    [
        parallel.value_parser(value_parser!(u16).range(1..=64)).help("How many states are worked on at once."),
        flag("json", "Print the report as JSON."),
    ]
}

/// What the command line asks for.
#[must_use]
pub fn interpret(command: &str, matches: &ArgMatches) -> Option<Doing> {
    let (name, matches) = matches.subcommand()?;
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let task = if command == "import" {
        let words = matches.get_occurrences::<String>("rename").into_iter().flatten();
        let pairs: Vec<_> = words.map(|words| words.cloned().collect::<Vec<_>>()).collect();
        let rename = pairs.iter().filter_map(|pair| match pair.as_slice() {
            [pattern, by] => Some((pattern.clone(), by.clone())),
            _ => None,
        });
        // A pattern that is none ends the command as any other mistake in it does.
        let rename = rename.map(|(pattern, by)| match Regex::new(&pattern) {
            Ok(pattern) => (pattern, by),
            Err(error) => {
                let mistake = format!("--rename: {error}\n");
                import_command().error(clap::error::ErrorKind::ValueValidation, mistake).exit()
            }
        });
        let naming = Naming { strip: text("strip"), into: text("into"), rename: rename.collect() };
        Task::Import { from: sources::interpret(name, matches)?, naming, apply: matches.get_flag("apply") }
    } else {
        let to = matches.get_one::<PathBuf>("to")?.clone();
        Task::Export { prefix: text("prefix"), to: if name == "tar" { To::Tar(to) } else { To::Folder(to) } }
    };
    let parallel = usize::from(*matches.get_one::<u16>("parallel")?);
    Some(Doing { server: server::flags(matches), task, parallel, json: matches.get_flag("json") })
}

/// Does it, and writes the report to `out`.
///
/// # Errors
/// A sentence: it could not be done, or the report tells of states that somebody has to look at.
pub async fn perform(doing: &Doing, settings: &Settings, out: &mut impl Write) -> Result<(), Error> {
    let report = match &doing.task {
        Task::Import { from, naming, apply } => {
            let source = sources::open(from, &|name| std::env::var_os(name))?;
            let import_it = Import {
                source: source.as_ref(),
                naming: naming.clone(),
                settings,
                apply: *apply,
                parallel: doing.parallel,
            };
            import(&import_it).await?
        }
        Task::Export { prefix, to } => {
            let source = Server::new(settings.clone(), prefix)?;
            match to {
                To::Folder(folder) => to_folder(&source, folder, doing.parallel).await?,
                To::Tar(file) => to_tar(&source, file, doing.parallel).await?,
            }
        }
    };
    print(&report, doing.json, out)?;
    match report.count(Outcome::is_bad) {
        0 => Ok(()),
        bad => Err(Error::other(format!("{bad} of {} states need a look, see the report", report.states.len()))),
    }
}

fn print(report: &Report, json: bool, out: &mut impl Write) -> Result<(), Error> {
    if json {
        let text = serde_json::to_string_pretty(report).map_err(|error| Error::other(error.to_string()))?;
        say(out, &text);
    } else {
        say(out, &report.text());
    }
    Ok(())
}
