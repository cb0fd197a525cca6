//! Measures `providers lock` against both real CLIs, in one run against one origin with tiny packages.
//!
//! `cargo run --release -p tofu-state-providers --example measure [ROOTS] [CLI_ROOTS]` (200 and 10): so many root modules
//! with two providers each, for four platforms. The CLIs lock CLI_ROOTS of them, one after the other; their time for all is
//! that, times the rest. Nothing here asserts a time.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program for people, not a part of the server"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tofu_state_providers::cache::Cache;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::lock::{self, Means, Request, Silent};
use tofu_state_providers::sources::Registry;
use tofu_state_providers::{Style, lockfile};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

const CONFIGURATION: &str = r#"terraform {
  required_providers {
    aws  = { source = "hashicorp/aws", version = "~> 5.0" }
    null = { source = "hashicorp/null", version = ">= 3.0" }
  }
}
"#;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().unwrap());
    let (roots, cli_roots) = (arguments.next().unwrap_or(200), arguments.next().unwrap_or(10));
    let origin = Origin::start().await;
    for host in [Style::Tofu.default_host(), Style::Terraform.default_host()] {
        origin.publish(&Release::new(&format!("{host}/hashicorp/aws"), "5.100.0"));
        origin.publish(&Release::new(&format!("{host}/hashicorp/null"), "3.2.4"));
    }
    println!("{roots} root modules, 2 providers, {} platforms; the CLIs: {cli_roots} of them, scaled", PLATFORMS.len());
    println!("{:<34} {:>12} {:>8} {:>8}", "", "time", "zips", "files");
    let home = Home::new(&origin);
    let folder = TempDir::new().unwrap();
    for number in 0..roots {
        let root = folder.path().join(format!("root-{number}"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("main.tf"), CONFIGURATION).unwrap();
    }
    let three = &PLATFORMS[..3];
    timed(&origin, &home, "cold, three platforms", folder.path(), three).await;
    timed(&origin, &home, "a fourth platform more", folder.path(), &PLATFORMS[3..]).await;
    remove(folder.path(), roots);
    let fresh = Home::new(&origin);
    let all = timed(&origin, &fresh, "cold, four platforms", folder.path(), &PLATFORMS).await;
    remove(folder.path(), roots);
    timed(&origin, &fresh, "warm, no lock files", folder.path(), &PLATFORMS).await;
    let nothing = timed(&origin, &fresh, "nothing to do", folder.path(), &PLATFORMS).await;
    for cli in Cli::both() {
        let name = cli.name();
        let (cold, warm) = clis(&origin, cli, roots, cli_roots).await;
        println!(
            "  {name}: {:.0} times as long cold, {:.0} times with lock files that are complete",
            cold.as_secs_f64() / all.as_secs_f64(),
            warm.as_secs_f64() / nothing.as_secs_f64()
        );
    }
    large().await;
}

struct Home {
    folder: TempDir,
    config: Arc<CliConfig>,
}

impl Home {
    fn new(origin: &Origin) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("cli.config");
        std::fs::write(&file, origin.cli_config()).unwrap();
        let environment = [("TF_CLI_CONFIG_FILE", file.to_str().unwrap())];
        let environment = Environment::new(environment, folder.path().to_owned());
        let config = Arc::new(CliConfig::load(Style::Tofu, environment).unwrap());
        Self { folder, config }
    }

    fn means(&self) -> Means {
        let http = Http::new(Patience::default()).unwrap();
        let cache = Cache::new(self.folder.path().join("cache"));
        let source = Registry::new(http.clone(), Arc::clone(&self.config), Some(cache.clone()));
        let source: Arc<dyn tofu_state_providers::sources::Source> = Arc::new(source);
        Means {
            source: Box::new(move |_| Ok(Arc::clone(&source))),
            fetcher: Fetcher::new(http, self.folder.path().to_owned(), 8),
            cache: Some(cache),
        }
    }
}

async fn timed(origin: &Origin, home: &Home, what: &str, folder: &Path, platforms: &[&str]) -> Duration {
    origin.forget();
    let request = Request {
        folders: vec![folder.to_owned()],
        platforms: platforms.iter().map(|platform| platform.parse().unwrap()).collect(),
        style: Some(Style::Tofu),
        ..Request::default()
    };
    let began = Instant::now();
    let report = lock::run(&request, &home.means(), &Silent).await.unwrap();
    let took = began.elapsed();
    let (_, written, _, failed) = report.counts();
    let failures = if failed > 0 { "  FAILED" } else { "" };
    println!("{what:<34} {took:>12.1?} {:>8} {written:>8}{failures}", origin.counts().zips);
    took
}

fn remove(folder: &Path, roots: usize) {
    for number in 0..roots {
        std::fs::remove_file(folder.join(format!("root-{number}")).join(lockfile::NAME)).unwrap();
    }
}

/// How long a CLI takes for all root modules, without and with complete lock files.
async fn clis(origin: &Origin, mut cli: Cli, roots: usize, cli_roots: usize) -> (Duration, Duration) {
    let config = cli.folder().join("../cli.config");
    std::fs::write(&config, origin.cli_config()).unwrap();
    cli.set("TF_CLI_CONFIG_FILE", config.to_str().unwrap());
    cli.write("main.tf", CONFIGURATION);
    let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
    let arguments: Vec<&str> = ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
    let mut times = Vec::new();
    for (what, fresh) in [("cold", true), ("complete lock files", false)] {
        origin.forget();
        let began = Instant::now();
        for _ in 0..cli_roots {
            if fresh {
                let _ = std::fs::remove_file(cli.folder().join(lockfile::NAME));
            }
            cli.ok(&arguments).await;
        }
        let scaled = began.elapsed().mul_f64(roots as f64 / cli_roots as f64);
        let zips = origin.counts().zips * roots / cli_roots;
        println!("{:<34} {scaled:>12.1?} {zips:>8} {roots:>8}", format!("{} providers lock, {what}", cli.name()));
        times.push(scaled);
    }
    (times[0], times[1])
}

/// A provider of 700 MB, and the memory that locking it takes.
async fn large() {
    let origin = Origin::start().await;
    let provider = format!("{}/hashicorp/aws", Style::Tofu.default_host());
    origin.publish(&Release::new(&provider, "5.0.0").platforms(&["linux_amd64"]).size(700 << 20));
    let folder = TempDir::new().unwrap();
    let text = CONFIGURATION.lines().filter(|line| !line.contains("null")).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.path().join("main.tf"), text).unwrap();
    // Begin to count the peak anew (proc(5)). The origin runs in this process, too, so its memory counts.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    timed(&origin, &Home::new(&origin), "a provider of 700 MB", folder.path(), &["linux_amd64"]).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("  peak of memory, the origin's included: {}", peak.trim_start_matches("VmHWM:").trim());
}
