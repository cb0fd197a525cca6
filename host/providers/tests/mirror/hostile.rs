//! Registries that change their mind or send what they should not.

use tempfile::TempDir;
use tofu_state_providers::mirror::{Mirror, MirrorError, Settings};
use tofu_state_testing::origin::{Fault, Origin, Release};

use crate::common::{NULL, address, config, http, mirror, platform, settings, version};

#[tokio::test]
async fn a_changed_release_is_an_alert_and_no_update() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    let folder = TempDir::new().unwrap();
    // Nothing is hashed behind: linux alone is wanted, and asked for first.
    let only = Settings { platforms: vec![platform("linux_amd64")], ..settings(folder.path()) };
    let open = || Mirror::open(only.clone(), config(&origin), http()).unwrap();
    let first = open();
    let (null, one) = (address(NULL), version("1.0.0"));
    first.package(&null, &one, &platform("linux_amd64")).await.unwrap();
    let before = first.release(&null, &one).await.unwrap();
    drop(first);
    origin.publish(&Release::new(NULL, "1.0.0").rebuilt());
    let again = open();
    assert_eq!(again.release(&null, &one).await.unwrap(), before);
    again.package(&null, &one, &platform("linux_amd64")).await.unwrap();
    let refused = again.package(&null, &one, &platform("darwin_arm64")).await.unwrap_err();
    assert!(matches!(refused, MirrorError::Changed(_)), "{refused}");
    assert_eq!(again.counts().changed, 1);
    // Only who has asked the publisher makes it forget, in both places.
    std::fs::remove_file(folder.path().join("releases").join(NULL).join("1.0.0.json")).unwrap();
    let told = open().release(&null, &one).await.unwrap_err().to_string();
    let named = told.rsplit(' ').next().unwrap();
    assert!(named.starts_with(folder.path().to_str().unwrap()), "{told}");
    std::fs::remove_file(named).unwrap();
    let after = open();
    assert_ne!(after.release(&null, &one).await.unwrap().sums, before.sums);
    after.package(&null, &one, &platform("darwin_arm64")).await.unwrap();
}

#[tokio::test]
async fn what_is_not_signed_is_not_mirrored() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    for fault in [Fault::WrongSignature, Fault::NoSignature, Fault::WrongSums, Fault::NoKeys] {
        let folder = TempDir::new().unwrap();
        origin.misbehave(NULL, fault.clone());
        let refused = mirror(&origin, folder.path()).release(&address(NULL), &version("1.0.0")).await.unwrap_err();
        assert!(matches!(refused, MirrorError::Upstream(_)), "{fault:?}: {refused}");
        origin.behave();
        mirror(&origin, folder.path()).release(&address(NULL), &version("1.0.0")).await.unwrap();
    }
}

#[tokio::test]
async fn hostile_packages_are_not_kept() {
    let origin = Origin::start().await;
    let linux = &["linux_amd64"];
    origin.publish(&Release::new(NULL, "1.0.0").platforms(linux).entry("../../evil"));
    origin.publish(&Release::new(NULL, "2.0.0").platforms(linux).bomb());
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    for number in ["1.0.0", "2.0.0"] {
        let refused = mirror.package(&address(NULL), &version(number), &platform("linux_amd64")).await.unwrap_err();
        assert!(matches!(refused.cause(), MirrorError::Unsound(_)), "{number}: {refused}");
    }
    assert_eq!(mirror.bytes(), 0);
    // What was broken off goes on.
    origin.publish(&Release::new(NULL, "3.0.0").platforms(linux).size(1 << 20));
    origin.misbehave(NULL, Fault::Truncated(2));
    mirror.package(&address(NULL), &version("3.0.0"), &platform("linux_amd64")).await.unwrap();
}
