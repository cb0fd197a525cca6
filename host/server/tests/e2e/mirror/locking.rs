//! `tofu-state providers lock` through the server's mirror, as a user has it configured.

use std::process::Command;

use tempfile::TempDir;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::PLATFORMS;
use tofu_state_testing::server;

use super::{HOSTS, Site, lock, needs};

/// What this program locks for all platforms through the mirror, with what it told on standard error.
async fn locked(site: &Site, cli: &Cli, trusted: bool) -> (String, String) {
    let (root, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    needs_in(&root, cli);
    let trust = if trusted { "    trust_all_hashes = true\n" } else { "" };
    let config = site.through_the_mirror().replace("    url = ", &format!("{trust}    url = "));
    std::fs::write(home.path().join("cli.tfrc"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
    command.args(["providers", "lock", "--style", cli.name()]).arg(root.path());
    command.args(PLATFORMS.iter().flat_map(|platform| ["--platform", platform]));
    command.env_clear().env("HOME", home.path()).env("TF_CLI_CONFIG_FILE", home.path().join("cli.tfrc"));
    command.env("SSL_CERT_FILE", site.authority.file());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    (std::fs::read_to_string(root.path().join(".terraform.lock.hcl")).unwrap(), told)
}

/// How many packages the mirror has sent.
async fn served(site: &Site) -> u64 {
    let metrics = server::http().get(site.server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    let lines = metrics.lines().filter(|line| line.starts_with("tofu_state_mirror_requests_total{kind=\"file\""));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn needs_in(root: &TempDir, cli: &Cli) {
    std::fs::copy(cli.folder().join("main.tf"), root.path().join("main.tf")).unwrap();
}

/// What the CLIs lock from the registry, without a single download where the mirror is trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_lock_file_is_told_by_the_mirror() {
    let site = Site::with(true, true).await;
    for host in HOSTS {
        site.complete(host).await;
    }
    for mut cli in Cli::both() {
        needs(&cli, "hashicorp/null");
        let config = site.origin.cli_config();
        site.configure(&mut cli, &config);
        let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
        let arguments: Vec<&str> =
            ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
        cli.ok(&arguments).await;
        let whole = lock(&cli);
        let before = (site.origin.counts().zips, served(&site).await);
        let (ours, told) = locked(&site, &cli, true).await;
        assert_eq!((ours.as_str(), told.as_str()), (whole.as_str(), ""));
        assert_eq!((site.origin.counts().zips, served(&site).await), before, "nobody has downloaded anything");
        // Who does not trust it sees the packages, and no more.
        let (ours, told) = locked(&site, &cli, false).await;
        let missing: Vec<&str> = whole.lines().filter(|line| !ours.contains(line)).collect();
        assert!(missing.len() == 1 && missing[0].contains("zh:"), "{missing:?}: the manifest's");
        assert!(told.contains("1 lock file with hashes from a mirror or a folder alone"), "{told}");
        assert_eq!((site.origin.counts().zips, served(&site).await), (before.0, before.1 + 4));
    }
}
