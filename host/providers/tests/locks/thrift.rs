//! What need not be downloaded, and what need not stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::lock::{Means, Outcome, Request};
use tofu_state_providers::sources::{Registry, WithPluginCache};
use tofu_state_providers::{Style, hashing};
use tofu_state_testing::origin::Origin;

use crate::cases::{FOUR, ONE, TWO, required};
use crate::common::{Home, failures, folder, http, lock, lock_of, origin, request, run, write};
use crate::compare::cli;

const AWS: &str = "registry.opentofu.org/hashicorp/aws";

fn aws() -> TempDir {
    folder(&[("main.tf", &required("aws = \"5.1.0\""))])
}

/// Without the lines that have this in them.
fn without(text: &str, what: &str) -> String {
    text.lines().filter(|line| !line.contains(what)).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn what_is_signed_is_locked_without_a_download() {
    let origin = origin().await;
    let root = aws();
    lock(&request(root.path(), Style::Tofu, TWO), &Home::new().means(&origin)).await;
    let whole = lock_of(root.path()).unwrap();
    // The seed's case: h1: hashes from a mirror, to which the next `init` would add zh: hashes.
    write(root.path(), &[(".terraform.lock.hcl", &without(&whole, "zh:"))]);
    let thrifty = Request { no_download: true, ..request(root.path(), Style::Tofu, TWO) };
    origin.forget();
    let report = lock(&thrifty, &Home::new().means(&origin)).await;
    assert_eq!((report.zips, origin.counts().zips), (0, 0));
    assert_eq!(lock_of(root.path()).unwrap(), whole);
    assert!(report.roots[0].providers[0].notes.is_empty());
    // What only a package can tell is missing, and that is told.
    write(root.path(), &[(".terraform.lock.hcl", &without(&whole, "h1:"))]);
    let report = lock(&thrifty, &Home::new().means(&origin)).await;
    assert_eq!(report.roots[0].outcome, Outcome::Unchanged);
    let notes = &report.roots[0].providers[0].notes;
    assert!(notes.len() == 1 && notes[0].starts_with("2 h1: hashes are missing"), "{notes:?}");
    // What an earlier run has learned is known without a download.
    let home = Home::new();
    lock(&request(root.path(), Style::Tofu, TWO), &home.means(&origin)).await;
    write(root.path(), &[(".terraform.lock.hcl", &without(&whole, "h1:"))]);
    lock(&thrifty, &home.means(&origin)).await;
    assert_eq!(lock_of(root.path()).unwrap(), whole);
}

/// A plugin cache with the package of one platform, as the CLIs unpack it.
fn plugin_cache(origin: &Origin) -> (TempDir, PathBuf) {
    let cache = TempDir::new().unwrap();
    let package = cache.path().join(AWS).join("5.1.0/linux_amd64");
    std::fs::create_dir_all(&package).unwrap();
    hashing::unpack(&origin.zip(AWS, "5.1.0", "linux_amd64"), &package).unwrap();
    (cache, package)
}

/// On a machine that knows nothing but what the CLIs have installed.
fn with_plugin_cache(home: &Home, origin: &Origin, folder: &Path) -> Means {
    let config = home.config(Style::Tofu, &origin.cli_config());
    let folder = folder.to_owned();
    home.means_of(move |_| {
        Arc::new(WithPluginCache::new(Arc::new(Registry::new(http(), Arc::clone(&config), None)), folder.clone()))
    })
}

#[tokio::test]
async fn an_installed_package_tells_which_hash_is_its_own() {
    let origin = origin().await;
    let root = aws();
    let asked = request(root.path(), Style::Tofu, ONE);
    lock(&asked, &Home::new().means(&origin)).await;
    let (cache, package) = plugin_cache(&origin);
    let home = Home::new();
    let means = with_plugin_cache(&home, &origin, cache.path());
    let report = lock(&asked, &means).await;
    assert_eq!((report.zips, &report.roots[0].outcome), (0, &Outcome::Unchanged));
    // What lies there is believed only where it is locked: not in another root module, and not once it was changed.
    let other = aws();
    let both = Request { folders: vec![root.path().into(), other.path().into()], ..asked.clone() };
    let home = Home::new();
    assert_eq!(lock(&both, &with_plugin_cache(&home, &origin, cache.path())).await.zips, 1);
    assert_eq!(lock_of(other.path()), lock_of(root.path()));
    std::fs::write(package.join("evil"), "evil").unwrap();
    let home = Home::new();
    let report = lock(&asked, &with_plugin_cache(&home, &origin, cache.path())).await;
    assert_eq!((report.zips, &report.roots[0].outcome), (1, &Outcome::Unchanged));
}

async fn entries_that_nothing_requires(style: Style) {
    let origin = origin().await;
    let home = Home::new();
    let files = |entries: &str| required(entries);
    let root = folder(&[("main.tf", &files("aws = \"5.1.0\"\n    null = \"3.0.0\""))]);
    lock(&request(root.path(), style, FOUR), &home.means(&origin)).await;
    let both = lock_of(root.path()).unwrap();
    let fewer = files("aws = \"5.1.0\"");
    write(root.path(), &[("main.tf", &fewer)]);
    let asked = request(root.path(), style, FOUR);
    let report = lock(&asked, &home.means(&origin)).await;
    let null = format!("{}/hashicorp/null", style.default_host());
    assert_eq!(report.roots[0].not_required.iter().map(ToString::to_string).collect::<Vec<_>>(), [null]);
    assert_eq!(lock_of(root.path()).unwrap(), both, "as with both CLIs' own command");
    // With it, `init` changes the file, or refuses to.
    let cli = cli(&origin, style, &[("main.tf", &fewer), (".terraform.lock.hcl", &both)]);
    cli.run(&["init", "-lockfile=readonly"]).await.failure().says("Provider dependency changes detected");
    cli.ok(&["init"]).await;
    let pruned = lock_of(&cli.folder()).unwrap();
    let prune = Request { prune: true, ..asked };
    let check = run(&Request { check: true, ..prune.clone() }, &home.means(&origin)).await;
    assert!(failures(&check).contains("-provider "), "{}", failures(&check));
    lock(&prune, &home.means(&origin)).await;
    assert_eq!(lock_of(root.path()).unwrap(), pruned);
    let report = lock(&prune, &home.means(&origin)).await;
    assert_eq!((&report.roots[0].outcome, report.roots[0].not_required.len()), (&Outcome::Unchanged, 0));
    // Who does not look into modules cannot tell what they require.
    write(root.path(), &[(".terraform.lock.hcl", &both)]);
    let shallow = Request { shallow: true, ..prune };
    assert_eq!(lock(&shallow, &home.means(&origin)).await.roots[0].not_required, []);
    assert_eq!(lock_of(root.path()).unwrap(), both);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_nothing_requires_go_as_with_tofu() {
    entries_that_nothing_requires(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_nothing_requires_go_as_with_terraform() {
    entries_that_nothing_requires(Style::Terraform).await;
}
