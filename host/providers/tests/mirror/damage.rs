//! Disks that lose what was written to them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::mirror::{Mirror, MirrorError, Settings};
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

use crate::common::{NULL, OURS, address, complete, config, http, mirror, platform, settings, uploaded, version};

/// Where the zip with that sum lies.
fn shelved(folder: &Path, sum: &Sha256Sum) -> PathBuf {
    let name = sum.to_string();
    folder.join("zips").join(&name[..2]).join(name)
}

async fn sum_of(mirror: &Mirror, provider: &str) -> Sha256Sum {
    let got = mirror.package(&address(provider), &version("1.0.0"), &platform("linux_amd64")).await;
    let (mut file, length, sum) = got.unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, Sha256Sum::of(&bytes)), (length, sum));
    sum
}

#[tokio::test]
async fn what_is_damaged_is_fetched_anew() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(&["linux_amd64"]).size(100_000));
    let folder = TempDir::new().unwrap();
    let first = mirror(&origin, folder.path());
    let sum = sum_of(&first, NULL).await;
    let path = shelved(folder.path(), &sum);
    let sound = fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    flipped[50_000] ^= 1;
    // While it serves, what is too short.
    fs::write(&path, &sound[..50_000]).unwrap();
    assert_eq!(sum_of(&first, NULL).await, sum);
    assert_eq!((first.counts().damaged, first.counts().downloaded, origin.counts().zips), (1, 2, 2));
    // After a start, whatever it is.
    for (number, bytes) in [&sound[..50_000], &flipped, b""].into_iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let again = mirror(&origin, folder.path());
        assert_eq!(sum_of(&again, NULL).await, sum);
        assert_eq!((again.counts().damaged, origin.counts().zips), (1, number + 3));
        assert_eq!(sum_of(&again, NULL).await, sum);
        assert_eq!((again.counts().damaged, again.counts().downloaded, again.counts().served), (1, 1, 1));
    }
    // Without its registry there is none, and no damaged one.
    fs::write(&path, &flipped).unwrap();
    let again = Mirror::open(settings(folder.path()), config(&origin), http()).unwrap();
    drop(origin);
    let refused = again.package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await.unwrap_err();
    assert!(matches!(refused.cause(), MirrorError::Upstream(_)), "{refused}");
}

/// There is no other of it: it is kept for whoever may mend it, and the same zip is taken once more.
#[tokio::test]
async fn an_upload_that_is_damaged_is_told_and_can_be_uploaded_again() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(OURS, "1.0.0").platforms(&["linux_amd64"]));
    let folder = TempDir::new().unwrap();
    let (ours, one, linux) = (address(OURS), version("1.0.0"), platform("linux_amd64"));
    let zip = origin.zip(OURS, "1.0.0", "linux_amd64");
    let sum = Sha256Sum::of_file(&zip).unwrap();
    let first = mirror(&origin, folder.path());
    first.upload(&ours, &one, &linux, uploaded(&first, &zip), "ci").await.unwrap();
    fs::write(shelved(folder.path(), &sum), "lost").unwrap();
    let again = mirror(&origin, folder.path());
    for _ in 0..2 {
        let refused = again.package(&ours, &one, &linux).await.unwrap_err();
        assert!(matches!(refused.cause(), MirrorError::Lost(_)), "{refused}");
        assert!(refused.to_string().contains("upload it again"), "{refused}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("zips/damaged").join(sum.to_string())).unwrap(), "lost");
    assert!(again.upload(&ours, &one, &linux, uploaded(&again, &zip), "ci").await.unwrap());
    assert_eq!(sum_of(&again, OURS).await, sum);
    // Also when nobody has asked for it in between.
    fs::write(shelved(folder.path(), &sum), "lost once more").unwrap();
    assert!(again.upload(&ours, &one, &linux, uploaded(&again, &zip), "ci").await.unwrap());
    assert_eq!((sum_of(&again, OURS).await, again.counts().damaged), (sum, 2));
}

#[tokio::test]
async fn hashes_that_are_lost_are_made_anew_of_what_lies_there() {
    let origin = Origin::start().await;
    for provider in [NULL, OURS] {
        origin.publish(&Release::new(provider, "1.0.0").size(100_000));
    }
    let folder = TempDir::new().unwrap();
    let first = mirror(&origin, folder.path());
    let (ours, one, linux) = (address(OURS), version("1.0.0"), platform("linux_amd64"));
    let zip = origin.zip(OURS, "1.0.0", "linux_amd64");
    first.upload(&ours, &one, &linux, uploaded(&first, &zip), "ci").await.unwrap();
    let before = complete(&first, NULL, "1.0.0").await;
    fs::remove_dir_all(folder.path().join("hashes")).unwrap();
    // Room for one: those go that can be fetched again.
    let small = Settings { most_bytes: 150_000, ..settings(folder.path()) };
    let again = Mirror::open(small, config(&origin), http()).unwrap();
    let zips = origin.counts().zips;
    assert_eq!(complete(&again, NULL, "1.0.0").await.lock_set().h1, before.lock_set().h1);
    assert_eq!(origin.counts().zips, zips, "nothing is downloaded for it");
    origin.publish(&Release::new(NULL, "2.0.0").platforms(&["linux_amd64"]).size(100_001));
    again.package(&address(NULL), &version("2.0.0"), &linux).await.unwrap();
    let record = complete(&again, OURS, "1.0.0").await;
    assert_eq!(record.lock_set().h1["linux_amd64"], hashing::of_zip(&zip).unwrap().h1.to_string());
    assert_eq!(record.packages["linux_amd64"].known.as_ref().unwrap().origin, "uploaded by ci");
    again.package(&ours, &one, &linux).await.unwrap();
    for name in PLATFORMS {
        assert!(record.hashes(name).len() <= 2);
    }
}

#[tokio::test]
async fn a_list_of_versions_that_is_damaged_is_asked_for_anew() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    mirror.versions(&address(NULL)).await.unwrap();
    let list = folder.path().join("releases").join(NULL).join("versions.json");
    fs::write(&list, "{\"versions\": [\"1.0").unwrap();
    assert_eq!(mirror.versions(&address(NULL)).await.unwrap(), [version("1.0.0")]);
    assert!(fs::read_to_string(&list).unwrap().contains("\"at\""));
}
