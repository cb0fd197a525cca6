//! Who means harm, and what goes wrong by itself: paths that lead elsewhere, a full disk, a kill in the middle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_testing::origin::{Fault, Release};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{TOKEN, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{OURS, Site};
use crate::common::PATIENCE;

const NULL: &str = "registry.terraform.io/hashicorp/null";

/// The answer to a request whose path is sent as it is written here.
async fn answer(site: &Site, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(site.server.host_and_port()).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
         Content-Length: 4\r\n\r\nevil"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        // What comes and goes may have gone.
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_out_of_the_mirror() {
    let site = Site::with(false, false).await;
    let before = files(site.folder.path());
    let (long, digits) = ("a".repeat(300), "9".repeat(300));
    let versions = [
        "..",
        "%2e%2e",
        "1.0.0%2f..%2f..%2fx",
        "1.0.0-..",
        "1.0.0-a%2f..%2fb",
        "1.0.0%00",
        "1.0.0+..%2fx",
        "%5c..%5c",
        "v1.0.0",
        "1.0.0-%ff",
        &format!("1.0.0-{long}"),
        &format!("{digits}.0.0"),
    ];
    let parts = ["..", "%2e%2e", "..%2f..", "a%2fb", "%00", "a%00b", "", ".", "con%5c", &long, "%ff", "A", "-", "a--b"];
    let platforms = ["..", "linux_..%2famd64", "linux_amd64%00", "linux", "_", &format!("linux_{long}")];
    let mut paths = Vec::new();
    for version in versions {
        for host in ["registry.terraform.io/hashicorp", "providers.example/acme"] {
            paths.push(format!("/-/mirror/{host}/null/{version}.json"));
            paths.push(format!("/-/mirror/{host}/null/{version}.lock.json"));
            paths.push(format!("/-/mirror/{host}/null/{version}/linux_amd64.zip"));
            paths.push(format!("/-/mirror/files/1.00/{host}/null/{version}/x.zip"));
        }
        paths.push(format!(
            "/-/registry/registry.terraform.io/v1/providers/hashicorp/null/{version}/download/linux/amd64"
        ));
    }
    for part in parts {
        paths.push(format!("/-/mirror/providers.example/{part}/web/1.0.0/linux_amd64.zip"));
        paths.push(format!("/-/mirror/providers.example/acme/{part}/1.0.0/linux_amd64.zip"));
        paths.push(format!("/-/mirror/registry.terraform.io/hashicorp/{part}/index.json"));
        paths.push(format!("/-/mirror/{part}/hashicorp/null/index.json"));
        paths.push(format!("/-/registry/registry.terraform.io/v1/providers/{part}/null/versions"));
    }
    for platform in platforms {
        paths.push(format!("/-/mirror/{OURS}/1.0.0/{platform}.zip"));
    }
    for path in &paths {
        for method in ["GET", "PUT", "HEAD"] {
            let answer = answer(&site, method, path).await;
            let status: u16 = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
            // 403: a link that nobody has given.
            assert!(matches!(status, 400 | 403 | 404 | 405), "{method} {path}: {answer}");
        }
    }
    assert_eq!(files(site.folder.path()), before, "nothing was written");
    assert_eq!(site.origin.counts().packages + site.origin.counts().versions, 0, "nobody was asked");
    assert_eq!(site.get_plain(&format!("/-/mirror/{NULL}/3.2.0.json")).await.0, StatusCode::OK, "it serves on");
}

/// No file may grow beyond a bound that packages exceed: as on a full disk, writes fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_leaves_nothing_half_done() {
    let mut site = Site::with(false, false).await;
    let link = {
        let (_, document) = site.get_plain(&format!("/-/mirror/{NULL}/3.2.0.json")).await;
        document["archives"]["linux_amd64"]["url"].as_str().unwrap().to_owned()
    };
    eventually("all hashes", PATIENCE, async || {
        let (_, lock) = site.get_plain(&format!("/-/mirror/{NULL}/3.2.0.lock.json")).await;
        (lock["complete"] == true).then_some(())
    })
    .await;
    let release = Release::new(NULL, "5.0.0").platforms(&["linux_amd64"]).size(200_002);
    site.origin.publish(&release);
    site.origin.publish(&Release::new(OURS, "5.0.0").platforms(&["linux_amd64"]).size(200_003));
    let zip = std::fs::read(site.origin.zip(OURS, "5.0.0", "linux_amd64")).unwrap();
    let upload = site.server.url(&format!("-/mirror/{OURS}/5.0.0/linux_amd64.zip"));
    let client = http();
    let put = async || client.put(&upload).bearer_auth(TOKEN).body(zip.clone()).send().await.unwrap();
    site.server.process().limit_files(Some(100_000));

    let refused = put().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("mirror-full"));
    let (status, document) = site.get_plain(&format!("/-/mirror/{NULL}/5.0.0.json")).await;
    assert_eq!(status, StatusCode::OK, "what is small has room: {document}");
    let new = document["archives"]["linux_amd64"]["url"].as_str().unwrap().to_owned();
    let refused = client.get(site.server.url(new.trim_start_matches('/'))).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.text().await.unwrap().contains("mirror-full"));
    // What lies there is served.
    let old = client.get(site.server.url(link.trim_start_matches('/'))).send().await.unwrap();
    assert_eq!(old.status(), StatusCode::OK);
    let expected = std::fs::read(site.origin.zip(NULL, "3.2.0", "linux_amd64")).unwrap();
    assert_eq!(old.bytes().await.unwrap(), expected);
    let (status, _) = site.get_plain(&format!("/-/mirror/{OURS}/5.0.0.json")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "no half of an upload");
    let incoming = site.folder.path().join("mirror/zips/incoming");
    eventually("an empty folder", PATIENCE, async || files(&incoming).is_empty().then_some(())).await;

    // There is room again.
    site.server.process().limit_files(None);
    assert_eq!(put().await.status(), StatusCode::CREATED);
    let got = eventually("the package", PATIENCE, async || {
        // That there was no room is remembered for a moment.
        let got = client.get(site.server.url(new.trim_start_matches('/'))).send().await.unwrap();
        (got.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(got)
    })
    .await;
    assert_eq!(got.status(), StatusCode::OK);
    let expected = std::fs::read(site.origin.zip(NULL, "5.0.0", "linux_amd64")).unwrap();
    assert_eq!(got.bytes().await.unwrap(), expected);
}

/// Shorter while it serves, other bytes after a start: both are seen before anybody gets them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_disk_has_damaged_is_not_served() {
    let mut site = Site::with(false, false).await;
    let (_, document) = site.get_plain(&format!("/-/mirror/{NULL}/3.2.0.json")).await;
    let link = document["archives"]["linux_amd64"]["url"].as_str().unwrap().to_owned();
    let zip = site.origin.zip(NULL, "3.2.0", "linux_amd64");
    let (expected, sum) = (std::fs::read(&zip).unwrap(), Sha256Sum::of_file(&zip).unwrap().to_string());
    let kept = site.folder.path().join("mirror/zips").join(&sum[..2]).join(&sum);
    let mut other = expected.clone();
    other[1000] ^= 1;
    for damaged in [&expected[..1000], &other] {
        let url = site.server.url(&link[1..]);
        assert_eq!(http().get(&url).send().await.unwrap().bytes().await.unwrap(), expected);
        std::fs::write(&kept, damaged).unwrap();
        if damaged.len() == expected.len() {
            site.server.restart().await;
        }
        assert_eq!(http().get(&url).send().await.unwrap().bytes().await.unwrap(), expected);
        let site = &site;
        eventually("the metric", PATIENCE, async || {
            site.metrics().await.contains("tofu_state_mirror_damaged_packages_total 1\n").then_some(())
        })
        .await;
        assert!(site.server.log().contains("a package is damaged on the disk"), "{}", site.server.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_package_leaves_none() {
    let mut site = Site::with(false, false).await;
    let document = format!("/-/mirror/{NULL}/3.2.0.json");
    let upload = format!("/-/mirror/{OURS}/1.0.0/linux_amd64.zip");
    let zip = std::fs::read(site.origin.zip(OURS, "1.0.0", "linux_amd64")).unwrap();
    for _ in 0..3 {
        site.origin.misbehave(NULL, Fault::ZipHangs);
        site.origin.forget();
        site.get_plain(&document).await;
        let origin = &site.origin;
        eventually("a download", PATIENCE, async || (origin.counts().zips > 0).then_some(())).await;
        let mut stream = TcpStream::connect(site.server.host_and_port()).await.unwrap();
        let head = format!(
            "PUT {upload} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n",
            zip.len()
        );
        stream.write_all(&[head.as_bytes(), &zip[..zip.len() / 2]].concat()).await.unwrap();
        let incoming = site.folder.path().join("mirror/zips/incoming");
        eventually("both on their way", PATIENCE, async || (files(&incoming).len() >= 2).then_some(())).await;
        site.server.restart().await;
    }
    site.origin.behave();
    let (status, _) = site.get_plain(&format!("/-/mirror/{OURS}/1.0.0.json")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "no half of an upload");
    let client = http();
    let put = async || client.put(site.server.url(&upload[1..])).bearer_auth(TOKEN).body(zip.clone()).send().await;
    assert_eq!(put().await.unwrap().status(), StatusCode::CREATED);
    // What was acknowledged outlives the next kill.
    site.server.restart().await;
    for (provider, version) in [(NULL, "3.2.0"), (OURS, "1.0.0")] {
        let (_, document) = site.get_plain(&format!("/-/mirror/{provider}/{version}.json")).await;
        let link = document["archives"]["linux_amd64"]["url"].as_str().unwrap().to_owned();
        let got = client.get(site.server.url(&link[1..])).send().await.unwrap().bytes().await.unwrap();
        let expected = Sha256Sum::of_file(&site.origin.zip(provider, version, "linux_amd64")).unwrap();
        assert_eq!(Sha256Sum::of(&got), expected, "{provider}");
    }
}
