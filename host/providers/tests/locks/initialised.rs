//! What `init` does with lock files, and that it leaves alone those that were made here: through a registry, a network
//! mirror, and folders with packages, packed and unpacked.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::sources::{Registry, Source};
use tofu_state_providers::{Platform, Style, bundle, lockfile};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::inits::{self, Place, ROWS, Whole};
use tofu_state_testing::origin::{Origin, Release};

use crate::cases::FOUR;
use crate::common::{Home, folder, http, lock, lock_of, request, write};
use crate::compare::{self, configure};

const VERSION: &str = "1.2.0";
const PLACES: [Place; 4] = [Place::Registry, Place::NetworkMirror, Place::Packed, Place::Unpacked];

/// One release, at every place where `init` can find it.
struct Site {
    style: Style,
    authority: Authority,
    origin: Origin,
    /// A web server for the packed folder: the CLIs take a network mirror over TLS only.
    web: Origin,
    folders: TempDir,
}

impl Site {
    async fn new(style: Style, folders: bool) -> Self {
        let authority = Authority::new();
        let web = Origin::start_tls(&authority.issue()).await;
        let site = Self { style, authority, origin: Origin::start().await, web, folders: TempDir::new().unwrap() };
        let release = Release::new(&site.provider(), VERSION);
        site.origin.publish(&if folders { release.folders() } else { release });
        site.fill().await;
        site
    }

    fn provider(&self) -> String {
        format!("{}/acme/web", self.style.default_host())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folders.path().join(name)
    }

    /// `providers mirror`, and the package for this machine unpacked.
    async fn fill(&self) {
        let root = folder(&files());
        let request = bundle::Request {
            folders: vec![root.path().to_owned()],
            to: self.path("packed"),
            platforms: FOUR.iter().map(|platform| platform.parse().unwrap()).collect(),
            style: Some(self.style),
            shallow: false,
        };
        let home = Home::new();
        let config = home.config(self.style, &self.origin.cli_config());
        let source: Arc<dyn Source> = Arc::new(Registry::new(http(), config, None));
        let fetcher = Fetcher::new(http(), self.folders.path().to_owned(), 4);
        let report = bundle::run(&request, |_| Ok(Arc::clone(&source)), &fetcher).await.unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        let here = Platform::current().to_string();
        let unpacked = self.path("unpacked").join(self.provider()).join(VERSION).join(&here);
        std::fs::create_dir_all(&unpacked).unwrap();
        hashing::unpack(&self.origin.zip(&self.provider(), VERSION, &here), &unpacked).unwrap();
    }

    /// The file that is made here for all platforms.
    async fn whole(&self) -> Whole {
        let root = folder(&files());
        lock(&request(root.path(), self.style, FOUR), &Home::new().means(&self.origin)).await;
        let hashes = |platform: &str| {
            let zip = self.origin.zip(&self.provider(), VERSION, platform);
            let (h1, zh) = (hashing::of_zip(&zip).unwrap().h1, Sha256Sum::of_file(&zip).unwrap().zh());
            [h1.to_string(), zh.to_string()]
        };
        let here = Platform::current().to_string();
        let elsewhere = FOUR.iter().find(|platform| **platform != here).unwrap();
        Whole::new(&lock_of(root.path()).unwrap(), hashes(&here), hashes(elsewhere))
    }

    /// A CLI that finds the release there and nowhere else.
    fn cli(&self, place: Place) -> Cli {
        let folder = |name: &str| {
            let path = self.path(name);
            format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n", path.display())
        };
        let config = match place {
            Place::Registry | Place::TellingRegistry => self.origin.cli_config(),
            Place::NetworkMirror => {
                let url = self.web.offer(&self.path("packed"));
                format!("provider_installation {{\n  network_mirror {{\n    url = \"{url}\"\n  }}\n}}\n")
            }
            Place::Packed => folder("packed"),
            Place::Unpacked => folder("unpacked"),
        };
        let mut cli = compare::cli(&self.origin, self.style, &files());
        configure(&mut cli, &config);
        cli.set("SSL_CERT_FILE", self.authority.file().to_str().unwrap());
        cli
    }
}

fn files() -> [(&'static str, &'static str); 1] {
    [("main.tf", "terraform {\n  required_providers {\n    web = {\n      source = \"acme/web\"\n    }\n  }\n}\n")]
}

/// The same for zips with and without entries for their folders.
async fn the_table(style: Style) {
    for folders in [false, true] {
        let site = Site::new(style, folders).await;
        let whole = site.whole().await;
        let differences = inits::differences(&whole, folders, &PLACES, |place| site.cli(place)).await;
        assert!(differences.is_empty(), "folders: {folders}\n{}", differences.join("\n"));
        // The first row, which every `init` leaves alone, is what each other row becomes here.
        for row in ROWS {
            let root = folder(&files());
            write(root.path(), &[(lockfile::NAME, &whole.holding(row))]);
            lock(&request(root.path(), style, FOUR), &Home::new().means(&site.origin)).await;
            assert_eq!(lock_of(root.path()).unwrap(), whole.holding(ROWS[0]), "{row:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tofu_does_what_the_table_says() {
    the_table(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_does_what_the_table_says() {
    the_table(Style::Terraform).await;
}
