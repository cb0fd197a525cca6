//! `providers mirror`: the command line.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, value_parser};
use tofu_state_client::table::count;
use tofu_state_providers::bundle::{self, Report, Request};
use tofu_state_providers::cache::Cache;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::fetch::{Counts, Fetcher, incoming};
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::sources::{Installation, Source};
use tofu_state_providers::{Platform, Style};

use super::{End, arguments, telling};
use crate::cli::say;
use crate::telemetry::metrics::commands::Run;

/// How many archives are downloaded at once.
const DOWNLOADS: usize = 8;

/// Where packages are while they come.
const INCOMING: &str = ".incoming";

/// `providers mirror`.
#[derive(Debug, PartialEq, Eq)]
pub struct MirrorTask {
    folders: Vec<PathBuf>,
    to: PathBuf,
    platforms: Vec<Platform>,
    style: Option<Style>,
    shallow: bool,
    json: bool,
    metrics_file: Option<PathBuf>,
}

const HELP: &str = "\
Finds the root modules in and below each DIR, and puts every provider that they need into one folder, for places without
a network: as a `filesystem_mirror` for both CLIs, or served by any web server as a `network_mirror`. Versions are those
in the lock files, else the newest that the constraints allow.

What is in the folder stays; what is right already is not fetched again, so a run that was broken off goes on where it
was. Signatures are verified, and a package gets its name only when it is whole. index.json and the document of each
version are right for every version, whichever run brought it.

Providers come from where the CLI configuration says (provider_installation, host, credentials, TF_TOKEN_…).

Status 0: all is there. Status 1: something is missing, and was told. Status 2: it could not begin.";

pub(super) fn command() -> clap::Command {
    clap::Command::new("mirror")
        .about("Put the providers of many root modules into a folder, for places without a network")
        .long_about(HELP)
        .after_long_help(
            "Example:\n  tofu-state providers mirror --to /media/providers --platform linux_amd64 environments",
        )
        .arg(arguments::folders())
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The mirror's folder; it is made if it is missing"),
        )
        .arg(
            arguments::platforms().help("A platform, such as linux_amd64; may be repeated. Without it: this machine's"),
        )
        .arg(
            arguments::style()
                .help("Whose defaults hold for providers without a host. Without it: as a lock file shows, else tofu"),
        )
        .arg(arguments::shallow())
        .arg(arguments::json())
        .arg(telling::metrics_file())
}

pub(super) fn interpret(matches: &ArgMatches) -> Option<MirrorTask> {
    Some(MirrorTask {
        folders: matches.get_many("folders")?.cloned().collect(),
        to: matches.get_one::<PathBuf>("to")?.clone(),
        platforms: matches.get_many("platforms").unwrap_or_default().cloned().collect(),
        style: arguments::chosen_style(matches),
        shallow: matches.get_flag("shallow"),
        json: matches.get_flag("json"),
        metrics_file: telling::chosen_metrics_file(matches),
    })
}

pub(super) async fn perform(task: &MirrorTask, out: &mut impl Write, err: &mut impl Write) -> End {
    let began = Instant::now();
    let platforms = if task.platforms.is_empty() { vec![Platform::current()] } else { task.platforms.clone() };
    let request = Request {
        folders: task.folders.clone(),
        to: task.to.clone(),
        platforms,
        style: task.style,
        shallow: task.shallow,
    };
    let http = match Http::new(Patience::from_environment()) {
        Ok(http) => http,
        Err(why) => {
            say(err, &format!("tofu-state: {why}"));
            return End::Wrong;
        }
    };
    // On the mirror's own disk, so that a whole package only gets its name; below no host, so that no CLI looks there.
    let coming = task.to.join(INCOMING);
    // What a run that was killed has left there goes, and what another run is writing stays.
    if let Err(error) = incoming::open(&coming) {
        say(err, &format!("tofu-state: {}: {error}", coming.display()));
        return End::Wrong;
    }
    let fetcher = Fetcher::new(http.clone(), coming.clone(), DOWNLOADS);
    let source = |style| -> Result<Arc<dyn Source>, String> {
        let config = CliConfig::load(style, Environment::of_process()).map_err(|error| error.to_string())?;
        config.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        let explicit = config.installation.is_some();
        let installation = Installation::new(&Arc::new(config), &http, Cache::of_user())?;
        // Folders that stand for a registry by merely being there lie unpacked on this machine.
        Ok(if explicit { Arc::new(installation) } else { installation.registry() })
    };
    let done = bundle::run(&request, source, &fetcher).await;
    // Unless another run is still at it.
    let _ = std::fs::remove_dir(&coming);
    let report = match done {
        Ok(report) => report,
        Err(problems) => {
            problems.iter().for_each(|problem| say(err, &format!("tofu-state: {problem}")));
            return End::Wrong;
        }
    };
    if task.json {
        say(out, &serde_json::json!(report).to_string());
    } else {
        tell(&report, fetcher.counts().bytes, out, err);
    }
    if let Some(to) = &task.metrics_file
        && let Err(why) = telling::write(&told(&report, fetcher.counts(), began.elapsed()), to)
    {
        say(err, &format!("tofu-state: {why}"));
        return End::Bad;
    }
    if report.failures.is_empty() { End::Good } else { End::Bad }
}

/// The report as metrics.
fn told(report: &Report, counts: Counts, took: Duration) -> Run {
    Run {
        command: "mirror",
        good: report.failures.is_empty(),
        took,
        roots: vec![("read", report.roots as u64)],
        packages: report.packages.len() as u64,
        zips: counts.zips,
        bytes: counts.bytes,
        bytes_saved: 0,
    }
}

fn tell(report: &Report, bytes: u64, out: &mut impl Write, err: &mut impl Write) {
    for package in report.packages.iter().filter(|package| package.fetched) {
        say(out, &format!("{} {} for {}", package.provider, package.version, package.platform));
    }
    report.failures.iter().for_each(|failure| say(err, &format!("tofu-state: {failure}")));
    let fetched = report.packages.iter().filter(|package| package.fetched).count();
    let there = report.packages.len().saturating_sub(fetched);
    let size = bytesize::ByteSize::b(bytes).display().iec();
    say(
        out,
        &format!(
            "{}: {} fetched ({size}), {there} already there, {} missing",
            count(report.roots, "root module"),
            count(fetched, "package"),
            report.failures.len()
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let read = |arguments: &[&str]| command().try_get_matches_from(std::iter::once(&"mirror").chain(arguments));
        let task = interpret(&read(&["a", "b", "--to", "m", "--platform", "linux_amd64", "--json"]).unwrap()).unwrap();
        assert_eq!((task.folders.len(), task.platforms.len(), task.json, task.shallow), (2, 1, true, false));
        assert_eq!(task.to, PathBuf::from("m"));
        assert!(read(&["a"]).is_err());
        assert!(read(&["--to", "m"]).is_err());
        assert!(read(&["a", "--to", "m", "--platform", "linux"]).is_err());
    }
}
