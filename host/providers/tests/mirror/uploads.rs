//! Private providers.

use tempfile::TempDir;
use tofu_state_providers::hashing;
use tofu_state_providers::mirror::{Mirror, MirrorError};
use tofu_state_testing::origin::{Origin, Release};

use crate::common::{NULL, OURS, address, config, http, mirror, platform, settings, uploaded, version};

#[tokio::test]
async fn uploads_grow_and_never_change() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(OURS, "1.0.0"));
    origin.publish(&Release::new(OURS, "1.0.0-other").platforms(&["linux_amd64"]));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let (ours, one, linux) = (address(OURS), version("1.0.0"), platform("linux_amd64"));
    assert!(matches!(mirror.versions(&ours).await.unwrap_err(), MirrorError::NotFound(_)));
    let zip = origin.zip(OURS, "1.0.0", "linux_amd64");
    assert!(mirror.upload(&ours, &one, &linux, uploaded(&mirror, &zip), "ci").await.unwrap());
    assert!(!mirror.upload(&ours, &one, &linux, uploaded(&mirror, &zip), "ci").await.unwrap(), "the same again");
    let other = origin.zip(OURS, "1.0.0-other", "linux_amd64");
    let refused = mirror.upload(&ours, &one, &linux, uploaded(&mirror, &other), "ci").await.unwrap_err();
    assert!(matches!(refused, MirrorError::Conflict(_)), "{refused}");
    let mac = origin.zip(OURS, "1.0.0", "darwin_arm64");
    assert!(mirror.upload(&ours, &one, &platform("darwin_arm64"), uploaded(&mirror, &mac), "ci").await.unwrap());
    let refused = mirror.upload(&address(NULL), &one, &linux, uploaded(&mirror, &zip), "ci").await.unwrap_err();
    assert!(matches!(refused, MirrorError::NotAllowed(_)), "{refused}");
    drop(mirror);
    let again = Mirror::open(settings(folder.path()), config(&origin), http()).unwrap();
    let record = again.release(&ours, &one).await.unwrap();
    assert!(record.is_uploaded() && record.is_complete());
    assert_eq!(record.lock_set().h1["linux_amd64"], hashing::of_zip(&zip).unwrap().h1.to_string());
    assert_eq!(record.lock_set().origin, "uploaded by ci");
    again.package(&ours, &one, &linux).await.unwrap();
    assert!(matches!(again.release(&ours, &version("2.0.0")).await.unwrap_err(), MirrorError::NotFound(_)));
    // Nobody else is asked about what is ours.
    let counts = origin.counts();
    assert_eq!((counts.versions, counts.packages, counts.zips), (0, 0, 0));
}

#[tokio::test]
async fn what_is_no_package_is_not_taken() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(OURS, "1.0.0").platforms(&["linux_amd64"]).entry("../evil"));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let (ours, one, linux) = (address(OURS), version("1.0.0"), platform("linux_amd64"));
    let zip = origin.zip(OURS, "1.0.0", "linux_amd64");
    let refused = mirror.upload(&ours, &one, &linux, uploaded(&mirror, &zip), "ci").await.unwrap_err();
    assert!(matches!(refused, MirrorError::Unsound(_)), "{refused}");
    let text = folder.path().join("text");
    std::fs::write(&text, "no zip").unwrap();
    let refused = mirror.upload(&ours, &one, &linux, uploaded(&mirror, &text), "ci").await.unwrap_err();
    assert!(matches!(refused, MirrorError::Unsound(_)), "{refused}");
    assert!(matches!(mirror.release(&ours, &one).await.unwrap_err(), MirrorError::NotFound(_)));
}

/// The same zip may be private here and public there: the private one would be lost if it went for want of room.
#[tokio::test]
async fn what_was_uploaded_stays_uploaded_when_a_registry_has_it_too() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(&["linux_amd64"]));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let (ours, one, linux) = (address(OURS), version("1.0.0"), platform("linux_amd64"));
    let zip = origin.zip(NULL, "1.0.0", "linux_amd64");
    assert!(mirror.upload(&ours, &one, &linux, uploaded(&mirror, &zip), "ci").await.unwrap());
    // As if the registry's had been on its way already.
    let sum = hashing::Sha256Sum::of_file(&zip).unwrap().to_string();
    std::fs::remove_file(folder.path().join("zips").join(&sum[..2]).join(&sum)).unwrap();
    mirror.package(&address(NULL), &one, &linux).await.unwrap();
    let record = mirror.release(&ours, &one).await.unwrap();
    assert_eq!(record.packages["linux_amd64"].known.as_ref().unwrap().origin, "uploaded by ci");
}
