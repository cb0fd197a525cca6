//! Uploads of private providers: what is taken, by whom, and within which bounds.

use reqwest::StatusCode;
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::PLATFORMS;
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::TOKEN;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OURS, Site, lock, needs};
use crate::audit::records;
use crate::common::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_providers_are_uploaded_and_installed() {
    let site = Site::start().await;
    let zip = |version: &str, platform: &str| std::fs::read(site.origin.zip(OURS, version, platform)).unwrap();
    let path = |platform: &str| format!("/-/mirror/{OURS}/1.0.0/{platform}.zip");
    let linux = path("linux_amd64");
    assert_eq!(site.put(&linux, zip("1.0.0", "linux_amd64")).await, StatusCode::CREATED);
    assert_eq!(site.put(&linux, zip("1.0.0", "linux_amd64")).await, StatusCode::OK);
    assert_eq!(site.put(&linux, zip("1.0.0-other", "linux_amd64")).await, StatusCode::CONFLICT);
    assert_eq!(site.put(&path("linux_arm64"), b"no zip".to_vec()).await, StatusCode::UNPROCESSABLE_ENTITY);
    let foreign = "/-/mirror/registry.terraform.io/hashicorp/null/3.2.0/linux_amd64.zip";
    assert_eq!(site.put(foreign, zip("1.0.0", "linux_amd64")).await, StatusCode::FORBIDDEN);
    for platform in ["linux_arm64", "darwin_arm64", "darwin_amd64"] {
        assert_eq!(site.put(&path(platform), zip("1.0.0", platform)).await, StatusCode::CREATED);
    }
    let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
    let all: Vec<&str> = ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
    for way in [site.through_the_mirror(), site.through_the_registry()] {
        for mut cli in Cli::both() {
            site.configure(&mut cli, &way);
            needs(&cli, OURS);
            cli.ok(&["init"]).await;
            assert!(lock(&cli).contains("h1:"), "{}", lock(&cli));
            // A network mirror is none of `providers lock`'s places.
            if way.contains("/-/registry/") {
                cli.ok(&all).await;
                let whole = lock(&cli);
                assert_eq!((whole.matches("h1:").count(), whole.matches("zh:").count()), (4, 4), "{whole}");
                cli.ok(&["init", "-lockfile=readonly"]).await;
                assert_eq!(lock(&cli), whole);
            }
        }
    }
    let (_, whole) = site.get(&format!("/-/mirror/{OURS}/1.0.0.lock.json")).await;
    assert_eq!(whole["origin"], "uploaded by shared");
    assert_eq!(whole["h1"].as_object().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_has_an_audit_record() {
    let site = Site::start().await;
    let zip = std::fs::read(site.origin.zip(OURS, "1.0.0", "linux_amd64")).unwrap();
    let path = format!("/-/mirror/{OURS}/1.0.0/linux_amd64.zip");
    let foreign = "/-/mirror/registry.terraform.io/hashicorp/null/3.2.0/linux_amd64.zip";
    site.put(&path, zip.clone()).await;
    site.put(&path, zip.clone()).await;
    site.put(&path, b"no zip".to_vec()).await;
    site.put(foreign, zip.clone()).await;
    let stranger = site.client.put(site.url(&path)).bearer_auth("not-the-token-0123456789").body(zip.clone());
    assert_eq!(stranger.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    // Reads have none.
    site.get(&format!("/-/mirror/{OURS}/index.json")).await;
    let sha256 = |bytes: &[u8]| Some(Sha256Sum::of(bytes).to_string());
    let expected = [
        ("done", Some("shared"), sha256(&zip)),
        ("unchanged", Some("shared"), sha256(&zip)),
        ("exists", Some("shared"), sha256(b"no zip")),
        ("not-uploaded-here", Some("shared"), None),
        ("wrong-credentials", None, None),
    ];
    let records = records(&site.server.folder().join("audit.log"));
    assert_eq!(records.len(), expected.len(), "{records:?}");
    for (record, (outcome, caller, sha256)) in records.iter().zip(expected) {
        let package = &record["package"];
        assert_eq!((record["operation"].as_str(), record["outcome"].as_str()), (Some("upload"), Some(outcome)));
        assert_eq!((record["caller"].as_str(), package["sha256"].as_str()), (caller, sha256.as_deref()), "{record}");
        let provider = if outcome == "not-uploaded-here" { "registry.terraform.io/hashicorp/null" } else { OURS };
        assert_eq!(package["provider"], provider, "{record}");
        assert_eq!(package["platform"], "linux_amd64");
    }
}

/// The head of an upload by somebody who waits for leave to go on, and what is answered to it.
async fn announced(site: &Site, length: u64) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(site.server.host_and_port()).await.unwrap();
    let head = format!(
        "PUT /-/mirror/{OURS}/1.0.0/linux_amd64.zip HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let length = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
    (stream, String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_announces_too_much_is_refused_before_it_comes() {
    let site = Site::with(false, false).await;
    let (_, answer) = announced(&site, (2 << 30) + 1).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body-too-large"), "{answer}");
    let (_, answer) = announced(&site, 2 << 30).await;
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_come_at_once_than_there_are_places() {
    let site = Site::with(false, false).await;
    let mut places = Vec::new();
    // On a slow machine the first may have been given up before the last has come.
    let refused = loop {
        let (stream, answer) = announced(&site, 1000).await;
        if !answer.starts_with("HTTP/1.1 100 ") {
            break answer;
        }
        places.push(stream);
        assert!(places.len() < 100, "there is no end to the places");
    };
    assert!(places.len() >= 8, "{}", places.len());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("too-many-uploads"), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{refused}");
    // Whoever goes away makes room, and leaves nothing.
    places.clear();
    eventually("a place", PATIENCE, async || {
        let (_, answer) = announced(&site, 1000).await;
        answer.starts_with("HTTP/1.1 100 ").then_some(())
    })
    .await;
    let incoming = site.folder.path().join("mirror/zips/incoming");
    eventually("an empty folder", PATIENCE, async || {
        (std::fs::read_dir(&incoming).unwrap().count() == 0).then_some(())
    })
    .await;
}
