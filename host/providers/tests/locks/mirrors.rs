//! `providers lock -net-mirror` and `-fs-mirror` of both CLIs, and what is locked here from the same places.

use std::collections::BTreeSet;
use std::sync::Arc;

use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::http::Url;
use tofu_state_providers::lock::{Means, Request};
use tofu_state_providers::sources::{Installation, NetworkMirror, Source};
use tofu_state_providers::{Style, lockfile};
use tofu_state_testing::inits::{Place, ROWS};

use crate::cases::{FOUR, ONE, TWO};
use crate::common::{Home, failures, folder, http, lock, lock_of, request, run, write};
use crate::site::{Site, VERSION, files};

const PLACES: [Place; 3] = [Place::NetworkMirror, Place::Packed, Place::Unpacked];

/// Locks from there, and from nowhere else.
fn means(site: &Site, place: Place, home: &Home) -> Means {
    let packages = |name: &str| {
        let path = site.path(name);
        format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n", path.display())
    };
    let source: Arc<dyn Source> = match place {
        Place::Packed | Place::Unpacked => {
            let name = if place == Place::Packed { "packed" } else { "unpacked" };
            let config = home.config(site.style, &packages(name));
            Arc::new(Installation::new(&config, &http(), Some(home.cache())).unwrap())
        }
        // Without TLS, unlike with the CLIs: as with `--net-mirror`, it may be any.
        _ => {
            let url = Url::parse(&site.origin.offer(&site.path("packed"))).unwrap();
            Arc::new(NetworkMirror::new(http(), home.config(site.style, ""), url, false))
        }
    };
    home.means_of(move |_| Arc::clone(&source))
}

/// The arguments of the CLIs' command.
fn arguments(site: &Site, place: Place) -> Vec<String> {
    let option = match place {
        Place::Packed => format!("-fs-mirror={}", site.path("packed").display()),
        Place::Unpacked => format!("-fs-mirror={}", site.path("unpacked").display()),
        _ => format!("-net-mirror={}", site.web.offer(&site.path("packed"))),
    };
    let platforms = FOUR.iter().map(|platform| format!("-platform={platform}"));
    ["providers".to_owned(), "lock".to_owned(), option].into_iter().chain(platforms).collect()
}

/// The hashes in a lock file.
fn hashes(lock: &str) -> BTreeSet<String> {
    let lines = lock.lines().filter(|line| line.contains("h1:") || line.contains("zh:"));
    lines.map(|line| line.trim_matches([' ', '"', ',']).to_owned()).collect()
}

/// The same bytes, but that the `zh:` of every zip that was seen is locked here always, so that an `init` from the
/// registry finds it: the CLIs do so for OpenTofu's network mirrors only.
async fn compare(style: Style) {
    let site = Site::new(style, true).await;
    let whole = site.whole().await;
    let zip = |platform: &&str| Sha256Sum::of_file(&site.origin.zip(&site.provider(), VERSION, platform)).unwrap();
    let zips: BTreeSet<String> = FOUR.iter().map(|platform| zip(platform).zh().to_string()).collect();
    for place in PLACES {
        let none = if place == Place::Unpacked { BTreeSet::new() } else { zips.clone() };
        for before in std::iter::once(None).chain(ROWS.map(Some)) {
            let (root, cli, home) = (folder(&files()), site.cli(Place::Registry), Home::new());
            if let Some(row) = before {
                for folder in [root.path(), &cli.folder()] {
                    write(folder, &[(lockfile::NAME, &whole.holding(row))]);
                }
            }
            let arguments = arguments(&site, place);
            cli.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
            lock(&request(root.path(), style, FOUR), &means(&site, place, &home)).await;
            let (ours, theirs) = (lock_of(root.path()).unwrap(), lock_of(&cli.folder()).unwrap());
            let case = format!("{place:?}, before: {before:?}");
            if hashes(&theirs).is_superset(&none) {
                assert_eq!(ours, theirs, "{case}");
            } else {
                assert!(!(style == Style::Tofu && place == Place::NetworkMirror), "{case}: {theirs}");
                let both: BTreeSet<String> = hashes(&theirs).union(&none).cloned().collect();
                assert_eq!(hashes(&ours), both, "{case}");
                let rest = |text: &str| text.lines().filter(|line| !line.contains("h:")).count();
                assert_eq!(rest(&ours), rest(&theirs), "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tofu_locks_from_mirrors_is_locked() {
    compare(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraform_locks_from_mirrors_is_locked() {
    compare(Style::Terraform).await;
}

/// A lock file that was made from the mirror grows from it, once it is seen that the mirror still has what is locked.
#[tokio::test]
async fn platforms_are_added_from_the_mirror_that_the_others_came_from() {
    let site = Site::new(Style::Tofu, false).await;
    for place in [Place::NetworkMirror, Place::Packed] {
        let (root, home) = (folder(&files()), Home::new());
        lock(&request(root.path(), site.style, &["darwin_arm64"]), &means(&site, place, &home)).await;
        let before = lock_of(root.path()).unwrap();
        let report = run(&request(root.path(), site.style, ONE), &means(&site, place, &home)).await;
        let told = failures(&report);
        assert!(told.contains("acme/web 1.2.0 for linux_amd64: ") && told.contains("give --platform"), "{told}");
        assert_eq!(lock_of(root.path()).unwrap(), before);
        lock(&request(root.path(), site.style, TWO), &means(&site, place, &home)).await;
        assert_eq!(hashes(&lock_of(root.path()).unwrap()).len(), 4);
        // The registry has the sums of all platforms, and of the manifest.
        let upgrade = Request { upgrade: true, ..request(root.path(), site.style, ONE) };
        lock(&upgrade, &home.means(&site.origin)).await;
        assert_eq!(hashes(&lock_of(root.path()).unwrap()).len(), 7);
    }
}

/// Network mirrors whose documents are wrong: nothing of it is locked, and what is wrong is told.
#[tokio::test]
async fn network_mirrors_that_lie_are_not_believed() {
    let site = Site::new(Style::Tofu, false).await;
    let packages = format!("packed/{}", site.provider());
    let document = std::fs::read_to_string(site.path(&packages).join("1.2.0.json")).unwrap();
    let index = std::fs::read_to_string(site.path(&packages).join("index.json")).unwrap();
    let zip = site.origin.zip(&site.provider(), VERSION, "linux_amd64");
    let zh = Sha256Sum::of_file(&zip).unwrap().zh().to_string();
    let name = "terraform-provider-web_1.2.0_linux_amd64.zip";
    let h1 = hashing::of_zip(&zip).unwrap().h1.to_string();
    let with = |old: &str, new: &str| {
        assert!(document.contains(old), "{old} in {document}");
        document.replace(old, new)
    };
    let other = format!("zh:{}", "0".repeat(64));
    for (file, text, reason) in [
        ("1.2.0.json", with(name, "file:///etc/passwd"), "1.2.0 for linux_amd64 is none"),
        ("1.2.0.json", with(name, "gone.zip"), "404"),
        ("1.2.0.json", with(name, "http://169.254.169.254/latest"), "link-local"),
        ("1.2.0.json", with(name, &name.replace("linux_amd64", "linux_arm64")), "is not what was promised"),
        ("1.2.0.json", with(&zh, &other).replace(&h1, &other), "is not what was promised"),
        ("1.2.0.json", with(&zh, "nonsense").replace(&h1, "nonsense"), "`nonsense` is no hash"),
        ("1.2.0.json", with(&zh, "x:1").replace(&h1, "x:2"), "is not what was promised"),
        ("1.2.0.json", with("hashes", "sums"), "without any hash"),
        ("1.2.0.json", with("linux_amd64\"", "plan9_amd64\""), "has no package for linux_amd64"),
        ("1.2.0.json", "<html>".to_owned(), "not what the mirror protocol says"),
        ("index.json", index.replace("1.2.0", "9.9.9"), "9.9.9 has no package for linux_amd64"),
        ("index.json", index.replace("1.2.0", "newest"), "there is no version of"),
        ("index.json", "[]".to_owned(), "not what the mirror protocol says"),
    ] {
        let before = std::fs::read(site.path(&packages).join(file)).unwrap();
        std::fs::write(site.path(&packages).join(file), &text).unwrap();
        let (root, home) = (folder(&files()), Home::new());
        let report = run(&request(root.path(), site.style, ONE), &means(&site, Place::NetworkMirror, &home)).await;
        std::fs::write(site.path(&packages).join(file), before).unwrap();
        assert!(failures(&report).contains(reason), "{reason}: {}", failures(&report));
        assert_eq!(lock_of(root.path()), None, "{reason}");
    }
}
