//! One release, at every place where the CLIs can find it.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::sources::{Registry, Source};
use tofu_state_providers::{Platform, Style, bundle};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::inits::{Place, Whole};
use tofu_state_testing::origin::{Origin, Release};

use crate::cases::FOUR;
use crate::common::{Home, folder, http, lock, lock_of, request};
use crate::compare::{self, configure};

pub(crate) const VERSION: &str = "1.2.0";

/// One release, at every place where `init` can find it.
pub(crate) struct Site {
    pub(crate) style: Style,
    authority: Authority,
    pub(crate) origin: Origin,
    /// A web server for the packed folder: the CLIs take a network mirror over TLS only.
    pub(crate) web: Origin,
    folders: TempDir,
}

impl Site {
    pub(crate) async fn new(style: Style, folders: bool) -> Self {
        let authority = Authority::new();
        let web = Origin::start_tls(&authority.issue()).await;
        let site = Self { style, authority, origin: Origin::start().await, web, folders: TempDir::new().unwrap() };
        let release = Release::new(&site.provider(), VERSION);
        site.origin.publish(&if folders { release.folders() } else { release });
        site.fill().await;
        site
    }

    pub(crate) fn provider(&self) -> String {
        format!("{}/acme/web", self.style.default_host())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folders.path().join(name)
    }

    /// `providers mirror`, and the same packages unpacked.
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
        for platform in FOUR {
            let unpacked = self.path("unpacked").join(self.provider()).join(VERSION).join(platform);
            std::fs::create_dir_all(&unpacked).unwrap();
            hashing::unpack(&self.origin.zip(&self.provider(), VERSION, platform), &unpacked).unwrap();
        }
    }

    /// The file that is made here for all platforms.
    pub(crate) async fn whole(&self) -> Whole {
        let root = folder(&files());
        lock(&request(root.path(), self.style, FOUR), &Home::new().means(&self.origin)).await;
        let hashes = |platform: &str| {
            let zip = self.origin.zip(&self.provider(), VERSION, platform);
            let (h1, zh) = (hashing::of_zip(&zip).unwrap().h1, Sha256Sum::of_file(&zip).unwrap().zh());
            [h1.to_string(), zh.to_string()]
        };
        let here = Platform::current().to_string();
        let elsewhere = FOUR.iter().copied().filter(|platform| *platform != here);
        let packages = std::iter::once(here.as_str()).chain(elsewhere).map(hashes).collect();
        Whole::new(&lock_of(root.path()).unwrap(), packages)
    }

    /// A CLI that finds the release there and nowhere else.
    pub(crate) fn cli(&self, place: Place) -> Cli {
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

/// A configuration that needs it.
pub(crate) fn files() -> [(&'static str, &'static str); 1] {
    [("main.tf", "terraform {\n  required_providers {\n    web = {\n      source = \"acme/web\"\n    }\n  }\n}\n")]
}
