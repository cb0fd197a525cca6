//! `tofu-state completions`: what a shell completes.

use std::io::Write;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

const HELP: &str = "\
Examples:
  tofu-state completions bash > /etc/bash_completion.d/tofu-state
  tofu-state completions zsh > \"${fpath[1]}/_tofu-state\"
  tofu-state completions fish > ~/.config/fish/completions/tofu-state.fish";

/// The command.
#[must_use]
pub fn command() -> Command {
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    Command::new("completions").about("Print completions for a shell").after_help(HELP).arg(shell.help("Which shell."))
}

/// Which shell is meant.
#[must_use]
pub fn interpret(matches: &ArgMatches) -> Option<Shell> {
    matches.get_one::<Shell>("shell").copied()
}

/// Writes them to `out`.
pub fn print(shell: Shell, out: &mut impl Write) {
    let mut command = super::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    // There is nobody to tell if that fails.
    let _ = out.write_all(&script);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_what_there_is() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            print(shell, &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["tofu-state", "restore", "quarantine", "other-lineage", "import"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
