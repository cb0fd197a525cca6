//! The command line. The flags of `serve` are made of the table of settings.

pub mod address_file;
pub mod ask;
pub mod backup;
pub mod completions;
pub mod exit;
pub mod first_token;
mod flowing;
pub mod healthcheck;
pub mod policy;
pub mod providers;
pub mod sandbox;
pub mod state;
pub mod token;
pub mod transfer;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use self::ask::{Ask, Question};
use crate::config::settings::{self, Setting};
use crate::config::{Options, Source};

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Serve states.
    Serve(Serve),
    /// Ask a running server whether it is ready.
    Healthcheck(Flags),
    /// Ask a running server over its socket.
    Ask(Ask),
    /// What needs no server about policies.
    Policy(policy::Task),
    /// Try a component on scenarios.
    Sandbox(sandbox::Task),
    /// States on a running server.
    State(state::Doing),
    /// States that move in numbers.
    Transfer(transfer::Doing),
    /// Print completions for a shell.
    Completions(clap_complete::Shell),
    /// Lock files and mirrors of providers.
    Providers(providers::Task),
    /// Make an entry for `TOKENS_FILE` of a token on standard input.
    TokenHash,
    /// Copy the embedded store into a file.
    BackupCreate(Flags, PathBuf),
    /// Make an embedded store of such a file.
    BackupRestore(Flags, PathBuf),
}

/// `tofu-state serve`.
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    /// The settings that were given as flags.
    pub flags: Flags,
    /// What is no setting.
    pub options: Options,
    /// Where to write the addresses that were bound.
    pub address_file: Option<PathBuf>,
}

/// Settings given as flags, by their long names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags(HashMap<String, String>);

impl Flags {
    /// Gives `read` a source of these flags and of the process's environment.
    pub fn with_environment<T>(&self, read: impl FnOnce(&Source<'_>) -> T) -> T {
        let flag = |name: &str| self.0.get(name).cloned();
        let variable = |name: &str| std::env::var_os(name);
        read(&Source { flag: &flag, variable: &variable })
    }
}

/// Writes a line for a person. There is nobody to tell if that fails.
pub fn say(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

const ABOUT: &str = "A state backend for OpenTofu and Terraform (backend \"http\"), with locking. States lie in OpenBao's \
                     KV v2, or in an embedded store on this machine's disk.";

const SERVE_EXAMPLES: &str = "\
Examples:
  Try it, on this machine only; prints a backend block to paste:
    tofu-state serve --store embedded --make-token
  On this machine's disk:
    API_TOKEN=$(openssl rand -hex 32) tofu-state serve --store embedded --data-dir /var/lib/tofu-state
  In OpenBao:
    API_TOKEN_FILE=/run/secrets/api BAO_TOKEN_FILE=/run/secrets/bao \\
      tofu-state serve --bao-addr https://openbao.example:8200

Every setting can be given in the environment; a flag wins. Every mistake is reported at once.
It ends with status 0 after SIGTERM or SIGINT, 2 if the configuration is wrong, 1 if it cannot start.";

const HASH_HELP: &str = "\
Reads a token from standard input and prints an entry for TOKENS_FILE with its SHA-256.

In the entry, `paths` are globs over a state's path: `*` stays within one segment, `**` does not. `rights` are some of
read, write (lock, write, release one's own lock), unlock (break others' locks), delete, and outputs (read those and nothing else). `expires` is optional.
Two entries may share a name, for two tokens at once during a rotation, or a token, for other rights on other paths.

Example:
  openssl rand -hex 32 | tee ci-token | tofu-state token hash >> tokens.toml";

/// Reads the command line. On a mistake in it, on `--help` and on `--version` it prints and ends the process.
#[must_use]
pub fn parse() -> Command {
    match interpret(command().get_matches()) {
        Some(command) => command,
        // clap asks for a subcommand itself.
        None => command().error(clap::error::ErrorKind::MissingSubcommand, "what to do?").exit(),
    }
}

/// As [`parse`], for tests.
///
/// # Errors
/// clap's mistake, or its help.
pub fn parse_from(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Command, clap::Error> {
    let mut command = command();
    interpret(command.try_get_matches_from_mut(arguments)?)
        .ok_or_else(|| command.error(clap::error::ErrorKind::MissingSubcommand, "what to do?"))
}

fn command() -> clap::Command {
    let serve = clap::Command::new("serve")
        .about("Serve states")
        .after_help(secrets_help())
        .after_long_help(format!("{}\n{SERVE_EXAMPLES}", secrets_help()))
        .args(settings::ALL.iter().filter(|setting| !setting.secret).map(|setting| argument(setting)))
        .arg(Arg::new("make-token").long("make-token").action(ArgAction::SetTrue).help_heading("Callers").help(
            "Make a random API_TOKEN in DATA_DIR/token (or take the one there) and print a backend block that uses \
                 it. Only without another token, and only for this machine: LISTEN_ADDR is 127.0.0.1:8080 then.",
        ))
        .arg(
            Arg::new("address-file")
                .long("address-file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help_heading("Addresses")
                .help("Write the addresses that were bound to this file, as JSON, once they are served."),
        );
    let healthcheck = clap::Command::new("healthcheck")
        .about("Ask the server on this machine whether it is ready; status 0 or 1 (for container probes)")
        .arg(argument(&settings::ADMIN_ADDR));
    let token = clap::Command::new("token")
        .about("Tokens for callers")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(clap::Command::new("hash").about("Make an entry for TOKENS_FILE").long_about(HASH_HELP));
    let policy = clap::Command::new("policy")
        .about("Policies: checking, testing and writing them; and those of a running server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(policy::subcommands())
        .subcommand(asking("list", "Ask a running server which generations of component and policies there are"))
        .subcommand(asking("roll-back", "Have a running server return to the generation before the present one").after_help(
            "It holds until the files change, a reload is asked for, or the server is started again: mend the files.",
        ));
    let providers = clap::Command::new("providers")
        .about("Lock files and mirrors of providers, for many root modules at once")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(providers::subcommands());
    let reload = asking("reload", "Have a running server read its component and policies again").after_help(
        "Everything is checked before any of it serves; what is wrong is told, and what served goes on serving.",
    );
    let file = |name: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf));
        argument.required(true).help(help)
    };
    let backup = clap::Command::new("backup")
        .about("Copies of the embedded store, while no server uses it (for OpenBao: bao operator raft snapshot)")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            clap::Command::new("create")
                .about("Copy the store, with its history, into a file")
                .arg(argument(&settings::DATA_DIR))
                .arg(file("to", "The backup. It holds states, and with them secrets.")),
        )
        .subcommand(
            clap::Command::new("restore")
                .about("Make a store of a backup, in a folder that has none: all of it, or nothing")
                .arg(argument(&settings::DATA_DIR))
                .arg(file("from", "The backup.")),
        );
    let sandbox = clap::Command::new("sandbox")
        .about("Try the component on scenarios: run them, explore every schedule, make one again; without a server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(sandbox::subcommands());
    let all = clap::Command::new("tofu-state")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve)
        .subcommand(state::command())
        .subcommand(transfer::import_command())
        .subcommand(transfer::export_command())
        .subcommand(healthcheck)
        .subcommand(token)
        .subcommand(backup)
        .subcommand(policy)
        .subcommand(sandbox)
        .subcommand(providers)
        .subcommand(reload)
        .subcommand(completions::command());
    flowing::all(all)
}

/// A command for a running server.
fn asking(name: &'static str, about: &'static str) -> clap::Command {
    let setting = &settings::ADMIN_SOCKET;
    clap::Command::new(name)
        .about(about)
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name(setting.value)
                .value_parser(value_parser!(PathBuf))
                .help(format!("The server's socket. [env: {}]", setting.name)),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the server's answer as it is."))
}

fn argument(setting: &Setting) -> Arg {
    let default = setting.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let flag = setting.flag();
    let argument = Arg::new(flag.clone())
        .long(flag)
        .value_name(setting.value)
        .help_heading(setting.heading)
        .help(format!("{} [env: {}]{default}", setting.help, setting.name));
    if setting.value == "true|false" {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    }
}

fn secrets_help() -> String {
    let mut text = "Secrets (environment only; NAME_FILE names a file that holds the secret):\n".to_owned();
    for setting in settings::ALL.iter().filter(|setting| setting.secret) {
        text.push_str(&format!("  {}, {}_FILE\n          {}\n", setting.name, setting.name, setting.help));
    }
    text
}

fn interpret(matches: ArgMatches) -> Option<Command> {
    match matches.subcommand()? {
        ("serve", matches) => Some(Command::Serve(Serve {
            flags: flags(matches, settings::ALL),
            options: Options { make_token: matches.get_flag("make-token") },
            address_file: matches.get_one::<PathBuf>("address-file").cloned(),
        })),
        ("healthcheck", matches) => Some(Command::Healthcheck(flags(matches, &[&settings::ADMIN_ADDR]))),
        ("reload", matches) => Some(ask(Question::Reload, matches)),
        ("policy", matches) => match matches.subcommand()? {
            ("list", matches) => Some(ask(Question::List, matches)),
            ("roll-back", matches) => Some(ask(Question::RollBack, matches)),
            (name, matches) => policy::interpret(name, matches).map(Command::Policy),
        },
        ("sandbox", matches) => {
            let (name, matches) = matches.subcommand()?;
            sandbox::interpret(name, matches).map(Command::Sandbox)
        }
        ("state", matches) => state::interpret(matches).map(Command::State),
        (name @ ("import" | "export"), matches) => transfer::interpret(name, matches).map(Command::Transfer),
        ("completions", matches) => completions::interpret(matches).map(Command::Completions),
        ("providers", matches) => {
            let (name, matches) = matches.subcommand()?;
            providers::interpret(name, matches).map(Command::Providers)
        }
        ("token", _) => Some(Command::TokenHash),
        ("backup", matches) => {
            let (which, matches) = matches.subcommand()?;
            let flags = flags(matches, &[&settings::DATA_DIR]);
            let file = |name: &str| matches.get_one::<PathBuf>(name).cloned();
            Some(if which == "create" {
                Command::BackupCreate(flags, file("to")?)
            } else {
                Command::BackupRestore(flags, file("from")?)
            })
        }
        _ => None,
    }
}

fn ask(question: Question, matches: &ArgMatches) -> Command {
    let socket = matches.get_one::<PathBuf>("socket").cloned();
    Command::Ask(Ask { question, socket, json: matches.get_flag("json") })
}

fn flags(matches: &ArgMatches, settings: &[&Setting]) -> Flags {
    let given = |setting: &&&Setting| -> Option<(String, String)> {
        let flag = setting.flag();
        let value = matches.get_one::<String>(&flag)?.clone();
        Some((flag, value))
    };
    Flags(settings.iter().filter(|setting| !setting.secret).filter_map(|setting| given(&setting)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_but_secrets_is_a_flag_and_all_are_in_the_help() {
        let help = parse_from(["tofu-state", "serve", "--help"]).unwrap_err().to_string();
        for setting in settings::ALL {
            assert!(help.contains(setting.name), "{}", setting.name);
            assert_eq!(
                help.contains(&format!("--{} ", setting.flag())),
                !setting.secret && setting.value != "true|false",
                "{}",
                setting.name
            );
        }
        let refused = parse_from(["tofu-state", "serve", "--api-token", "x"]).unwrap_err();
        assert_eq!(refused.kind(), clap::error::ErrorKind::UnknownArgument);
    }

    #[test]
    fn flags_are_read() {
        let arguments = ["tofu-state", "serve", "--keep-versions", "7", "--tls-terminated", "--make-token"];
        let Command::Serve(serve) = parse_from(arguments).unwrap() else { panic!() };
        assert!(serve.options.make_token);
        assert_eq!(serve.flags.0.get("keep-versions").map(String::as_str), Some("7"));
        assert_eq!(serve.flags.0.get("tls-terminated").map(String::as_str), Some("true"));
        assert_eq!(serve.flags.0.len(), 2);
        assert!(parse_from(["tofu-state"]).is_err());
    }
}
