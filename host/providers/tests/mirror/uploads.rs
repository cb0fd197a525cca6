//! Private providers.

use tempfile::TempDir;
use tofu_state_providers::hashing;
use tofu_state_providers::mirror::{Mirror, MirrorError};
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

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

/// Mirrors that share a folder are as processes that share one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn platforms_uploaded_at_once_are_all_recorded() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let ours = address(OURS);
    for number in ["1.0.0", "1.0.1", "1.0.2", "1.0.3"] {
        origin.publish(&Release::new(OURS, number));
        let uploads = PLATFORMS.map(|name| {
            let (mirror, ours) = (mirror(&origin, folder.path()), ours.clone());
            let zip = uploaded(&mirror, &origin.zip(OURS, number, name));
            tokio::spawn(async move { mirror.upload(&ours, &version(number), &platform(name), zip, "ci").await })
        });
        for upload in uploads {
            assert!(upload.await.unwrap().unwrap());
        }
        let record = mirror(&origin, folder.path()).release(&ours, &version(number)).await.unwrap();
        assert_eq!((record.packages.len(), record.sums.len()), (4, 4));
        assert!(record.is_complete());
    }
}

/// Of several that upload other zips as the same package at once, one is first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_several_that_upload_the_same_package_is_first() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let uploads = ["1.0.0-one", "1.0.0-two", "1.0.0-three"].map(|number| {
        origin.publish(&Release::new(OURS, number).platforms(&["linux_amd64"]));
        let mirror = mirror(&origin, folder.path());
        let zip = uploaded(&mirror, &origin.zip(OURS, number, "linux_amd64"));
        let sum = zip.sha256;
        tokio::spawn(async move {
            let linux = platform("linux_amd64");
            (mirror.upload(&address(OURS), &version("1.0.0"), &linux, zip, "ci").await, sum)
        })
    });
    let mut first = Vec::new();
    for upload in uploads {
        match upload.await.unwrap() {
            (Ok(new), sum) => first.extend(new.then_some(sum)),
            (Err(refused), _) => assert!(matches!(refused, MirrorError::Conflict(_)), "{refused}"),
        }
    }
    let record = mirror(&origin, folder.path()).release(&address(OURS), &version("1.0.0")).await.unwrap();
    assert_eq!(first, [record.packages["linux_amd64"].sha256]);
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
