//! `providers lock`: the command line, and where it looks for providers.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, value_parser};
use tofu_state_providers::cache::Cache;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::http::{Http, Patience, Url};
use tofu_state_providers::lock::{self, Means, Report, Request};
use tofu_state_providers::sources::{FilesystemMirror, Installation, NetworkMirror, Source, WithPluginCache};
use tofu_state_providers::{Platform, Style};

use super::arguments::{self, flag};
use super::progress::Bars;
use super::{End, summary, telling};
use crate::cli::say;
use crate::telemetry::metrics::commands::Run;

/// How many archives are downloaded at once.
const DOWNLOADS: usize = 8;

/// The variable with the platforms for lock files that tell none.
const PLATFORMS: &str = "LOCK_PLATFORMS";

/// `providers lock`.
#[derive(Debug, PartialEq, Eq)]
pub struct LockTask {
    folders: Vec<PathBuf>,
    platforms: Vec<Platform>,
    style: Option<Style>,
    upgrade: bool,
    check: bool,
    shallow: bool,
    prune: bool,
    no_download: bool,
    json: bool,
    metrics_file: Option<PathBuf>,
    place: Place,
}

/// Where providers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where the CLI configuration's `provider_installation` says, or the providers' registries without one.
    Configured,
    /// The providers' registries, whatever is configured.
    Registries,
    /// A network mirror.
    Network(String),
    /// A folder with packages.
    Folder(PathBuf),
}

const HELP: &str = "\
Finds the root modules in and below each DIR, and writes for each the .terraform.lock.hcl that `tofu providers lock` or
`terraform providers lock` would write: the same bytes, with the hashes for every platform. Each package is downloaded
once for all of them, or not at all where its hashes are known already. A root module that cannot be locked is told, with
file, line and column, and the others are done.

A folder with configuration is a root module if it is given itself, has a lock file, a backend or a cloud block, or if no
other folder calls it as a module and it lies below no folder named `modules`.

Versions that are locked stay, unless --upgrade is given. Hashes of the same version are never removed. As with both
CLIs' own command, entries of providers that are no longer required stay, too, unless --prune is given; `init` would
remove them, and fail with -lockfile=readonly. The CLIs' own configuration is heeded: TF_CLI_CONFIG_FILE, .tofurc or
.terraformrc with host, credentials, credentials_helper, provider_installation (oci_mirror and oci_credentials, too, as
OpenTofu has them) and plugin_cache_dir; TF_TOKEN_…; SSL_CERT_FILE; TF_REGISTRY_CLIENT_TIMEOUT. What was learned is kept
in TOFU_STATE_CACHE (else in the user's cache folder, tofu-state/providers).

Status 0: all is locked. Status 1: something is not, or --check found a difference. Status 2: it could not begin.";

const EXAMPLES: &str = "\
Examples:
  tofu-state providers lock --platform linux_amd64 --platform darwin_arm64 .
  tofu-state providers lock --check environments          # in CI
  tofu-state providers lock --upgrade environments/prod";

pub(super) fn command() -> clap::Command {
    clap::Command::new("lock")
        .about("Bring the lock files of many root modules up to date, for all platforms, each package fetched once")
        .long_about(HELP)
        .after_long_help(EXAMPLES)
        .arg(arguments::folders())
        .arg(arguments::platforms().help(format!(
            "A platform to lock for, such as linux_amd64; may be repeated. Without it: the platforms that a lock \
                     file has, or those in {PLATFORMS} (with commas), or this machine's"
        )))
        .arg(
            arguments::style().help("Whose lock files to write. Without it: as the lock file that is there, else tofu"),
        )
        .arg(flag("upgrade", "Select the newest versions that the constraints allow"))
        .arg(flag("check", "Write nothing; show what would be written, and end with status 1 if anything would"))
        .arg(arguments::shallow())
        .arg(
            flag("prune", "Remove entries of providers that the configuration does not require, as `init` does")
                .conflicts_with("shallow"),
        )
        .arg(flag(
            "no-download",
            "Download no package: lock the signed zh: hashes, and of the h1: hashes those that are known without it",
        ))
        .arg(arguments::json())
        .arg(telling::metrics_file())
        .arg(
            flag("registry", "Ask the providers' registries, whatever provider_installation says")
                .conflicts_with_all(["net-mirror", "fs-mirror"]),
        )
        .arg(
            Arg::new("net-mirror")
                .long("net-mirror")
                .value_name("URL")
                .conflicts_with("fs-mirror")
                .help("Ask this network mirror only"),
        )
        .arg(
            Arg::new("fs-mirror")
                .long("fs-mirror")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Take packages from this folder only"),
        )
}

pub(super) fn interpret(matches: &ArgMatches) -> Option<LockTask> {
    let place = if let Some(url) = matches.get_one::<String>("net-mirror") {
        Place::Network(url.clone())
    } else if let Some(folder) = matches.get_one::<PathBuf>("fs-mirror") {
        Place::Folder(folder.clone())
    } else if matches.get_flag("registry") {
        Place::Registries
    } else {
        Place::Configured
    };
    Some(LockTask {
        folders: matches.get_many("folders")?.cloned().collect(),
        platforms: matches.get_many("platforms").unwrap_or_default().cloned().collect(),
        style: arguments::chosen_style(matches),
        upgrade: matches.get_flag("upgrade"),
        check: matches.get_flag("check"),
        shallow: matches.get_flag("shallow"),
        prune: matches.get_flag("prune"),
        no_download: matches.get_flag("no-download"),
        json: matches.get_flag("json"),
        metrics_file: telling::chosen_metrics_file(matches),
        place,
    })
}

pub(super) async fn perform(task: &LockTask, out: &mut impl Write, err: &mut impl Write) -> End {
    let (request, means) = match prepare(task) {
        Ok(prepared) => prepared,
        Err(why) => {
            say(err, &format!("tofu-state: {why}"));
            return End::Wrong;
        }
    };
    let began = Instant::now();
    let bars = Bars::new(task.json);
    let done = lock::run(&request, &means, &bars).await;
    bars.end();
    let report = match done {
        Ok(report) => report,
        Err(problems) => {
            problems.iter().for_each(|problem| say(err, &format!("tofu-state: {problem}")));
            return End::Wrong;
        }
    };
    if task.json {
        say(out, &report.json().to_string());
    } else {
        summary::tell(&report, task.prune, out, err);
    }
    if let Some(to) = &task.metrics_file
        && let Err(why) = telling::write(&told(&report, began.elapsed()), to)
    {
        say(err, &format!("tofu-state: {why}"));
        return End::Bad;
    }
    if report.is_good() { End::Good } else { End::Bad }
}

/// The report as metrics.
fn told(report: &Report, took: Duration) -> Run {
    let (unchanged, written, differ, failed) = report.counts();
    let roots = [("unchanged", unchanged), ("written", written), ("differs", differ), ("failed", failed)];
    Run {
        command: "lock",
        good: report.is_good(),
        took,
        roots: roots.map(|(outcome, count)| (outcome, count as u64)).to_vec(),
        packages: report.packages as u64,
        zips: report.zips,
        bytes: report.bytes,
        bytes_saved: report.bytes_alone.saturating_sub(report.bytes),
    }
}

fn prepare(task: &LockTask) -> Result<(Request, Means), String> {
    let http = Http::new(Patience::from_environment())?;
    let cache = Cache::of_user();
    let request = Request {
        folders: task.folders.clone(),
        platforms: task.platforms.clone(),
        usual_platforms: usual_platforms()?,
        style: task.style,
        upgrade: task.upgrade,
        check: task.check,
        shallow: task.shallow,
        prune: task.prune,
        no_download: task.no_download,
    };
    let (place, client, memory) = (task.place.clone(), http.clone(), cache.clone());
    let means = Means {
        source: Box::new(move |style| source(&place, style, &client, memory.clone())),
        fetcher: Fetcher::new(http, incoming(cache.as_ref()), DOWNLOADS),
        cache,
    };
    Ok((request, means))
}

/// Where zips lie while they come: with the cache, because the system's folder for temporary files may be memory.
/// Only where there is no cache, or it cannot be written, are they there.
fn incoming(cache: Option<&Cache>) -> PathBuf {
    let folder = cache.and_then(|cache| {
        let made = cache.incoming();
        made.inspect_err(|error| {
            tracing::warn!(%error, folder = %cache.folder().display(), "the provider cache cannot be written");
        })
        .ok()
    });
    folder.unwrap_or_else(std::env::temp_dir)
}

fn source(place: &Place, style: Style, http: &Http, cache: Option<Cache>) -> Result<Arc<dyn Source>, String> {
    let config = CliConfig::load(style, Environment::of_process()).map_err(|error| error.to_string())?;
    config.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    let config = Arc::new(config);
    let source: Arc<dyn Source> = match place {
        Place::Network(url) => {
            let parsed = Url::parse(url).map_err(|_| format!("the network mirror `{url}` is no URL"))?;
            Arc::new(NetworkMirror::new(http.clone(), Arc::clone(&config), parsed, false))
        }
        Place::Folder(folder) => Arc::new(FilesystemMirror::new(folder.clone())),
        // Folders that stand for a registry by merely being there would hide the signed hashes.
        Place::Configured if config.installation.is_some() => Arc::new(Installation::new(&config, http, cache)?),
        Place::Configured | Place::Registries => Installation::new(&config, http, cache)?.registry(),
    };
    Ok(match &config.plugin_cache {
        Some(folder) => Arc::new(WithPluginCache::new(source, folder.clone())),
        None => source,
    })
}

fn usual_platforms() -> Result<Vec<Platform>, String> {
    match std::env::var(PLATFORMS) {
        Ok(text) => text
            .split(',')
            .map(|platform| platform.trim().parse().map_err(|error| format!("{PLATFORMS}: {error}")))
            .collect(),
        Err(_) => Ok(vec![Platform::current()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> LockTask {
        let matches = command().try_get_matches_from(std::iter::once(&"lock").chain(arguments)).unwrap();
        interpret(&matches).unwrap()
    }

    #[test]
    fn the_command_line_is_read() {
        let task = read(&[
            "a",
            "b",
            "--platform",
            "linux_amd64",
            "--platform",
            "darwin_arm64",
            "--check",
            "--style",
            "terraform",
        ]);
        assert_eq!(task.folders, ["a", "b"].map(PathBuf::from));
        assert_eq!(task.platforms.len(), 2);
        assert_eq!((task.check, task.upgrade, task.style), (true, false, Some(Style::Terraform)));
        assert_eq!(read(&[".", "--fs-mirror", "m"]).place, Place::Folder("m".into()));
        assert!(command().try_get_matches_from(["lock"]).is_err());
        assert!(command().try_get_matches_from(["lock", ".", "--platform", "linux"]).is_err());
        assert!(command().try_get_matches_from(["lock", ".", "--shallow", "--prune"]).is_err());
        assert!(command().try_get_matches_from(["lock", ".", "--registry", "--net-mirror", "x"]).is_err());
    }
}
