//! What is broken, and what lies: nothing of it is locked, and what is wrong is told.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::lock::{Means, Outcome};
use tofu_state_providers::sources::{Location, PackageMeta, Provenance, Registry, Source, SourceError};
use tofu_state_providers::{Address, Hash, Platform, Style, Version};
use tofu_state_testing::origin::{Fault, Origin, Release};

use crate::cases::{ONE, required};
use crate::common::{Home, failures, folder, lock, lock_of, request, run};

const WEB: &str = "registry.example.com/acme/web";

fn root() -> tempfile::TempDir {
    folder(&[("main.tf", &required("web = { source = \"registry.example.com/acme/web\" }"))])
}

#[tokio::test]
async fn what_is_not_signed_or_not_the_same_is_not_locked() {
    for (fault, reason) in [
        (Fault::WrongSums, "1.0.0 for linux_amd64: "),
        (Fault::WrongSum, "SHA256SUMS has"),
        (Fault::WrongSignature, "not to be trusted"),
        (Fault::NoSignature, "no signature"),
        (Fault::NoKeys, "not to be trusted"),
        (Fault::WrongPlatform, "describes a package for"),
        (Fault::Nonsense, "registry"),
        (Fault::RedirectLoop, "redirects"),
    ] {
        let origin = Origin::start().await;
        origin.publish(&Release::new(WEB, "1.0.0"));
        origin.misbehave(WEB, fault.clone());
        let root = root();
        let report = run(&request(root.path(), Style::Tofu, ONE), &Home::new().means(&origin)).await;
        assert!(failures(&report).contains(reason), "{fault:?}: {}", failures(&report));
        assert_eq!(lock_of(root.path()), None, "{fault:?}");
    }
}

#[tokio::test]
async fn hostile_zips_are_not_locked() {
    for (release, reason) in [
        (Release::new(WEB, "1.0.0").entry("../evil"), "evil"),
        (Release::new(WEB, "1.0.0").entry("/etc/evil"), "evil"),
        (Release::new(WEB, "1.0.0").platforms(ONE).bomb(), "unpacks to more than"),
    ] {
        let origin = Origin::start().await;
        origin.publish(&release);
        let root = root();
        let report = run(&request(root.path(), Style::Tofu, ONE), &Home::new().means(&origin)).await;
        assert!(failures(&report).contains(reason), "{}", failures(&report));
        assert_eq!(lock_of(root.path()), None);
    }
}

/// Impatient, and asks few times.
fn soon() -> Http {
    let short = Duration::from_millis(200);
    Http::new(Patience { request: short, silence: short, retries: 2, pause: Duration::from_millis(1) }).unwrap()
}

/// One provider's registry fails; another root module with another provider is done all the same.
#[tokio::test]
async fn a_registry_that_hangs_breaks_off_or_lies_holds_up_nobody_else() {
    const OTHER: &str = "registry.example.com/acme/other";
    for (fault, reason) in [
        (Fault::Hangs, "no answer in time"),
        (Fault::ZipHangs, "1.0.0 for linux_amd64: terraform-provider-web"),
        (Fault::Truncated(usize::MAX), "1.0.0 for linux_amd64: terraform-provider-web"),
        (Fault::TruncatedWithoutRanges(usize::MAX), "1.0.0 for linux_amd64: terraform-provider-web"),
        (Fault::FalseVersions, "99.0.0 has no package for linux_amd64"),
    ] {
        let origin = Origin::start().await;
        for provider in [WEB, OTHER] {
            origin.publish(&Release::new(provider, "1.0.0").size(100_000));
        }
        let home = Home::new();
        let config = home.config(Style::Tofu, &origin.cli_config());
        let source: Arc<dyn Source> = Arc::new(Registry::new(soon(), config, None));
        let means = Means {
            source: Box::new(move |_| Ok(Arc::clone(&source))),
            fetcher: Fetcher::new(soon(), home.folder().to_owned(), 4),
            cache: None,
        };
        origin.misbehave(WEB, fault.clone());
        let tree = folder(&[
            ("web/main.tf", &required(&format!("web = {{ source = \"{WEB}\" }}"))),
            ("other/main.tf", &required(&format!("other = {{ source = \"{OTHER}\" }}"))),
        ]);
        let report = run(&request(tree.path(), Style::Tofu, ONE), &means).await;
        assert_eq!(report.counts(), (0, 1, 0, 1), "{fault:?}: {}", failures(&report));
        assert!(failures(&report).contains(reason), "{fault:?}: {}", failures(&report));
        assert_eq!(lock_of(&tree.path().join("web")), None, "{fault:?}");
        // Nothing of what came is left.
        let left = std::fs::read_dir(home.folder()).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name != "cli.config").collect();
        assert!(left.is_empty(), "{fault:?}: {left:?}");
    }
}

#[tokio::test]
async fn a_release_that_changes_is_told() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(WEB, "1.0.0"));
    let (home, root) = (Home::new(), root());
    lock(&request(root.path(), Style::Tofu, ONE), &home.means(&origin)).await;
    let before = lock_of(root.path());
    origin.publish(&Release::new(WEB, "1.0.0").rebuilt());
    let more = request(root.path(), Style::Tofu, &["darwin_arm64"]);
    let report = run(&more, &home.means(&origin)).await;
    assert!(failures(&report).contains("changed"), "{}", failures(&report));
    assert_eq!(lock_of(root.path()), before);
    // Whoever has not seen the first one is told by the lock file.
    let report = lock(&more, &Home::new().means(&origin)).await;
    let notes = &report.roots[0].providers[0].notes;
    assert!(notes.len() == 1 && notes[0].contains("none of those that were locked before"), "{notes:?}");
}

/// A mirror that tells what it likes.
struct Mirror {
    zip: std::path::PathBuf,
    acceptable: Vec<Hash>,
}

#[async_trait]
impl Source for Mirror {
    fn identity(&self, _: &Address) -> String {
        "a mirror".to_owned()
    }

    async fn versions(&self, _: &Address) -> Result<Vec<Version>, SourceError> {
        Ok(vec!["1.0.0".parse().unwrap()])
    }

    async fn package(&self, _: &Address, _: &Version, _: &Platform) -> Result<PackageMeta, SourceError> {
        Ok(PackageMeta {
            filename: "web.zip".to_owned(),
            location: Location::Archive(self.zip.clone()),
            acceptable: self.acceptable.clone(),
            locked_along: Vec::new(),
            h1: None,
            installed: None,
            provenance: Provenance::Mirror { url: "https://mirror.example/".to_owned(), trusted: false },
        })
    }
}

#[tokio::test]
async fn a_mirror_cannot_change_what_is_locked() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(WEB, "1.0.0"));
    let root = root();
    lock(&request(root.path(), Style::Tofu, &["darwin_arm64"]), &Home::new().means(&origin)).await;
    let before = lock_of(root.path()).unwrap();
    let good = origin.zip(WEB, "1.0.0", "linux_amd64");
    origin.publish(&Release::new(WEB, "1.0.0").rebuilt());
    let bad = origin.zip(WEB, "1.0.0", "linux_amd64");
    let zh = |zip: &Path| tofu_state_providers::hashing::Sha256Sum::of_file(zip).unwrap().zh();
    let homes = [(); 4].map(|()| Home::new());
    let mirror = |home: usize, zip: &Path, acceptable: Vec<Hash>| {
        let source: Arc<dyn Source> = Arc::new(Mirror { zip: zip.to_owned(), acceptable });
        homes[home].means_of(move |_| Arc::clone(&source))
    };
    let asked = request(root.path(), Style::Tofu, ONE);
    for (means, reason) in [
        (mirror(0, &bad, vec![zh(&bad)]), "none of those that are locked"),
        (mirror(1, &bad, vec![zh(&good)]), "not what was promised"),
        (mirror(2, &good, Vec::new()), "without any hash"),
    ] {
        let report = run(&asked, &means).await;
        assert!(failures(&report).contains(reason), "{}", failures(&report));
        assert_eq!(lock_of(root.path()).unwrap(), before);
    }
    lock(&asked, &mirror(3, &good, vec![zh(&good)])).await;
    assert_eq!(lock_of(root.path()).unwrap().matches("\"h1:").count(), 2);
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_written_is_told() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(WEB, "1.0.0"));
    let root = root();
    std::fs::create_dir(root.path().join(".terraform.lock.hcl")).unwrap();
    let report = run(&request(root.path(), Style::Tofu, ONE), &Home::new().means(&origin)).await;
    assert!(matches!(report.roots[0].outcome, Outcome::Failed(_)) && failures(&report).contains("cannot be read"));
}

/// Killed in the middle, over and over: a lock file is the one before or the one after, and a later run ends the work.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_whole_files() {
    let origin = Origin::start().await;
    for version in ["1.0.0", "1.1.0"] {
        origin.publish(&Release::new(WEB, version));
    }
    let folder = tempfile::TempDir::new().unwrap();
    let text = |constraints| required(&format!("web = {{ source = \"{WEB}\", version = \"{constraints}\" }}"));
    let names: Vec<String> = (0..50).map(|number| format!("r{number}")).collect();
    let write = |constraints| {
        for name in &names {
            crate::common::write(folder.path(), &[(&format!("{name}/main.tf"), &text(constraints))]);
        }
    };
    let home = Home::new();
    write("1.0.0");
    lock(&request(folder.path(), Style::Tofu, ONE), &home.means(&origin)).await;
    let before = lock_of(&folder.path().join("r0")).unwrap();
    write("1.1.0");
    let config = folder.path().join("cli.config");
    std::fs::write(&config, origin.cli_config()).unwrap();
    // What is killed tidies nothing up.
    let left_behind = tempfile::TempDir::new().unwrap();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["hostile::the_child_that_is_killed", "--exact", "--ignored"])
            .env("LOCK_FOLDER", folder.path())
            .env("LOCK_CONFIG", &config)
            .env("TMPDIR", left_behind.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Not a wait for anything: wherever the kill falls must do.
        tokio::time::sleep(std::time::Duration::from_millis(20 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        for name in &names {
            let now = lock_of(&folder.path().join(name)).unwrap();
            assert!(now == before || now.contains("\"1.1.0\"") && now.ends_with("  ]\n}\n"), "{name}: {now}");
        }
    }
    let upgrade = tofu_state_providers::lock::Request { upgrade: true, ..request(folder.path(), Style::Tofu, ONE) };
    lock(&upgrade, &home.means(&origin)).await;
    assert!(names.iter().all(|name| lock_of(&folder.path().join(name)).unwrap().contains("\"1.1.0\"")));
}

#[tokio::test]
#[ignore = "is started and killed by the test above"]
async fn the_child_that_is_killed() {
    let (Some(folder), Some(config)) = (std::env::var_os("LOCK_FOLDER"), std::env::var_os("LOCK_CONFIG")) else {
        return;
    };
    let home = Home::new();
    let text = std::fs::read_to_string(config).unwrap();
    let config = home.config(Style::Tofu, &text);
    let source: Arc<dyn Source> =
        Arc::new(tofu_state_providers::sources::Registry::new(crate::common::http(), config, None));
    let asked = request(Path::new(&folder), Style::Tofu, ONE);
    let asked = tofu_state_providers::lock::Request { upgrade: true, ..asked };
    run(&asked, &home.means_of(move |_| Arc::clone(&source))).await;
}
