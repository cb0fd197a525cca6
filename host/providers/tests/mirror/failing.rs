//! What fails is not tried again for everybody who asks; what hangs keeps nobody waiting.

use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::mirror::{Mirror, MirrorError, Settings};
use tofu_state_testing::origin::{Fault, Origin, Release};
use tofu_state_testing::process::eventually;

use crate::common::{NULL, PATIENCE, address, config, http, mirror, platform, settings, version};

const LINUX: &[&str] = &["linux_amd64"];

async fn refused(mirror: &Mirror, number: &str) -> MirrorError {
    mirror.package(&address(NULL), &version(number), &platform("linux_amd64")).await.unwrap_err()
}

#[tokio::test]
async fn an_unsound_package_is_fetched_once_for_all_who_ask() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(LINUX).entry("../../evil"));
    let folder = TempDir::new().unwrap();
    let wary = mirror(&origin, folder.path());
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let mirror = wary.clone();
            tokio::spawn(async move { refused(&mirror, "1.0.0").await })
        })
        .collect();
    for asked in asking {
        let error = asked.await.unwrap();
        assert!(matches!(error.cause(), MirrorError::Unsound(_)), "{error}");
    }
    let again = refused(&wary, "1.0.0").await;
    assert!(matches!(again, MirrorError::Remembered { .. }), "{again}");
    let text = again.to_string();
    assert!(text.contains("evil") && text.contains("tried again in"), "what is wrong is told again: {text}");
    assert_eq!(origin.counts().zips, 1);
    // Whoever forgets at once asks each time.
    let quick = Mirror::open(Settings { wary: Duration::ZERO, ..settings(folder.path()) }, config(&origin), http());
    let quick = quick.unwrap();
    for number in 2..4 {
        let error = refused(&quick, "1.0.0").await;
        assert!(matches!(error, MirrorError::Unsound(_)), "{error}");
        assert!(origin.counts().zips >= number);
    }
    // Mended, it is taken.
    origin.publish(&Release::new(NULL, "2.0.0").platforms(LINUX));
    quick.package(&address(NULL), &version("2.0.0"), &platform("linux_amd64")).await.unwrap();
}

#[tokio::test]
async fn a_release_that_is_not_to_be_trusted_is_asked_for_once() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(LINUX));
    origin.misbehave(NULL, Fault::WrongSignature);
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    for _ in 0..3 {
        let error = mirror.release(&address(NULL), &version("1.0.0")).await.unwrap_err();
        assert!(matches!(error.cause(), MirrorError::Upstream(_)), "{error}");
    }
    assert_eq!((origin.counts().packages, origin.counts().sums, mirror.counts().failed), (1, 1, 1));
}

/// Seen once, and then no longer there, or another.
#[tokio::test]
async fn a_package_that_was_removed_or_changed_is_asked_for_once() {
    let origin = Origin::start().await;
    for number in ["1.0.0", "2.0.0"] {
        origin.publish(&Release::new(NULL, number).platforms(LINUX));
    }
    let folder = TempDir::new().unwrap();
    // Nothing is fetched behind.
    let only = Settings { platforms: vec![platform("darwin_arm64")], ..settings(folder.path()) };
    let mirror = Mirror::open(only, config(&origin), http()).unwrap();
    for number in ["1.0.0", "2.0.0"] {
        mirror.release(&address(NULL), &version(number)).await.unwrap();
    }
    origin.publish(&Release::new(NULL, "2.0.0").platforms(LINUX).rebuilt());
    origin.forget();
    for _ in 0..3 {
        let error = refused(&mirror, "2.0.0").await;
        assert!(matches!(error.cause(), MirrorError::Changed(_)), "{error}");
    }
    assert_eq!((origin.counts().packages, mirror.counts().changed), (1, 1), "one change, one alert");
    origin.misbehave(NULL, Fault::Refuses(usize::MAX, 404));
    origin.forget();
    for _ in 0..3 {
        let error = refused(&mirror, "1.0.0").await;
        assert!(matches!(error.cause(), MirrorError::NotFound(_)), "{error}");
    }
    assert_eq!(origin.counts().packages, 1);
}

/// Clients wait ten seconds for a document.
#[tokio::test]
async fn a_registry_that_hangs_keeps_nobody_waiting() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(LINUX));
    let folder = TempDir::new().unwrap();
    let quick = Settings { answer_in: Duration::from_millis(200), ..settings(folder.path()) };
    let patient = mirror(&origin, folder.path());
    let mirror = Mirror::open(quick, config(&origin), http()).unwrap();
    let (null, one) = (address(NULL), version("1.0.0"));
    origin.misbehave(NULL, Fault::AllHangs);
    for _ in 0..2 {
        let late = mirror.versions(&null).await.unwrap_err();
        assert!(matches!(&late, MirrorError::Late(text) if text.contains("try again")), "{late}");
        let late = mirror.release(&null, &one).await.unwrap_err();
        assert!(matches!(late, MirrorError::Late(_)), "{late}");
    }
    assert_eq!((origin.counts().versions, origin.counts().packages), (1, 1), "one asks, and is still at it");
    // What was seen before is there at once.
    origin.behave();
    patient.versions(&null).await.unwrap();
    patient.release(&null, &one).await.unwrap();
    origin.misbehave(NULL, Fault::AllHangs);
    assert_eq!(mirror.versions(&null).await.unwrap(), std::slice::from_ref(&one));
    assert_eq!(mirror.release(&null, &one).await.unwrap().packages.len(), 1);
    assert_eq!(mirror.counts().stale, 1);
}

#[tokio::test]
async fn a_download_goes_on_when_who_asked_for_it_goes_away() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(LINUX).size(1 << 20));
    let folder = TempDir::new().unwrap();
    let patience = Patience { silence: Duration::from_millis(500), retries: 600, ..http().patience().clone() };
    // Nothing is fetched behind.
    let only = Settings { platforms: vec![platform("darwin_arm64")], ..settings(folder.path()) };
    let mirror = Mirror::open(only, config(&origin), Http::new(patience).unwrap()).unwrap();
    origin.misbehave(NULL, Fault::ZipHangs);
    let asking = {
        let mirror = mirror.clone();
        tokio::spawn(async move { mirror.package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await })
    };
    eventually("the download", PATIENCE, async || (origin.counts().zips > 0).then_some(())).await;
    asking.abort();
    assert!(asking.await.is_err());
    origin.behave();
    eventually("the package", PATIENCE, async || (mirror.counts().downloaded == 1).then_some(())).await;
}
