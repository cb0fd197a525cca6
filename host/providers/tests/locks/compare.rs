//! Byte for byte what both real CLIs write.

use std::path::Path;

use futures_util::{StreamExt, stream};
use tofu_state_providers::lock::Request;
use tofu_state_providers::{Style, lockfile};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::Origin;

use crate::cases::{Before, Case, ONE, cases, required};
use crate::common::{Home, failures, folder, lock, lock_of, origin, request, run, write};

/// How many CLIs run at once.
const AT_ONCE: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn lock_files_are_those_of_tofu() {
    compare(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_files_are_those_of_terraform() {
    compare(Style::Terraform).await;
}

/// Not only folders beside: what `get` has put somewhere is read where its list says.
async fn modules_that_are_installed(style: Style) {
    let origin = origin().await;
    let far = folder(&[
        ("main.tf", &(required("aws = \"< 5.0\"") + "module \"in\" {\n  source = \"./in\"\n}\n")),
        ("in/main.tf", &required("null = {}")),
    ]);
    let text = format!("module \"far\" {{\n  source = \"{}\"\n}}\n", far.path().display());
    let mut cli = cli(&origin, style, &[("main.tf", &text)]);
    cli.set("TF_DATA_DIR", ".terraform");
    let asked = request(&cli.folder(), style, ONE);
    let before = run(&asked, &Home::new().means(&origin)).await;
    assert!(failures(&before).contains("main.tf:2:12: the module `far`"), "{}", failures(&before));
    cli.ok(&["get"]).await;
    lock(&asked, &Home::new().means(&origin)).await;
    let ours = lock_of(&cli.folder()).unwrap();
    assert!(ours.contains("\"4.67.0\"") && ours.contains("/null\""), "{ours}");
    std::fs::remove_file(cli.folder().join(lockfile::NAME)).unwrap();
    cli.ok(&["providers", "lock", "-platform=linux_amd64"]).await;
    assert_eq!(lock_of(&cli.folder()).unwrap(), ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_tofu_installed_count() {
    modules_that_are_installed(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_terraform_installed_count() {
    modules_that_are_installed(Style::Terraform).await;
}

async fn compare(style: Style) {
    let origin = origin().await;
    let home = Home::new();
    let cases = cases();
    let written = cases.iter().filter(|case| !case.refused).count();
    assert!(written >= 70, "{written} lock files are compared, and {} refusals", cases.len() - written);
    let one = |case: Case| {
        let (origin, home) = (&origin, &home);
        async move { one(origin, home, style, &case).await }
    };
    let differences: Vec<String> =
        stream::iter(cases).map(one).buffer_unordered(AT_ONCE).filter_map(|found| async { found }).collect().await;
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// What is different in one case.
async fn one(origin: &Origin, home: &Home, style: Style, case: &Case) -> Option<String> {
    let files: Vec<(&str, &str)> = case.files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let before = match &case.before {
        Some(before) => Some(locked_before(origin, home, style, before).await),
        None => None,
    };
    let ours = folder(&files);
    let cli = cli(origin, style, &files);
    for folder in [ours.path(), &cli.folder()] {
        if let Some(before) = &before {
            write(folder, &[(".terraform.lock.hcl", before)]);
        }
    }
    let asked = Request { upgrade: case.upgrade, ..request(ours.path(), style, case.platforms) };
    let report = run(&asked, &home.means(origin)).await;
    let platforms: Vec<String> = case.platforms.iter().map(|platform| format!("-platform={platform}")).collect();
    let mut arguments = vec!["providers", "lock"];
    arguments.extend(platforms.iter().map(String::as_str));
    if case.upgrade {
        cli.run(&["init", "-upgrade"]).await;
    } else if files.iter().any(|(name, _)| name.contains('/')) {
        cli.run(&["get"]).await;
    }
    let theirs = cli.run(&arguments).await;
    let name = case.name;
    if (theirs.code == Some(0), report.is_good()) != (!case.refused, !case.refused) {
        return Some(format!(
            "{name}: {:?}\n{}{}\nours: {}",
            theirs.code,
            theirs.stdout,
            theirs.stderr,
            failures(&report)
        ));
    }
    let (ours, theirs) = (lock_of(ours.path()), lock_of(&cli.folder()));
    let expected = if case.refused { &before } else { &theirs };
    (ours != theirs || ours != *expected).then(|| format!("{name}:\nours:\n{ours:#?}\ntheirs:\n{theirs:#?}"))
}

async fn locked_before(origin: &Origin, home: &Home, style: Style, before: &Before) -> String {
    let style = match style {
        _ if !before.by_the_other => style,
        Style::Tofu => Style::Terraform,
        Style::Terraform => Style::Tofu,
    };
    let files: Vec<(&str, &str)> = before.files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = folder(&files);
    lock(&request(folder.path(), style, before.platforms), &home.means(origin)).await;
    (before.edit)(&lock_of(folder.path()).unwrap())
}

/// A CLI that takes the origin for every registry.
pub(crate) fn cli(origin: &Origin, style: Style, files: &[(&str, &str)]) -> Cli {
    let mut cli = match style {
        Style::Tofu => Cli::tofu(),
        Style::Terraform => Cli::terraform(),
    };
    write(&cli.folder(), files);
    configure(&mut cli, &origin.cli_config());
    cli
}

/// Gives a CLI this CLI configuration.
pub(crate) fn configure(cli: &mut Cli, text: &str) {
    let file = cli.folder().join("../cli.config");
    std::fs::write(&file, text).unwrap();
    let file: &Path = &file;
    cli.set("TF_CLI_CONFIG_FILE", file.to_str().unwrap());
}
