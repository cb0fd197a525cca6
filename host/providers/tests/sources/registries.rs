//! Well-behaved registries.

use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::sources::{Provenance, Source, SourceError};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

use crate::common::{NULL, address, config, http, platform, registry, url, version};
use tofu_state_providers::sources::Registry;

#[tokio::test]
async fn a_release_is_described_with_all_its_signed_sums() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "3.2.0"));
    origin.publish(&Release::new(NULL, "3.3.0-beta1").platforms(&["linux_amd64"]));
    let registry = registry(&origin);
    let null = address(NULL);
    let mut versions = registry.versions(&null).await.unwrap();
    versions.sort();
    assert_eq!(versions, [version("3.2.0"), version("3.3.0-beta1")]);
    for name in PLATFORMS {
        let meta = registry.package(&null, &version("3.2.0"), &platform(name)).await.unwrap();
        let zip = Sha256Sum::of_file(&origin.zip(NULL, "3.2.0", name)).unwrap();
        assert_eq!(meta.acceptable, [zip.zh()]);
        assert_eq!(meta.locked_along.len(), 5, "four platforms and the manifest");
        assert!(meta.locked_along.contains(&zip.zh()));
        assert_eq!(meta.h1, None);
        assert!(matches!(&meta.provenance, Provenance::Signed(keys) if keys.len() == 1));
        assert!(url(&meta).path().ends_with(&meta.filename));
    }
    let counts = origin.counts();
    assert_eq!((counts.sums, counts.signatures), (1, 1), "once for all platforms");
    assert_eq!((counts.zips, counts.leaks), (0, 0));
    let missing = registry.package(&null, &version("3.3.0-beta1"), &platform("darwin_arm64")).await.unwrap_err();
    assert!(matches!(missing, SourceError::NoPlatform { .. }));
    let unknown = registry.versions(&address("registry.terraform.io/nobody/nothing")).await.unwrap_err();
    assert!(matches!(unknown, SourceError::NoProvider { .. }));
}

#[tokio::test]
async fn a_private_registry_gets_its_token_and_files_get_none() {
    let origin = Origin::start().await;
    let web = "private.example/acme/web";
    origin.publish(&Release::new(web, "1.0.0"));
    let without = Registry::new(http(), config(&origin.cli_config()), None);
    origin.protect("private.example", "s3cret");
    let error = without.versions(&address(web)).await.unwrap_err().to_string();
    assert!(error.contains("TF_TOKEN_private_example"), "{error}");
    let with = registry(&origin);
    with.package(&address(web), &version("1.0.0"), &platform("linux_amd64")).await.unwrap();
    let wrong = origin.cli_config().replace("s3cret", "wr0ng");
    let wrong = Registry::new(http(), config(&wrong), None);
    let error = wrong.versions(&address(web)).await.unwrap_err().to_string();
    assert!(error.contains("refuses the token") && !error.contains("wr0ng"), "{error}");
    assert_eq!(origin.counts().leaks, 0);
}

/// The origin's certificate is not trusted here, so discovery fails, and says of whom.
#[tokio::test]
async fn a_host_without_a_block_is_discovered_over_tls() {
    let origin = Origin::start_tls(&Authority::new().issue()).await;
    let provider = format!("{}/acme/web", origin.address());
    origin.publish(&Release::new(&provider, "1.0.0"));
    let registry = Registry::new(http(), config(""), None);
    let error = registry.versions(&address(&provider)).await.unwrap_err().to_string();
    assert!(error.contains(origin.address()) && error.contains("cannot be discovered"), "{error}");
}
