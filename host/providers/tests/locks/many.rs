//! Many root modules at once: what is asked for, what is downloaded, what is left alone.

use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::Style;
use tofu_state_providers::lock::{Outcome, Report, Request};
use tofu_state_providers::sources::{FilesystemMirror, Source};
use tofu_state_testing::origin::{Counts, Fault, Release};

use crate::cases::{FOUR, ONE, TWO, required};
use crate::common::{Home, failures, folder, lock, lock_of, origin, request, run, write};

/// Root modules with two providers each.
fn roots(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    for number in 0..count {
        let text = required("aws = { source = \"hashicorp/aws\", version = \"~> 5.0\" }\n    null = \">= 3.0\"");
        write(folder.path(), &[(&format!("r{number}/main.tf"), &text)]);
    }
    folder
}

fn outcomes(report: &Report) -> (usize, usize, usize, usize) {
    report.counts()
}

#[tokio::test]
async fn each_zip_is_downloaded_once_and_never_again() {
    let origin = origin().await;
    let (home, folder) = (Home::new(), roots(20));
    let asked = request(folder.path(), Style::Tofu, FOUR);
    let cold = lock(&asked, &home.means(&origin)).await;
    assert_eq!((cold.zips, cold.packages, outcomes(&cold)), (8, 8, (0, 20, 0, 0)));
    assert_eq!(cold.zips_alone, 160);
    let Counts { versions, zips, packages, .. } = origin.counts();
    assert_eq!((versions, packages, zips), (2, 8, 8));
    // What is locked is not asked about, and no file is touched.
    origin.forget();
    let modified = |number: usize| {
        let file = folder.path().join(format!("r{number}/.terraform.lock.hcl"));
        std::fs::metadata(file).unwrap().modified().unwrap()
    };
    let before = modified(7);
    let warm = lock(&asked, &home.means(&origin)).await;
    assert_eq!((warm.zips, outcomes(&warm)), (0, (20, 0, 0, 0)));
    assert_eq!((origin.counts(), modified(7)), (Counts::default(), before));
    // The same without any platform named: those that are locked.
    let warm = lock(&request(folder.path(), Style::Tofu, &[]), &home.means(&origin)).await;
    assert_eq!((outcomes(&warm), origin.counts()), ((20, 0, 0, 0), Counts::default()));
    // Another machine with the same files asks once more, for itself.
    let other = lock(&asked, &Home::new().means(&origin)).await;
    assert_eq!((other.zips, outcomes(&other)), (8, (20, 0, 0, 0)));
}

#[tokio::test]
async fn a_platform_more_is_that_platforms_zips_only() {
    let origin = origin().await;
    let (home, folder) = (Home::new(), roots(10));
    lock(&request(folder.path(), Style::Tofu, TWO), &home.means(&origin)).await;
    let whole = lock_of(&folder.path().join("r0")).unwrap();
    origin.forget();
    let more = lock(&request(folder.path(), Style::Tofu, &["linux_arm64"]), &Home::new().means(&origin)).await;
    assert_eq!((more.zips, origin.counts().zips, outcomes(&more)), (2, 2, (0, 10, 0, 0)));
    let grown = lock_of(&folder.path().join("r0")).unwrap();
    let lost: Vec<&str> = whole.lines().filter(|line| !grown.contains(*line)).collect();
    assert_eq!(lost, Vec::<&str>::new());
    assert_eq!(grown.matches("\"h1:").count(), 6);
}

#[tokio::test]
async fn upgrades_keep_the_platforms_that_are_locked() {
    let origin = origin().await;
    let home = Home::new();
    let folder = folder(&[("main.tf", &required("aws = \"~> 5.0, < 5.100\""))]);
    lock(&request(folder.path(), Style::Tofu, TWO), &home.means(&origin)).await;
    write(folder.path(), &[("main.tf", &required("aws = \"~> 5.0\""))]);
    let upgrade = Request { upgrade: true, ..request(folder.path(), Style::Tofu, &[]) };
    // Somebody who does not know what the hashes are for would lose platforms.
    let refused = run(&upgrade, &Home::new().means(&origin)).await;
    assert!(failures(&refused).contains("would lose them with its new version 5.100.0"), "{}", failures(&refused));
    lock(&upgrade, &home.means(&origin)).await;
    let text = lock_of(folder.path()).unwrap();
    assert!(text.contains("\"5.100.0\"") && text.matches("\"h1:").count() == 2, "{text}");
    assert_eq!(text.matches("\"zh:").count(), 5, "the old version's hashes are gone");
}

#[tokio::test]
async fn check_writes_nothing_and_shows_the_difference() {
    let origin = origin().await;
    let (home, folder) = (Home::new(), roots(2));
    let asked = request(folder.path(), Style::Terraform, ONE);
    lock(&asked, &home.means(&origin)).await;
    let file = folder.path().join("r1/.terraform.lock.hcl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let short: String = whole.lines().filter(|line| !line.contains("h1:")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, &short).unwrap();
    let check = Request { check: true, ..asked };
    let report = run(&check, &home.means(&origin)).await;
    assert!(!report.is_good());
    let Outcome::Differs(diff) = &report.roots[1].outcome else { panic!("{:?}", report.roots[1].outcome) };
    assert!(diff.contains("+    \"h1:") && diff.contains("@@"), "{diff}");
    assert_eq!(report.roots[0].outcome, Outcome::Unchanged);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), short);
    assert_eq!(report.json()["roots"][1]["outcome"], "differs");
}

#[tokio::test]
async fn styles_are_those_of_the_files_that_are_there() {
    let origin = origin().await;
    let home = Home::new();
    let terraform = "# This file is maintained automatically by \"terraform init\".\n";
    let text = required("null = \"3.0.0\"");
    let folder = folder(&[
        ("a/main.tf", &text),
        ("a/.terraform.lock.hcl", terraform),
        ("b/main.tofu", &text),
        ("c/main.tf", &text),
        ("c/.terraform.lock.hcl", "# This file is maintained automatically by \"tofu init\".\n"),
    ]);
    lock(&Request { style: None, ..request(folder.path(), Style::Tofu, ONE) }, &home.means(&origin)).await;
    for (root, host) in [("a", "registry.terraform.io"), ("b", "registry.opentofu.org"), ("c", "registry.opentofu.org")]
    {
        let lock = lock_of(&folder.path().join(root)).unwrap();
        assert!(lock.contains(&format!("\"{host}/hashicorp/null\"")), "{root}: {lock}");
    }
}

#[tokio::test]
async fn folders_with_packages_are_locked_from_without_a_network() {
    let origin = origin().await;
    let home = Home::new();
    let provider = "registry.opentofu.org/hashicorp/null";
    let mirror = TempDir::new().unwrap();
    let packed = mirror.path().join("packed").join(provider);
    std::fs::create_dir_all(&packed).unwrap();
    let zip = origin.zip(provider, "3.2.1", "linux_amd64");
    std::fs::copy(&zip, packed.join(zip.file_name().unwrap())).unwrap();
    let unpacked = mirror.path().join("unpacked").join(provider).join("3.2.1/linux_amd64");
    std::fs::create_dir_all(&unpacked).unwrap();
    tofu_state_providers::hashing::unpack(&zip, &unpacked).unwrap();
    let mut locks = Vec::new();
    for kind in ["packed", "unpacked"] {
        let root = folder(&[("main.tf", &required("null = \"~> 3.0\""))]);
        let source: Arc<dyn Source> = Arc::new(FilesystemMirror::new(mirror.path().join(kind)));
        lock(&request(root.path(), Style::Tofu, ONE), &Home::new().means_of(move |_| Arc::clone(&source))).await;
        locks.push(lock_of(root.path()).unwrap());
    }
    assert_eq!(locks[0].matches("\"zh:").count(), 1, "{}", locks[0]);
    let signed = folder(&[("main.tf", &required("null = \"~> 3.0\""))]);
    lock(&request(signed.path(), Style::Tofu, ONE), &home.means(&origin)).await;
    let whole = lock_of(signed.path()).unwrap();
    // The same hashes, of which the folders know fewer.
    for lock in locks {
        assert!(lock.lines().all(|line| whole.contains(line)), "{lock}\n{whole}");
        assert_eq!(lock.matches("\"h1:").count(), 1);
    }
}

#[tokio::test]
async fn a_root_module_that_fails_leaves_the_others_alone() {
    let origin = origin().await;
    let home = Home::new();
    let folder = roots(3);
    write(
        folder.path(),
        &[
            ("bad/main.tf", "terraform {\n  required_providers {\n    aws = { source = \"x/y/z/a\" }\n  }\n}\n"),
            ("far/main.tf", "module \"x\" {\n  source = \"acme/x/cloud\"\n}\n"),
            ("gone/main.tf", &required("gone = { source = \"acme/gone\" }")),
        ],
    );
    let report = run(&request(folder.path(), Style::Tofu, ONE), &home.means(&origin)).await;
    assert_eq!(outcomes(&report), (0, 3, 0, 3));
    let told = failures(&report);
    for text in ["bad/main.tf:3:22: `x/y/z/a` is no provider source", "far/main.tf:2:12: the module `x`", "acme/gone"] {
        assert!(told.contains(text), "{told}");
    }
    assert_eq!(lock_of(&folder.path().join("bad")), None);
    let shallow = Request { shallow: true, ..request(&folder.path().join("far"), Style::Tofu, ONE) };
    lock(&shallow, &home.means(&origin)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_the_same_time_share_what_they_know() {
    let origin = origin().await;
    let (home, folder) = (Home::new(), roots(5));
    let asked = request(folder.path(), Style::Tofu, FOUR);
    let (means, others) = (home.means(&origin), home.means(&origin));
    let (one, other) = tokio::join!(run(&asked, &means), run(&asked, &others));
    for report in [&one, &other] {
        // A file that the other wrote meanwhile is left as it is, and that is told.
        assert!(report.is_good() || failures(report).contains("by somebody else meanwhile"), "{}", failures(report));
    }
    let after = lock(&asked, &home.means(&origin)).await;
    assert_eq!((after.zips, outcomes(&after)), (0, (5, 0, 0, 0)));
}

#[tokio::test]
async fn a_registry_that_fails_for_a_while_is_asked_again() {
    let origin = origin().await;
    origin.publish(&Release::new("registry.opentofu.org/hashicorp/aws", "5.200.0").size(1 << 20));
    let (home, folder) = (Home::new(), roots(3));
    // Each fault has a platform of its own to be met with.
    for (fault, platform) in [
        (Fault::Refuses(2, 503), "linux_amd64"),
        (Fault::Truncated(2), "linux_arm64"),
        (Fault::TruncatedWithoutRanges(2), "darwin_arm64"),
    ] {
        origin.misbehave("registry.opentofu.org/hashicorp/aws", fault);
        let report = lock(&request(folder.path(), Style::Tofu, &[platform]), &home.means(&origin)).await;
        assert_eq!(report.roots.len(), 3);
    }
    assert!(origin.counts().ranges > 0);
}
