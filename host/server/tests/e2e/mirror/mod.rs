//! The mirror of providers, with the real CLIs as its clients, over TLS as they demand.

mod enemy;
mod inits;
mod locking;
mod uploads;
mod upstream;

use std::sync::Arc;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::http::{Http, Patience, Url};
use tofu_state_providers::sources::{NetworkMirror, Source};
use tofu_state_providers::{Address, Style};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{self, Server, TOKEN};

use crate::common::{PATIENCE, server as program};

const HOSTS: [&str; 2] = ["registry.opentofu.org", "registry.terraform.io"];
const OURS: &str = "providers.example/acme/web";

struct Site {
    authority: Authority,
    origin: Origin,
    server: Server,
    client: Client,
    folder: TempDir,
}

impl Site {
    async fn start() -> Self {
        Self::with(true, true).await
    }

    /// `folders`: whether the zips have entries for theirs.
    async fn with(tls: bool, folders: bool) -> Self {
        let origin = Origin::start().await;
        // Of different sizes: the mirror keeps equal packages once, whosever they are.
        for (host, size) in HOSTS.into_iter().zip([200_000, 200_001]) {
            let release = Release::new(&format!("{host}/hashicorp/null"), "3.2.0").size(size);
            origin.publish(&if folders { release.folders() } else { release });
        }
        origin.publish(&Release::new(OURS, "1.0.0"));
        origin.publish(&Release::new(OURS, "1.0.0-other"));
        let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
        let upstream = folder.path().join("upstream.tfrc");
        std::fs::write(&upstream, origin.cli_config()).unwrap();
        let files = authority.issue().write(folder.path());
        let builder = if tls { program().tls(files) } else { program() };
        let server = builder
            .set("AUDIT_LOG", "audit.log")
            .set("MIRROR_DIR", folder.path().join("mirror"))
            .set("MIRROR_PROVIDERS", "registry.terraform.io/hashicorp/*, registry.opentofu.org/hashicorp/*")
            .set("MIRROR_FRESH", "0s")
            .set("MIRROR_UPLOADS", "providers.example/*/*")
            .set("MIRROR_CLI_CONFIG_FILE", &upstream)
            .start()
            .await;
        let client = authority.http();
        Self { authority, origin, server, client, folder }
    }

    fn address(&self) -> String {
        self.server.host_and_port().replace("127.0.0.1", "localhost")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address())
    }

    /// What an authorised caller gets.
    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.client.get(self.url(path)).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The same from a server without TLS.
    async fn get_plain(&self, path: &str) -> (StatusCode, Value) {
        let url = self.server.url(path.trim_start_matches('/'));
        let answer = server::http().get(url).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn metrics(&self) -> String {
        server::http().get(self.server.admin_url("metrics")).send().await.unwrap().text().await.unwrap()
    }

    async fn complete(&self, host: &str) -> Value {
        let path = format!("/-/mirror/{host}/hashicorp/null/3.2.0.lock.json");
        eventually("all hashes of the release", PATIENCE, async || {
            let (status, lock) = self.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{lock}");
            (lock["complete"] == true).then_some(lock)
        })
        .await
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> StatusCode {
        self.client.put(self.url(path)).bearer_auth(TOKEN).body(bytes).send().await.unwrap().status()
    }

    fn configure(&self, cli: &mut Cli, text: &str) {
        let file = cli.folder().join("cli.tfrc");
        std::fs::write(&file, text).unwrap();
        cli.set("TF_CLI_CONFIG_FILE", file.to_str().unwrap());
        cli.set("SSL_CERT_FILE", &self.authority.file().display().to_string());
    }

    fn through_the_mirror(&self) -> String {
        let address = self.address();
        format!(
            "credentials \"{address}\" {{\n  token = \"{TOKEN}\"\n}}\nprovider_installation {{\n  network_mirror {{\n    url = \
             \"https://{address}/-/mirror/\"\n  }}\n}}\n"
        )
    }

    fn through_the_registry(&self) -> String {
        let block = |host: &&str| {
            let url = self.url(&format!("/-/registry/{host}/v1/providers/"));
            format!(
                "host \"{host}\" {{\n  services = {{\n    \"providers.v1\" = \"{url}\"\n  }}\n}}\ncredentials \"{host}\" {{\n  \
                 token = \"{TOKEN}\"\n}}\n"
            )
        };
        HOSTS.iter().chain(&["providers.example"]).map(block).collect()
    }
}

fn needs(cli: &Cli, source: &str) {
    let text =
        format!("terraform {{\n  required_providers {{\n    it = {{\n      source = \"{source}\"\n    }}\n  }}\n}}\n");
    cli.write("main.tf", &text);
}

fn lock(cli: &Cli) -> String {
    std::fs::read_to_string(cli.folder().join(".terraform.lock.hcl")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_clis_install_from_the_mirror_and_go_on_without_the_registry() {
    // Of zips with entries for folders Terraform locks, from a mirror, a hash that it then holds no zip to match.
    let mut site = Site::with(true, false).await;
    let mut clis = Cli::both();
    for cli in &mut clis {
        let text = site.through_the_mirror();
        site.configure(cli, &text);
        needs(cli, "hashicorp/null");
        cli.ok(&["init"]).await;
    }
    for host in HOSTS {
        let whole = site.complete(host).await;
        assert_eq!((whole["zh"].as_array().unwrap().len(), whole["h1"].as_object().unwrap().len()), (5, 4), "{whole}");
        assert!(whole["signed_by"].is_string() && whole["origin"].is_string());
    }
    let counts = site.origin.counts();
    assert_eq!((counts.zips, counts.leaks), (8, 0), "each package once, however many asked");
    // The registry is gone.
    site.origin = Origin::start().await;
    for cli in &clis {
        let before = lock(cli);
        std::fs::remove_dir_all(cli.folder().parent().unwrap().join("data")).unwrap();
        cli.ok(&["init", "-lockfile=readonly"]).await;
        std::fs::remove_dir_all(cli.folder().parent().unwrap().join("data")).unwrap();
        cli.ok(&["init"]).await;
        assert_eq!(lock(cli), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_clis_lock_through_the_registry_what_they_would_lock_without() {
    let site = Site::start().await;
    let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
    let arguments: Vec<&str> = ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
    for [mut direct, mut through] in [[Cli::tofu(), Cli::tofu()], [Cli::terraform(), Cli::terraform()]] {
        let config = site.origin.cli_config();
        site.configure(&mut direct, &config);
        let config = site.through_the_registry();
        site.configure(&mut through, &config);
        for cli in [&direct, &through] {
            needs(cli, "hashicorp/null");
            cli.ok(&arguments).await;
        }
        assert_eq!(lock(&through), lock(&direct));
        through.ok(&["init", "-lockfile=readonly"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_need_no_credentials_and_everything_else_does() {
    let site = Site::start().await;
    let base = "/-/mirror/registry.terraform.io/hashicorp/null";
    let bare = site.client.get(site.url(&format!("{base}/index.json"))).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert!(bare.headers().contains_key("www-authenticate"));
    let wrong = site.client.get(site.url(&format!("{base}/index.json"))).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let (status, index) = site.get(&format!("{base}/index.json")).await;
    assert_eq!((status, &index["versions"]["3.2.0"]), (StatusCode::OK, &serde_json::json!({})));
    for path in ["/-/mirror/registry.terraform.io/acme/web/index.json", "/-/mirror/x", &format!("{base}/9.9.9.json")] {
        let (status, error) = site.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {error}");
        assert!(error["error"]["code"].is_string() && error["error"]["request_id"].is_string(), "{error}");
    }
    let (_, document) = site.get(&format!("{base}/3.2.0.json")).await;
    let link = document["archives"]["linux_amd64"]["url"].as_str().unwrap();
    let bytes = std::fs::read(site.origin.zip("registry.terraform.io/hashicorp/null", "3.2.0", "linux_amd64")).unwrap();
    let all = site.client.get(site.url(link)).send().await.unwrap();
    let tag = all.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", hex::encode(Sha256::digest(&bytes))));
    assert_eq!(all.bytes().await.unwrap(), bytes);
    let head = site.client.head(site.url(link)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), bytes.len().to_string());
    let part =
        site.client.get(site.url(link)).header("range", "bytes=1000-").header("if-range", &tag).send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        part.headers()["content-range"].to_str().unwrap(),
        format!("bytes 1000-{}/{}", bytes.len() - 1, bytes.len())
    );
    assert_eq!(part.bytes().await.unwrap(), bytes[1000..]);
    let beyond = site.client.get(site.url(link)).header("range", "bytes=99999999-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let other = link.replace("linux_amd64", "linux_arm64");
    assert_eq!(site.client.get(site.url(&other)).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(site.client.put(site.url(link)).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let states = site.client.get(site.url("/team/app")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(states.status(), StatusCode::NOT_FOUND, "states are served beside it");
    let metrics = site.metrics().await;
    assert!(metrics.contains("tofu_state_mirror_requests_total{kind=\"file\",status=\"206\"} 1"), "{metrics}");
}

/// Without TLS here: this program's own client takes a mirror at any URL that it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_trusts_the_mirror_gets_a_whole_lock_and_downloads_nothing() {
    let site = Site::with(false, true).await;
    let client = server::http();
    let lock = site.server.url("-/mirror/registry.terraform.io/hashicorp/null/3.2.0.lock.json");
    eventually("all hashes of the release", PATIENCE, async || {
        let answer = client.get(&lock).bearer_auth(TOKEN).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        (answer["complete"] == true).then_some(())
    })
    .await;
    let before = site.origin.counts();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cli.tfrc");
    let address = site.server.host_and_port();
    std::fs::write(&file, format!("credentials \"{address}\" {{\n  token = \"{TOKEN}\"\n}}\n")).unwrap();
    let environment = Environment::new([("TF_CLI_CONFIG_FILE", file.to_str().unwrap())], folder.path().to_owned());
    let config = Arc::new(CliConfig::load(Style::Terraform, environment).unwrap());
    let url = Url::parse(&site.server.url("-/mirror/")).unwrap();
    let mirror = |trusted| {
        let http = Http::new(Patience::default()).unwrap();
        NetworkMirror::new(http, Arc::clone(&config), url.clone(), trusted)
    };
    let (null, version) = (Address::parse("hashicorp/null", Style::Terraform).unwrap(), "3.2.0".parse().unwrap());
    for platform in PLATFORMS {
        let zip = site.origin.zip("registry.terraform.io/hashicorp/null", "3.2.0", platform);
        let hashes = hashing::of_zip(&zip).unwrap();
        let platform = platform.parse().unwrap();
        let trusted = mirror(true).package(&null, &version, &platform).await.unwrap();
        assert_eq!(trusted.h1, Some(hashes.h1.clone()), "the one that lock files hold");
        assert_eq!(trusted.locked_along.len(), 9, "five of zips, four of files");
        let doubted = mirror(false).package(&null, &version, &platform).await.unwrap();
        assert_eq!((doubted.h1, doubted.locked_along.len()), (None, 0));
        let sum = Sha256Sum::of_file(&zip).unwrap();
        assert_eq!(doubted.acceptable, [hashes.h1, sum.zh()]);
    }
    assert_eq!(site.origin.counts(), before);
}
