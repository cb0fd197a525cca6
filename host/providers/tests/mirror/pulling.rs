//! What is asked for is fetched once, and stays.

use std::io::Read;

use tempfile::TempDir;
use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::mirror::{Mirror, MirrorError, Settings};
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

use crate::common::{NULL, address, complete, config, http, mirror, platform, settings, version};

#[tokio::test]
async fn what_many_ask_for_is_fetched_once() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(&["linux_amd64"]).size(100_000));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let sum = Sha256Sum::of_file(&origin.zip(NULL, "1.0.0", "linux_amd64")).unwrap();
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let mirror = mirror.clone();
            tokio::spawn(async move {
                mirror.package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await.unwrap()
            })
        })
        .collect();
    for asked in asking {
        let (mut file, length, sha256) = asked.await.unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len() as u64, sha256, Sha256Sum::of(&bytes)), (length, sum, sum));
    }
    let counts = origin.counts();
    assert_eq!((counts.zips, counts.leaks), (1, 0));
    assert_eq!(mirror.counts().downloaded, 1);
}

#[tokio::test]
async fn all_sums_are_there_at_once_and_all_hashes_soon() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").folders());
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let first = mirror.release(&address(NULL), &version("1.0.0")).await.unwrap();
    let counts = origin.counts();
    assert_eq!((counts.sums, counts.signatures), (1, 1), "what is kept is what was checked, not asked for again");
    assert_eq!(first.lock_set().zh.len(), 5, "four packages and the manifest");
    assert!(first.lock_set().signed_by.is_some());
    for name in PLATFORMS {
        let sum = Sha256Sum::of_file(&origin.zip(NULL, "1.0.0", name)).unwrap();
        assert!(first.hashes(name).contains(&sum.zh().to_string()), "{name}");
    }
    let all = complete(&mirror, NULL, "1.0.0").await;
    for name in PLATFORMS {
        let hashes = hashing::of_zip(&origin.zip(NULL, "1.0.0", name)).unwrap();
        assert_ne!(hashes.h1, hashes.h1_of_zip);
        let sum = Sha256Sum::of_file(&origin.zip(NULL, "1.0.0", name)).unwrap();
        assert_eq!(all.hashes(name), [hashes.h1.to_string(), sum.zh().to_string()]);
        assert_eq!(all.lock_set().h1[name], hashes.h1.to_string(), "lock files have the one of the files");
    }
    assert_eq!(origin.counts().zips, 4);
}

#[tokio::test]
async fn what_was_seen_is_there_without_the_registry() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    let folder = TempDir::new().unwrap();
    let first = mirror(&origin, folder.path());
    first.versions(&address(NULL)).await.unwrap();
    let before = complete(&first, NULL, "1.0.0").await;
    let upstream = config(&origin);
    drop((first, origin));
    let again = Mirror::open(settings(folder.path()), upstream, http()).unwrap();
    assert_eq!(again.versions(&address(NULL)).await.unwrap(), [version("1.0.0")]);
    assert_eq!(again.release(&address(NULL), &version("1.0.0")).await.unwrap(), before);
    for name in PLATFORMS {
        again.package(&address(NULL), &version("1.0.0"), &platform(name)).await.unwrap();
    }
    let counts = again.counts();
    assert_eq!((counts.stale, counts.served, counts.downloaded), (1, 4, 0));
    let unseen = again.release(&address(NULL), &version("2.0.0")).await.unwrap_err();
    assert!(matches!(unseen, MirrorError::Upstream(_)), "{unseen}");
}

#[tokio::test]
async fn what_does_not_fit_goes_and_can_be_fetched_again() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").size(100_000));
    let folder = TempDir::new().unwrap();
    let small = Settings { most_bytes: 250_000, platforms: vec![platform("linux_amd64")], ..settings(folder.path()) };
    let mirror = Mirror::open(small, config(&origin), http()).unwrap();
    for name in PLATFORMS {
        mirror.package(&address(NULL), &version("1.0.0"), &platform(name)).await.unwrap();
    }
    assert!(mirror.bytes() <= 250_000, "{}", mirror.bytes());
    assert!(mirror.counts().evicted >= 2);
    let record = complete(&mirror, NULL, "1.0.0").await;
    assert_eq!(record.lock_set().h1.len(), 4, "hashes stay");
    for name in PLATFORMS {
        mirror.package(&address(NULL), &version("1.0.0"), &platform(name)).await.unwrap();
    }
}

#[tokio::test]
async fn only_what_is_allowed_is_mirrored() {
    let origin = Origin::start().await;
    let other = "registry.terraform.io/acme/web";
    origin.publish(&Release::new(other, "1.0.0"));
    let folder = TempDir::new().unwrap();
    let mirror = mirror(&origin, folder.path());
    let refused = mirror.versions(&address(other)).await.unwrap_err();
    assert!(matches!(refused, MirrorError::NotAllowed(_)));
    let refused = mirror.package(&address(other), &version("1.0.0"), &platform("linux_amd64")).await.unwrap_err();
    assert!(matches!(refused, MirrorError::NotAllowed(_)));
    let missing = mirror.versions(&address(NULL)).await.unwrap_err();
    assert!(matches!(missing, MirrorError::NotFound(_)), "{missing}");
    assert_eq!(origin.counts().versions, 1, "the other was not asked for");
}
