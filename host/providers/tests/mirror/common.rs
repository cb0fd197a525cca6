//! What the tests share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::cli_config::{CliConfig, Environment, Pattern};
use tofu_state_providers::fetch::Fetched;
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::mirror::{Mirror, Record, Settings};
use tofu_state_providers::{Address, Platform, Style, Version};
use tofu_state_testing::origin::Origin;
use tofu_state_testing::process::eventually;

pub(crate) const NULL: &str = "registry.terraform.io/hashicorp/null";
pub(crate) const OURS: &str = "providers.example/acme/web";

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn http() -> Http {
    let patience = Patience {
        request: Duration::from_secs(60),
        silence: Duration::from_secs(60),
        retries: 2,
        pause: Duration::from_millis(1),
    };
    Http::new(patience).unwrap()
}

pub(crate) fn config(origin: &Origin) -> Arc<CliConfig> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cli.tfrc");
    std::fs::write(&file, origin.cli_config()).unwrap();
    let environment = Environment::new([("TF_CLI_CONFIG_FILE", file.to_str().unwrap())], folder.path().to_owned());
    Arc::new(CliConfig::load(Style::Terraform, environment).unwrap())
}

pub(crate) fn settings(folder: &Path) -> Settings {
    let pattern = |text: &str| Pattern::parse(text, Style::Tofu).unwrap();
    Settings {
        folder: folder.to_owned(),
        allowed: vec![pattern("registry.terraform.io/hashicorp/*")],
        uploaded: vec![pattern("providers.example/*/*")],
        most_bytes: 1 << 30,
        platforms: Vec::new(),
        fresh: Duration::ZERO,
    }
}

pub(crate) fn mirror(origin: &Origin, folder: &Path) -> Mirror {
    Mirror::open(settings(folder), config(origin), http()).unwrap()
}

/// The release, once everything of it was hashed.
pub(crate) async fn complete(mirror: &Mirror, provider: &str, number: &str) -> Record {
    let (provider, version) = (address(provider), version(number));
    eventually("all hashes of a release", PATIENCE, async || {
        let record = mirror.release(&provider, &version).await.unwrap();
        record.is_complete().then_some(record)
    })
    .await
}

pub(crate) fn uploaded(mirror: &Mirror, from: &Path) -> Fetched {
    let file = tempfile::NamedTempFile::new_in(mirror.incoming()).unwrap();
    let bytes = std::fs::copy(from, file.path()).unwrap();
    Fetched { file, sha256: Sha256Sum::of_file(from).unwrap(), bytes }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text, Style::Terraform).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub(crate) fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}
