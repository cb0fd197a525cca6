//! The folder for places without a network.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::bundle::{Report, Request, run};
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::sources::{Registry, Source};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Fault, Origin, PLATFORMS, Release};

use crate::common::{NULL, config, http, platform};

const RANDOM: &str = "registry.terraform.io/hashicorp/random";

fn root(folder: &Path, name: &str, constraint: &str) {
    let text = format!(
        "terraform {{\n  required_providers {{\n    null = {{\n      source  = \"{NULL}\"\n      version = \"{constraint}\"\n    \
         }}\n    random = {{\n      source = \"{RANDOM}\"\n    }}\n  }}\n}}\n"
    );
    std::fs::create_dir_all(folder.join(name)).unwrap();
    std::fs::write(folder.join(name).join("main.tf"), text).unwrap();
}

async fn bundle(origin: &Origin, roots: &Path, to: &Path) -> Report {
    let registry: Arc<dyn Source> = Arc::new(Registry::new(http(), config(origin), None));
    let incoming = TempDir::new().unwrap();
    let fetcher = Fetcher::new(http(), incoming.path().to_owned(), 4);
    let request = Request {
        folders: vec![roots.to_owned()],
        to: to.to_owned(),
        platforms: PLATFORMS.map(platform).to_vec(),
        style: None,
        shallow: false,
    };
    run(&request, |_| Ok(Arc::clone(&registry)), &fetcher).await.unwrap()
}

#[tokio::test]
async fn a_folder_serves_both_clis_and_is_completed_not_made_anew() {
    let origin = Origin::start().await;
    for number in ["1.0.0", "1.1.0", "2.0.0"] {
        origin.publish(&Release::new(NULL, number).folders());
    }
    origin.publish(&Release::new(RANDOM, "3.0.0"));
    let folder = TempDir::new().unwrap();
    let (roots, to) = (folder.path().join("roots"), folder.path().join("mirror"));
    root(&roots, "one", "~> 1.0");
    root(&roots, "two", "2.0.0");
    let first = bundle(&origin, &roots, &to).await;
    assert!(first.failures.is_empty(), "{:?}", first.failures);
    assert_eq!((first.roots, first.packages.len(), origin.counts().zips), (2, 12, 12));
    // A version that the first run did not have; and what lies there is broken.
    root(&roots, "three", "1.0.0");
    let broken = to.join(RANDOM).join("terraform-provider-random_3.0.0_linux_amd64.zip");
    std::fs::write(&broken, "broken").unwrap();
    origin.forget();
    let second = bundle(&origin, &roots, &to).await;
    assert_eq!((second.packages.len(), origin.counts().zips), (16, 5));
    assert_eq!(second.packages.iter().filter(|package| package.fetched).count(), 5);
    let index = std::fs::read_to_string(to.join(NULL).join("index.json")).unwrap();
    for number in ["1.0.0", "1.1.0", "2.0.0"] {
        assert!(index.contains(number), "{index}");
        let document = std::fs::read_to_string(to.join(NULL).join(format!("{number}.json"))).unwrap();
        assert_eq!((document.matches("h1:").count(), document.matches("zh:").count()), (4, 4), "{document}");
    }
    drop(origin);
    for mut cli in Cli::both() {
        let file = cli.folder().join("cli.tfrc");
        let text =
            format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n", to.display());
        std::fs::write(&file, text).unwrap();
        cli.set("TF_CLI_CONFIG_FILE", file.to_str().unwrap());
        std::fs::copy(roots.join("one/main.tf"), cli.folder().join("main.tf")).unwrap();
        cli.ok(&["init"]).await;
    }
}

#[tokio::test]
async fn what_cannot_be_had_does_not_keep_the_rest_away() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(&["linux_amd64"]));
    origin.publish(&Release::new(RANDOM, "3.0.0"));
    origin.misbehave(RANDOM, Fault::WrongSignature);
    let folder = TempDir::new().unwrap();
    let (roots, to) = (folder.path().join("roots"), folder.path().join("mirror"));
    root(&roots, "one", "1.0.0");
    let report = bundle(&origin, &roots, &to).await;
    assert_eq!((report.packages.len(), report.failures.len()), (1, 7), "{:?}", report.failures);
    assert!(to.join(NULL).join("1.0.0.json").is_file());
    assert!(!to.join(RANDOM).join("index.json").exists());
}
