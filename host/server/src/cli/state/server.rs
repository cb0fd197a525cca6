//! Which server a command speaks to: the flags.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use tofu_state_client::settings::{CA, Flags, PASSWORD, SERVER, USERNAME};

/// The heading of these flags.
const HEADING: &str = "Server";

/// The flags, for a command and all below it.
#[must_use]
pub fn arguments() -> [Arg; 4] {
    let argument = |name: &'static str, value: &'static str, help: String| {
        Arg::new(name).long(name).value_name(value).help(help).help_heading(HEADING).global(true)
    };
    let file = |name, help| argument(name, "FILE", help).value_parser(value_parser!(PathBuf));
    [
        argument(
            "server",
            "URL",
            format!(
                "The server's address, without a state's path. [env: {SERVER}] [default: scheme, host and port of \
                 TF_HTTP_ADDRESS]"
            ),
        ),
        argument("username", "NAME", format!("The user's name; any will do for a token. [env: {USERNAME}]")),
        file("password-file", format!("A file with the token. [env, the token itself: {PASSWORD}]")),
        file("ca-file", format!("Certificates (PEM) of the authority that signed the server's. [env, PEM: {CA}]")),
    ]
}

/// What they say.
#[must_use]
pub fn flags(matches: &ArgMatches) -> Flags {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let file = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    Flags {
        server: text("server"),
        username: text("username"),
        password_file: file("password-file"),
        ca_file: file("ca-file"),
    }
}
