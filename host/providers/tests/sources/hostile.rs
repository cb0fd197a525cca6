//! Registries that lie, and ones that are out of order.

use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::hashing::{self, HashError};
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::sources::{Registry, Source, SourceError};
use tofu_state_testing::origin::{Fault, Origin, Release};

use crate::common::{NULL, address, config, fetcher, patience, platform, registry, registry_with_cache, url, version};

#[tokio::test]
async fn what_is_not_signed_as_it_should_be_is_not_trusted() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    for (fault, reason) in [
        (Fault::WrongSum, "but SHA256SUMS has"),
        (Fault::WrongSums, "over other bytes"),
        (Fault::WrongSignature, "none of the keys"),
        (Fault::NoSignature, "has no signature"),
        (Fault::NonsenseSignature, "no binary OpenPGP signature"),
        (Fault::NoKeys, "names no key"),
        (Fault::WrongPlatform, "plan9_amd64"),
    ] {
        origin.misbehave(NULL, fault.clone());
        let asked = registry(&origin).package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await;
        let Err(error @ SourceError::Untrusted { .. }) = asked else { panic!("{fault:?}: {asked:?}") };
        assert!(error.to_string().contains(reason), "{fault:?}: {error}");
    }
    origin.behave();
    registry(&origin).package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await.unwrap();
}

#[tokio::test]
async fn a_registry_may_be_down_for_a_while() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    for status in [500, 502, 503, 504, 429] {
        origin.misbehave(NULL, Fault::Refuses(3, status));
        registry(&origin).versions(&address(NULL)).await.unwrap();
        origin.misbehave(NULL, Fault::Refuses(4, status));
        let error = registry(&origin).versions(&address(NULL)).await.unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
    }
    origin.misbehave(NULL, Fault::Refuses(1, 400));
    registry(&origin).versions(&address(NULL)).await.unwrap_err();
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    origin.misbehave(NULL, Fault::Hangs);
    let soon = Patience { request: Duration::from_millis(100), retries: 2, ..patience() };
    let registry = Registry::new(Http::new(soon).unwrap(), config(&origin.cli_config()), None);
    let error = registry.versions(&address(NULL)).await.unwrap_err().to_string();
    assert!(error.contains("no answer in time"), "{error}");
    assert_eq!(origin.counts().versions, 3);
}

#[tokio::test]
async fn lies_about_versions_and_nonsense_are_told() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    origin.misbehave(NULL, Fault::FalseVersions);
    let registry = registry(&origin);
    let versions = registry.versions(&address(NULL)).await.unwrap();
    assert_eq!(versions, [version("1.0.0"), version("99.0.0")], "what is no version is passed over");
    let missing = registry.package(&address(NULL), &version("99.0.0"), &platform("linux_amd64")).await.unwrap_err();
    assert!(matches!(missing, SourceError::NoPlatform { .. }));
    origin.misbehave(NULL, Fault::Nonsense);
    let error = registry.versions(&address(NULL)).await.unwrap_err().to_string();
    assert!(error.contains("not what the registry protocol says"), "{error}");
}

#[tokio::test]
async fn a_changed_release_is_not_believed() {
    let origin = Origin::start().await;
    let cache = TempDir::new().unwrap();
    let (null, one, linux) = (address(NULL), version("1.0.0"), platform("linux_amd64"));
    origin.publish(&Release::new(NULL, "1.0.0"));
    registry_with_cache(&origin, &cache).package(&null, &one, &linux).await.unwrap();
    origin.publish(&Release::new(NULL, "1.0.0").rebuilt());
    let error = registry_with_cache(&origin, &cache).package(&null, &one, &linux).await.unwrap_err();
    assert!(matches!(error, SourceError::Untrusted { .. }));
    let told = error.to_string();
    assert!(told.contains("has changed"), "{told}");
    // The file that it names is the remedy.
    let file = told.rsplit("remove ").next().unwrap();
    std::fs::remove_file(file).unwrap();
    registry_with_cache(&origin, &cache).package(&null, &one, &linux).await.unwrap();
}

/// Signed all the same: an author's key can be stolen.
#[tokio::test]
async fn hostile_zips_are_not_hashed() {
    let origin = Origin::start().await;
    let folder = TempDir::new().unwrap();
    let linux = &["linux_amd64"];
    origin.publish(&Release::new(NULL, "1.0.0").platforms(linux).entry("../../evil"));
    origin.publish(&Release::new(NULL, "2.0.0").platforms(linux).bomb());
    let registry = registry(&origin);
    for number in ["1.0.0", "2.0.0"] {
        let meta = registry.package(&address(NULL), &version(number), &platform("linux_amd64")).await.unwrap();
        let fetched = fetcher(&folder).zip(&url(&meta), |_| {}).await.unwrap();
        let refused = hashing::of_zip(fetched.file.path()).unwrap_err();
        match number {
            "1.0.0" => assert!(matches!(refused, HashError::Hostile(_)), "{refused}"),
            _ => assert!(matches!(refused, HashError::TooLarge(_)), "{refused}"),
        }
    }
}
