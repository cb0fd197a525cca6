//! What the mirror fetches and hashes, as a collector sees it.

use serde_json::Value;
use tempfile::TempDir;
use tofu_state_testing::origin::{Fault, Origin, Release};
use tofu_state_testing::otlp::{Collector, Span};
use tofu_state_testing::server::{Server, TOKEN, http};

use super::tracing_to;

const NULL: &str = "registry.terraform.io/hashicorp/null";
const RANDOM: &str = "registry.terraform.io/hashicorp/random";

async fn get(server: &Server, path: &str) -> (u16, Value) {
    let answer = http().get(server.url(path)).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The first span of that name that tells of an error.
async fn failed(collector: &Collector, name: &str) -> Span {
    let failed = |spans: &[Span]| named(spans, name).into_iter().find(|span| span.error.is_some()).cloned();
    collector.until(name, failed).await
}

#[tokio::test]
async fn what_the_mirror_fetches_and_hashes_is_told_and_what_fails() {
    let (collector, origin, folder) = (Collector::start().await, Origin::start().await, TempDir::new().unwrap());
    origin.publish(&Release::new(NULL, "1.0.0"));
    origin.publish(&Release::new(RANDOM, "1.0.0").platforms(&["linux_amd64", "windows_amd64"]));
    let upstream = folder.path().join("upstream.tfrc");
    std::fs::write(&upstream, origin.cli_config()).unwrap();
    let server = tracing_to(&collector.address())
        .set("MIRROR_DIR", folder.path().join("mirror"))
        .set("MIRROR_PROVIDERS", "registry.terraform.io/hashicorp/*")
        .set("MIRROR_CLI_CONFIG_FILE", &upstream)
        .start()
        .await;
    assert_eq!(get(&server, &format!("-/mirror/{NULL}/index.json")).await.0, 200);
    assert_eq!(get(&server, &format!("-/mirror/{NULL}/1.0.0.json")).await.0, 200);
    let behind = "hash in the background";
    let spans = collector.until(behind, |spans| (!named(spans, behind).is_empty()).then(|| spans.to_vec())).await;
    let (versions, releases) = (named(&spans, "versions"), named(&spans, "release"));
    assert_eq!((versions.len(), releases.len()), (1, 1));
    assert_eq!(versions[0].attribute("tofu_state.provider"), NULL);
    assert_eq!((releases[0].attribute("tofu_state.version"), &releases[0].error), ("1.0.0", &None));
    let behind = named(&spans, behind);
    assert_eq!((behind.len(), behind[0].attribute("tofu_state.provider")), (1, NULL));
    let packages = named(&spans, "package");
    assert_eq!(packages.len(), 4);
    for package in packages {
        assert_eq!((package.parent.as_ref(), &package.trace), (Some(&behind[0].id), &behind[0].trace), "{package:?}");
        assert!(package.attribute("tofu_state.platform").contains('_') && package.error.is_none(), "{package:?}");
        for part in ["download", "hash"] {
            let parts = named(&spans, part);
            let within: Vec<_> = parts.iter().filter(|part| part.parent.as_ref() == Some(&package.id)).collect();
            assert_eq!(within.len(), 1, "{part} of {package:?}");
            assert!(!within[0].attribute("tofu_state.zip.bytes").is_empty());
        }
    }

    // What fails says so: a package that is no longer what it was, and a release that nobody vouches for.
    let (_, document) = get(&server, &format!("-/mirror/{RANDOM}/1.0.0.json")).await;
    let link = document["archives"]["windows_amd64"]["url"].as_str().unwrap();
    origin.publish(&Release::new(RANDOM, "1.0.0").platforms(&["linux_amd64", "windows_amd64"]).rebuilt());
    assert_eq!(http().get(server.url(&link[1..])).send().await.unwrap().status().as_u16(), 502);
    let package = failed(&collector, "package").await;
    assert_eq!(package.attribute("tofu_state.provider"), RANDOM);
    origin.publish(&Release::new(NULL, "2.0.0"));
    origin.misbehave(NULL, Fault::WrongSignature);
    assert_eq!(get(&server, &format!("-/mirror/{NULL}/2.0.0.json")).await.0, 502);
    let release = failed(&collector, "release").await;
    assert_eq!((release.attribute("tofu_state.provider"), release.attribute("tofu_state.version")), (NULL, "2.0.0"));
    assert!(release.error.unwrap().contains("not to be trusted"));
}
