//! What the tests share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tofu_state_providers::Style;
use tofu_state_providers::cli_config::{CliConfig, Pattern};
use tofu_state_providers::fetch::Fetched;
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::mirror::{Mirror, Record, Settings};
use tofu_state_testing::origin::Origin;
use tofu_state_testing::process::eventually;

use crate::shared;
pub(crate) use crate::shared::{NULL, address, platform, version};

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
    shared::config(&origin.cli_config())
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
        answer_in: PATIENCE,
        wary: Duration::from_secs(600),
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
