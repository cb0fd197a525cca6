//! A real registry with providers, and manifests that are none of a provider.

use std::time::Duration;

use serde_json::{Value, json};
use tofu_state_testing::registry::{Auth, Registry};

use super::*;
use crate::Style;
use crate::http::{Patience, Url};

const TEMPLATE: &str = "mirror.example/${hostname}/${namespace}/${type}";
const REPOSITORY: &str = "registry.opentofu.org/acme/web";

/// A mirror that takes the registry, which speaks no TLS, for the one that the template names.
fn mirror(registry: &Registry) -> OciMirror {
    let long = Duration::from_secs(60);
    let patience = Patience { request: long, silence: long, retries: 1, pause: Duration::from_millis(1) };
    let http = Http::new(patience).unwrap();
    let mirror = OciMirror::new(http.clone(), Arc::default(), Template::parse(TEMPLATE, &[]).unwrap());
    let base = Url::parse(&format!("http://{}/v2/{REPOSITORY}/", registry.address())).unwrap();
    let repository = Repository::at(http, base, "mirror.example", REPOSITORY, None);
    mirror.repositories.lock().unwrap().insert(format!("mirror.example/{REPOSITORY}"), Arc::new(repository));
    mirror
}

fn web() -> Address {
    Address::parse("acme/web", Style::Tofu).unwrap()
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

#[tokio::test]
async fn tags_are_versions_and_platforms_have_zips() {
    let registry = Registry::start(Auth::None).await;
    let zips = [("linux_amd64", b"linux".to_vec()), ("darwin_arm64", b"darwin".to_vec())];
    for tag in ["1.0.0", "1.1.0_build.7", "latest", "v2.0.0"] {
        registry.push_provider(REPOSITORY, tag, &zips).await;
    }
    let mirror = mirror(&registry);
    let mut versions = mirror.versions(&web()).await.unwrap();
    versions.sort();
    let texts: Vec<_> = versions.iter().map(Version::to_string).collect();
    assert_eq!(texts, ["1.0.0", "1.1.0+build.7"]);

    let before = registry.log().len();
    for (name, zip) in &zips {
        let meta = mirror.package(&web(), &versions[1], &platform(name)).await.unwrap();
        let sum = Sha256Sum::of(zip);
        assert_eq!(meta.acceptable, [sum.zh()]);
        assert!(meta.locked_along.is_empty() && meta.h1.is_none(), "nothing is signed");
        assert_eq!(meta.filename, format!("terraform-provider-web_1.1.0+build.7_{name}.zip"));
        let url = format!("oci://mirror.example/{REPOSITORY}");
        assert_eq!(meta.provenance, Provenance::Mirror { url, trusted: false });
    }
    let asked = registry.log()[before..].matches(&format!(" GET /v2/{REPOSITORY}/manifests/1.1.0_build.7")).count();
    assert_eq!(asked, 1, "one index for all platforms: {}", registry.log());

    let missing = mirror.package(&web(), &versions[0], &platform("plan9_amd64")).await.unwrap_err();
    assert!(matches!(missing, SourceError::NoPlatform { .. }), "{missing}");
    let missing = mirror.package(&web(), &"3.0.0".parse().unwrap(), &platform("linux_amd64")).await.unwrap_err();
    assert!(matches!(missing, SourceError::NoPlatform { .. }), "{missing}");
}

#[tokio::test]
async fn a_repository_that_is_not_there_has_no_provider() {
    let registry = Registry::start(Auth::None).await;
    let missing = mirror(&registry).versions(&web()).await.unwrap_err();
    assert!(matches!(&missing, SourceError::NoProvider { place, .. } if place.contains(REPOSITORY)), "{missing}");
    let address = Address::parse("example.com:8443/acme/web", Style::Tofu).unwrap();
    let told = mirror(&registry).versions(&address).await.unwrap_err().to_string();
    assert!(told.contains("is no repository"), "{told}");
}

#[test]
fn what_is_no_provider_is_told() {
    let index = |value: Value| {
        let read: Result<Index, _> = read(value.to_string().as_bytes(), INDEX, PROVIDER, |index: &Index| &index.kind);
        read.and_then(|index| index.of(&platform("linux_amd64")).map(|found| found.is_some()))
    };
    let target = |media: &str, artifact: &str, platform: Value| json!({"mediaType": media, "artifactType": artifact, "digest": "sha256:x", "size": 1, "platform": platform});
    let linux = || json!({"os": "linux", "architecture": "amd64"});
    let with = |manifests: Value| json!({"mediaType": INDEX, "artifactType": PROVIDER, "manifests": manifests});
    let right = target(MANIFEST, TARGET, linux());
    let other = target(MANIFEST, "application/vnd.other", linux());
    assert_eq!(index(with(json!([right, other]))), Ok(true));
    let newer = target(MANIFEST, TARGET, json!({"os": "linux", "architecture": "amd64", "os.version": "9"}));
    assert_eq!(index(with(json!([newer]))), Ok(false));
    assert_eq!(index(with(json!([newer, right]))), Ok(true));
    for (value, told) in [
        (json!({"mediaType": MANIFEST, "artifactType": TARGET}), "names an index of its platforms"),
        (json!({"mediaType": INDEX, "manifests": []}), "it is no provider"),
        (json!({"mediaType": INDEX, "artifactType": "application/vnd.opentofu.modulepkg"}), "modulepkg"),
        (json!([]), "cannot be read"),
        (with(json!([other])), "it is no provider"),
        (with(json!([right, right])), "several manifests for linux_amd64"),
        (with(json!([target("application/x", TARGET, linux())])), "`application/x`"),
        (with(json!([target(MANIFEST, TARGET, Value::Null)])), "for which platform"),
    ] {
        let error = index(value).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let zip = |layers: Value| {
        let manifest: Manifest = serde_json::from_value(json!({"layers": layers})).unwrap();
        manifest.zip().map(|sum| sum.to_string())
    };
    let layer = |media: &str, digest: &str| json!({"mediaType": media, "digest": digest, "size": 1});
    let sum = "a".repeat(64);
    let right = layer(ZIP, &format!("sha256:{sum}"));
    assert_eq!(zip(json!([layer("text/plain", "x"), right])), Ok(sum));
    for layers in [json!([]), json!([right, right]), json!([layer("application/zip", "x")])] {
        assert!(zip(layers).unwrap_err().contains("one layer"));
    }
    for digest in ["sha512:00", "sha256:../x", "sha256:"] {
        assert!(zip(json!([layer(ZIP, digest)])).unwrap_err().contains("no SHA-256"));
    }
}
