//! `tofu-state providers …` as it is run: statuses, documents, metrics, spans, a terminal, and an end in the middle.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tofu_state_testing::origin::{Fault, Origin, Release};
use tofu_state_testing::otlp::{Collector, Span};
use tofu_state_testing::process::{Process, eventually};

use crate::common::PATIENCE;

const AWS: &str = "registry.opentofu.org/hashicorp/aws";
const NULL: &str = "registry.opentofu.org/hashicorp/null";
const TWO: [&str; 4] = ["--platform", "linux_amd64", "--platform", "darwin_arm64"];

/// Two root modules and a machine of their own.
struct Place {
    origin: Origin,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let origin = Origin::start().await;
        for provider in [AWS, NULL] {
            origin.publish(&Release::new(provider, "3.2.0").size(100_000));
        }
        let place = Self { origin, folder: TempDir::new().unwrap() };
        for root in ["prod", "stage"] {
            std::fs::create_dir_all(place.path(&format!("environments/{root}"))).unwrap();
            place.require(root, "aws = \"~> 3.0\"\n    null = \"3.2.0\"");
        }
        std::fs::write(place.path("cli.tfrc"), place.origin.cli_config()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn require(&self, root: &str, providers: &str) {
        let text =
            format!("terraform {{\n  backend \"http\" {{}}\n  required_providers {{\n    {providers}\n  }}\n}}\n");
        std::fs::write(self.path(&format!("environments/{root}/main.tf")), text).unwrap();
    }

    fn lock_file(&self, root: &str) -> Option<String> {
        std::fs::read_to_string(self.path(&format!("environments/{root}/.terraform.lock.hcl"))).ok()
    }

    /// The command, on a machine that has nothing but this.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
        command.arg("providers").args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("TF_CLI_CONFIG_FILE", self.path("cli.tfrc"));
        command.env("TOFU_STATE_CACHE", self.path("cache"));
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// `providers lock` for two platforms: its status, output and errors.
    async fn lock(&self, arguments: &[&str]) -> (i32, String, String) {
        let all: Vec<&str> = ["lock"].into_iter().chain(TWO).chain(arguments.iter().copied()).collect();
        let output = self.run(&all).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_files_are_written_checked_and_told() {
    let place = Place::new().await;
    let (status, out, _) = place.lock(&["--check", "environments"]).await;
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("+++ environments/prod/.terraform.lock.hcl") && place.lock_file("prod").is_none(), "{out}");
    let (status, out, err) = place.lock(&["environments"]).await;
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("2 root modules: 2 written") && place.lock_file("stage").unwrap().contains("h1:"), "{out}");
    assert_eq!(place.lock(&["--check", "environments"]).await.0, 0);

    // A mistake is told with its place; the others are done.
    place.require("prod", "null = \"3.2.0\"");
    std::fs::write(place.path("environments/stage/more.tf"), "terraform {\n  required_providers {\n").unwrap();
    let before = place.lock_file("stage");
    let (status, out, err) = place.lock(&["--prune", "environments"]).await;
    assert_eq!(status, 1, "{out}");
    assert!(err.contains("environments/stage/more.tf:"), "{err}");
    assert!(!place.lock_file("prod").unwrap().contains("aws") && place.lock_file("stage") == before);
    let (status, out, _) = place.lock(&["--json", "environments"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, document["roots"].as_array().unwrap().len()), (1, 2));
    let problem = &document["roots"][1]["problems"][0];
    assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_says_why() {
    let place = Place::new().await;
    for (arguments, why) in [
        (&["lock", "nowhere"][..], "nowhere"),
        (&["lock", "environments", "--platform", "linux"], "linux"),
        (&["lock", "environments", "--net-mirror", "no url"], "no url"),
        (&["mirror", "environments"], "--to"),
    ] {
        let output = place.run(arguments).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && err.contains(why) && output.stdout.is_empty(),
            "{arguments:?}: {err}"
        );
    }
    let output = place.command(&["lock", "environments"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense://").output();
    let output = tokio::task::spawn_blocking(move || output.unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("OTEL_EXPORTER_OTLP_ENDPOINT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_end_leaves_nothing_half_done() {
    let place = Place::new().await;
    for signal in [Signal::INT, Signal::TERM] {
        place.origin.misbehave(NULL, Fault::ZipHangs);
        place.origin.forget();
        let all: Vec<&str> = ["lock"].into_iter().chain(TWO).chain(["environments"]).collect();
        let mut process = Process::start(place.command(&all));
        let origin = &place.origin;
        eventually("a download", PATIENCE, async || (origin.counts().zips > 0).then_some(())).await;
        process.signal(signal);
        let status = process.exited(PATIENCE).await;
        assert_eq!(status.code(), Some(1), "{}", process.log());
        assert!(process.log().contains("interrupted"), "{}", process.log());
        assert_eq!((place.lock_file("prod"), place.lock_file("stage")), (None, None));
    }
    place.origin.behave();
    assert_eq!(place.lock(&["environments"]).await.0, 0);
    assert!(place.lock_file("prod").is_some_and(|text| Some(text) == place.lock_file("stage")));
}

/// Killed while packages come, and run once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_is_run_once_more() {
    let place = Place::new().await;
    for arguments in [&["lock", "environments"][..], &["mirror", "environments", "--to", "packages"]] {
        place.origin.misbehave(NULL, Fault::ZipHangs);
        place.origin.forget();
        let all: Vec<&str> = arguments.iter().copied().chain(TWO).collect();
        let mut process = Process::start(place.command(&all));
        let origin = &place.origin;
        eventually("a download", PATIENCE, async || (origin.counts().zips > 3).then_some(())).await;
        process.signal(Signal::KILL);
        process.exited(PATIENCE).await;
        assert_eq!((place.lock_file("prod"), place.lock_file("stage")), (None, None));
        place.origin.behave();
        let output = place.run(&all).await;
        assert!(output.status.success(), "{output:?}");
        if arguments[0] == "lock" {
            assert!(place.lock_file("prod").is_some_and(|text| Some(text) == place.lock_file("stage")));
            for root in ["prod", "stage"] {
                std::fs::remove_file(place.path(&format!("environments/{root}/.terraform.lock.hcl"))).unwrap();
            }
        }
    }
    let mut names: Vec<_> = std::fs::read_dir(place.path("packages").join(NULL)).unwrap().flatten().collect();
    names.retain(|entry| !entry.file_name().to_str().unwrap().ends_with(".json"));
    assert_eq!(names.len(), 2, "{names:?}: nothing of the run that was killed is left");
}

/// What is wrong with all root modules alike is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_is_told_once() {
    let place = Place::new().await;
    place.origin.misbehave(NULL, Fault::Nonsense);
    let (status, _, err) = place.lock(&["environments/prod"]).await;
    assert!(status == 1 && err.contains("\n  environments/prod: the registry of registry.opentofu.org: "), "{err}");
    place.require("stage", "null = \"3.2.0\"");
    let (status, _, err) = place.lock(&["environments"]).await;
    assert!(status == 1 && err.matches("the registry of registry.opentofu.org: ").count() == 1, "{err}");
    assert!(err.contains("\nin 2 root modules: the registry of registry.opentofu.org: "), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_write_the_same() {
    let place = Place::new().await;
    let (one, other) = tokio::join!(place.lock(&["environments"]), place.lock(&["environments"]));
    assert_eq!((one.0, other.0), (0, 0), "{one:?} {other:?}");
    let (status, out, _) = place.lock(&["--check", "environments"]).await;
    assert_eq!(status, 0, "{out}");
}

/// The value of a metric, by its name with its labels.
fn metric(file: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_trace_and_leaves_metrics() {
    let (place, collector) = (Place::new().await, Collector::start().await);
    let file = place.path("providers.prom");
    for (command, root) in [("lock", "providers lock"), ("mirror", "providers mirror")] {
        let mut arguments: Vec<&str> = [command].into_iter().chain(TWO).collect();
        arguments.extend(["environments", "--metrics-file", "providers.prom"]);
        if command == "mirror" {
            arguments.extend(["--to", "packages"]);
        }
        let mut process = place.command(&arguments);
        process.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address());
        let output = tokio::task::spawn_blocking(move || process.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{output:?}");

        // They were sent before the command ended.
        let spans = collector.spans();
        let run = named(&spans, root);
        assert_eq!(run.len(), 1, "{spans:?}");
        assert_eq!((run[0].attribute("tofu_state.root_modules"), &run[0].parent), ("2", &None));
        let within = |name: &str| {
            let found = named(&spans, name).into_iter().filter(|span| span.trace == run[0].trace);
            found.collect::<Vec<_>>()
        };
        let (packages, downloads) = (within("package"), within("download"));
        assert_eq!((packages.len(), downloads.len()), (4, 4));
        assert!(packages.iter().all(|package| package.parent.as_ref() == Some(&run[0].id)));
        assert!(packages.iter().any(|package| package.attribute("tofu_state.provider") == AWS));
        for download in downloads {
            assert!(packages.iter().any(|package| download.parent.as_ref() == Some(&package.id)));
            assert_eq!(download.attribute("server.address"), "127.0.0.1");
        }
        for (name, value) in [("run_success", "1"), ("run_downloads", "4"), ("run_packages", "4")] {
            let name = format!("tofu_state_providers_{name}{{command=\"{command}\"}}");
            assert_eq!(metric(&file, &name), value, "{name}");
        }
    }
    // A failure is told in both.
    place.origin.misbehave(NULL, Fault::WrongSums);
    std::fs::remove_dir_all(place.path("cache")).unwrap();
    std::fs::remove_file(place.path("environments/prod/.terraform.lock.hcl")).unwrap();
    let mut process = place.command(&["lock", "environments", "--metrics-file", "providers.prom"]);
    process.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address());
    let output = tokio::task::spawn_blocking(move || process.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(metric(&file, "tofu_state_providers_run_success{command=\"lock\"}"), "0");
    assert!(collector.spans().iter().any(|span| span.name == "package" && span.error.is_some()));
}

/// Runs the program after it on a terminal of its own, and prints what that terminal was sent.
const ON_A_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[tokio::test(flavor = "multi_thread")]
async fn bars_are_for_terminals() {
    let place = Place::new().await;
    for provider in [AWS, NULL] {
        place.origin.publish(&Release::new(provider, "3.2.1").size(3_000_000));
    }
    place.require("prod", "aws = \"3.2.1\"");
    let (status, out, err) = place.lock(&["environments/prod"]).await;
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    place.require("stage", "null = \"3.2.1\"");
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_tofu-state"), "providers", "lock", "environments/stage"]);
    command.current_dir(place.folder.path()).env("TERM", "xterm").env("TF_CLI_CONFIG_FILE", place.path("cli.tfrc"));
    command.env("HOME", place.folder.path()).env("TOFU_STATE_CACHE", place.path("cache"));
    let mut process = Process::start(command);
    let status = process.exited(PATIENCE).await;
    let seen = process.log();
    assert!(status.success(), "{seen}");
    assert!(seen.contains("/1 packages") && !seen.contains("/0 packages"), "{seen:?}");
    // The bar goes, and the summary stays.
    assert!(seen.trim_end().contains("1 root module: 1 written"), "{seen:?}");
    assert!(seen.rfind("packages  ").is_some_and(|bar| bar < seen.find("written").unwrap()), "{seen:?}");
}
