//! What `init` does with lock files when packages come through the mirror and the registry.

use tofu_state_providers::hashing::{self, Sha256Sum};
use tofu_state_providers::{Platform, Style};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::inits::{self, Place, Whole};
use tofu_state_testing::origin::PLATFORMS;

use super::{Site, lock, needs};

fn cli(style: Style) -> Cli {
    match style {
        Style::Tofu => Cli::tofu(),
        Style::Terraform => Cli::terraform(),
    }
}

/// What the CLI locks for all platforms from the origin itself.
async fn whole(site: &Site, style: Style) -> Whole {
    let mut cli = cli(style);
    site.configure(&mut cli, &site.origin.cli_config());
    needs(&cli, "hashicorp/null");
    let platforms = PLATFORMS.map(|platform| format!("-platform={platform}"));
    let arguments: Vec<&str> = ["providers", "lock"].into_iter().chain(platforms.iter().map(String::as_str)).collect();
    cli.ok(&arguments).await;
    let hashes = |platform: &str| {
        let zip = site.origin.zip(&format!("{}/hashicorp/null", style.default_host()), "3.2.0", platform);
        let (h1, zh) = (hashing::of_zip(&zip).unwrap().h1, Sha256Sum::of_file(&zip).unwrap().zh());
        [h1.to_string(), zh.to_string()]
    };
    let here = Platform::current().to_string();
    let elsewhere = PLATFORMS.into_iter().filter(|platform| *platform != here);
    Whole::new(&lock(&cli), std::iter::once(here.as_str()).chain(elsewhere).map(hashes).collect())
}

async fn the_table(folders: bool) {
    let site = Site::with(true, folders).await;
    for style in [Style::Tofu, Style::Terraform] {
        let whole = whole(&site, style).await;
        site.complete(style.default_host()).await;
        let through = |place| {
            let mut cli = cli(style);
            let config = match place {
                Place::TellingRegistry => site.through_the_registry(),
                _ => site.through_the_mirror(),
            };
            site.configure(&mut cli, &config);
            needs(&cli, "hashicorp/null");
            cli
        };
        let places = [Place::TellingRegistry, Place::NetworkMirror];
        let differences = inits::differences(&whole, folders, &places, through).await;
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_does_through_the_mirror_and_the_registry_what_the_table_says() {
    the_table(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_does_the_same_with_zips_that_have_entries_for_folders() {
    the_table(true).await;
}
