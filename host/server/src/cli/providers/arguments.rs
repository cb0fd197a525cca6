//! Arguments that the commands about providers share.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use tofu_state_providers::{Platform, Style};

/// Where to look for root modules.
pub(super) fn folders() -> Arg {
    Arg::new("folders")
        .value_name("DIR")
        .num_args(1..)
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("Where to look for root modules")
}

/// `--platform`, any number of times.
pub(super) fn platforms() -> Arg {
    Arg::new("platforms")
        .long("platform")
        .value_name("OS_ARCH")
        .action(ArgAction::Append)
        .value_parser(|text: &str| text.parse::<Platform>())
}

/// `--style`.
pub(super) fn style() -> Arg {
    Arg::new("style").long("style").value_parser(["tofu", "terraform"])
}

/// Which style was chosen, if one was.
pub(super) fn chosen_style(matches: &ArgMatches) -> Option<Style> {
    matches.get_one::<String>("style").map(|style| match style.as_str() {
        "terraform" => Style::Terraform,
        _ => Style::Tofu,
    })
}

/// Something that is so or not.
pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// `--shallow`.
pub(super) fn shallow() -> Arg {
    flag("shallow", "Leave out what called modules need: only the root modules' own files count")
}

/// `--json`.
pub(super) fn json() -> Arg {
    flag("json", "Print one JSON document instead of the summary")
}
