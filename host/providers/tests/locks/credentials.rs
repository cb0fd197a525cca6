//! Credentials helpers: run as both real CLIs run them, for the same lock files.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::sources::Registry;
use tofu_state_providers::{Platform, Style};
use tofu_state_testing::origin::{Origin, Release};

use crate::common::{Home, failures, folder, http, lock_of, request, run};
use crate::compare::cli;

const HOST: &str = "private.example";
const PLATFORMS: [&str; 2] = ["linux_amd64", "darwin_arm64"];

/// What a helper does, what else is configured, and how it ends.
struct Case {
    script: &'static str,
    more: &'static str,
    variable: Option<&'static str>,
    /// What is said, if it fails.
    failure: Option<&'static str>,
    /// Whether the helper is asked at all.
    asked: bool,
}

const RIGHT: &str = "echo '{\"token\": \"s3cret\"}'";
const WRONG: &str = "echo '{\"token\": \"wr0ng\"}'";

#[tokio::test(flavor = "multi_thread")]
async fn helpers_are_run_as_both_clis_run_them() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(&format!("{HOST}/acme/web"), "1.0.0"));
    let services = origin.cli_config();
    origin.protect(HOST, "s3cret");
    let plain = Case { script: RIGHT, more: "", variable: None, failure: None, asked: true };
    let cases = [
        Case { ..plain },
        Case { script: WRONG, variable: Some("s3cret"), asked: false, ..plain },
        Case { script: WRONG, more: "credentials \"private.example\" { token = \"s3cret\" }", asked: false, ..plain },
        // A block without a token means that there is none.
        Case { more: "credentials \"private.example\" {}", failure: Some("401"), asked: false, ..plain },
        Case { script: WRONG, failure: Some("401"), ..plain },
        Case { script: "echo '{}'", failure: Some("401"), ..plain },
        Case { script: "echo sealed >&2; exit 1", failure: Some("sealed"), ..plain },
        Case { script: "echo s3cret", failure: Some("terraform-credentials-team"), ..plain },
    ];
    for case in &cases {
        for style in [Style::Tofu, Style::Terraform] {
            compare(&origin, &services, style, case).await;
        }
    }
    assert_eq!(origin.counts().leaks, 0);
}

async fn compare(origin: &Origin, services: &str, style: Style, case: &Case) {
    let files = [(
        "main.tf",
        "terraform {\n  required_providers {\n    web = {\n      source = \"private.example/acme/web\"\n    }\n  }\n}\n",
    )];
    let mut cli = cli(origin, style, &files);
    let home = cli.folder().join("..");
    let log = home.join("log");
    let script = home.join("script");
    std::fs::write(&script, format!("echo \"$@\" >> {}\n{}\n", log.display(), case.script)).unwrap();
    plugins(&home.join(".terraform.d/plugins"));
    let text = format!(
        "{services}credentials_helper \"team\" {{\n  args = [\"{}\", \"-for\"]\n}}\n{}\n",
        script.display(),
        case.more
    );
    let config = home.join("cli.tfrc");
    std::fs::write(&config, text).unwrap();
    cli.set("TF_CLI_CONFIG_FILE", config.to_str().unwrap());
    if let Some(token) = case.variable {
        cli.set("TF_TOKEN_private_example", token);
    }
    let theirs = cli.run(&["providers", "lock", "-platform=linux_amd64", "-platform=darwin_arm64"]).await;
    let asked_by_theirs = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);

    let variables = [
        ("HOME", home.to_str().unwrap()),
        ("TF_CLI_CONFIG_FILE", config.to_str().unwrap()),
        (case.variable.map_or("UNSET", |_| "TF_TOKEN_private_example"), case.variable.unwrap_or_default()),
    ];
    let loaded = CliConfig::load(style, Environment::new(variables, home.clone())).unwrap();
    assert!(loaded.remarks.is_empty(), "{:?}", loaded.remarks);
    let ours = folder(&files);
    let (memory, loaded) = (Home::new(), Arc::new(loaded));
    let means = memory.means_of(move |_| Arc::new(Registry::new(http(), Arc::clone(&loaded), None)));
    let report = run(&request(ours.path(), style, &PLATFORMS), &means).await;
    let asked_by_ours = std::fs::read_to_string(&log).unwrap_or_default();

    let told = failures(&report);
    assert_eq!(theirs.code == Some(0), case.failure.is_none(), "{}{}", theirs.stdout, theirs.stderr);
    match case.failure {
        None => assert!(report.is_good(), "{told}"),
        Some(failure) => {
            assert!(told.contains(failure), "{told}");
            assert!(!told.contains("s3cret") && !told.contains("wr0ng"), "{told}");
        }
    }
    assert_eq!(lock_of(ours.path()), lock_of(&cli.folder()));
    let (once, none) = (format!("-for get {HOST}\n"), String::new());
    assert_eq!(asked_by_ours, if case.asked { once.clone() } else { none }, "{}", case.script);
    // They ask a helper that fails once more.
    assert_eq!(asked_by_theirs.starts_with(&once), case.asked, "{asked_by_theirs}");
}

/// A helper in two versions, of which the newer one is the one to run. Each is a link to a program that is there, so
/// that nothing is run that was just written.
fn plugins(folder: &Path) {
    let machine = folder.join(Platform::current().to_string());
    std::fs::create_dir_all(&machine).unwrap();
    symlink("/bin/false", folder.join("terraform-credentials-team")).unwrap();
    symlink("/bin/sh", machine.join("terraform-credentials-team_v1.10.0")).unwrap();
    symlink("/bin/false", machine.join("terraform-credentials-team_v1.9.0")).unwrap();
}

/// As with both CLIs, a public provider needs no helper, and so none that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_is_missing_is_missed_only_where_a_token_is_wanted() {
    let origin = Origin::start().await;
    for host in [HOST, "public.example"] {
        origin.publish(&Release::new(&format!("{host}/acme/web"), "1.0.0").platforms(&["linux_amd64"]));
    }
    let text = origin.cli_config() + "credentials_helper \"team\" {}\n";
    origin.protect(HOST, "s3cret");
    for style in [Style::Tofu, Style::Terraform] {
        for (host, good) in [("public.example", true), (HOST, false)] {
            let main = format!(
                "terraform {{\n  required_providers {{\n    web = {{\n      source = \"{host}/acme/web\"\n    }}\n  }}\n}}\n"
            );
            let files = [("main.tf", main.as_str())];
            let mut cli = cli(&origin, style, &files);
            let config = cli.folder().join("../cli.tfrc");
            std::fs::write(&config, &text).unwrap();
            cli.set("TF_CLI_CONFIG_FILE", config.to_str().unwrap());
            let theirs = cli.run(&["providers", "lock", "-platform=linux_amd64"]).await;
            assert_eq!(theirs.code == Some(0), good, "{}{}", theirs.stdout, theirs.stderr);
            let home = TempDir::new().unwrap();
            let variables = [("HOME", home.path().to_str().unwrap()), ("TF_CLI_CONFIG_FILE", config.to_str().unwrap())];
            let loaded = CliConfig::load(style, Environment::new(variables, home.path().to_owned())).unwrap();
            let missing = "terraform-credentials-team is not in";
            assert!(loaded.remarks[0].contains(missing), "{:?}", loaded.remarks);
            let ours = folder(&files);
            let (memory, loaded) = (Home::new(), Arc::new(loaded));
            let means = memory.means_of(move |_| Arc::new(Registry::new(http(), Arc::clone(&loaded), None)));
            let report = run(&request(ours.path(), style, &["linux_amd64"]), &means).await;
            let told = failures(&report);
            assert_eq!(report.is_good(), good, "{told}");
            assert!(good || told.contains(missing), "{told}");
            assert_eq!(lock_of(ours.path()), lock_of(&cli.folder()));
        }
    }
}

/// `login` writes tokens into a file beside the main one.
#[tokio::test(flavor = "multi_thread")]
async fn what_login_has_written_counts_more_than_the_main_file() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(&format!("{HOST}/acme/web"), "1.0.0"));
    let services = origin.cli_config();
    origin.protect(HOST, "s3cret");
    let files = [(
        "main.tf",
        "terraform {\n  required_providers {\n    web = {\n      source = \"private.example/acme/web\"\n    }\n  }\n}\n",
    )];
    for style in [Style::Tofu, Style::Terraform] {
        for (main, beside, good) in [("wr0ng", "s3cret", true), ("s3cret", "wr0ng", false)] {
            let mut cli = cli(&origin, style, &files);
            cli.set("TF_CLI_CONFIG_FILE", "");
            let home = cli.folder().join("..");
            let text = format!("{services}credentials \"{HOST}\" {{\n  token = \"{main}\"\n}}\n");
            std::fs::write(home.join(".terraformrc"), text).unwrap();
            std::fs::create_dir(home.join(".terraform.d")).unwrap();
            let login = format!("{{\"credentials\": {{\"{HOST}\": {{\"token\": \"{beside}\"}}}}}}");
            std::fs::write(home.join(".terraform.d/credentials.tfrc.json"), login).unwrap();
            let theirs = cli.run(&["providers", "lock", "-platform=linux_amd64", "-platform=darwin_arm64"]).await;
            assert_eq!(theirs.code == Some(0), good, "{}{}", theirs.stdout, theirs.stderr);

            let environment = Environment::new([("HOME", home.to_str().unwrap())], home.clone());
            let loaded = Arc::new(CliConfig::load(style, environment).unwrap());
            let ours = folder(&files);
            let memory = Home::new();
            let means = memory.means_of(move |_| Arc::new(Registry::new(http(), Arc::clone(&loaded), None)));
            let report = run(&request(ours.path(), style, &PLATFORMS), &means).await;
            assert_eq!(report.is_good(), good, "{}", failures(&report));
            assert_eq!(lock_of(ours.path()), lock_of(&cli.folder()));
        }
    }
}
