//! What the tests share.

use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::cache::Cache;
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::http::{Http, Patience, Url};
use tofu_state_providers::sources::{Location, PackageMeta, Registry};
use tofu_state_testing::origin::Origin;

pub(crate) use crate::shared::{NULL, address, config, platform, version};

/// Patient with a busy machine, impatient between tries.
pub(crate) fn patience() -> Patience {
    Patience {
        request: Duration::from_secs(60),
        silence: Duration::from_secs(60),
        retries: 3,
        pause: Duration::from_millis(1),
    }
}

pub(crate) fn http() -> Http {
    Http::new(patience()).unwrap()
}

pub(crate) fn registry(origin: &Origin) -> Registry {
    Registry::new(http(), config(&origin.cli_config()), None)
}

pub(crate) fn registry_with_cache(origin: &Origin, cache: &TempDir) -> Registry {
    Registry::new(http(), config(&origin.cli_config()), Some(Cache::new(cache.path().to_owned())))
}

pub(crate) fn fetcher(folder: &TempDir) -> Fetcher {
    Fetcher::new(http(), folder.path().to_owned(), 4)
}

pub(crate) fn url(meta: &PackageMeta) -> Url {
    match &meta.location {
        Location::Url(url) => Url::parse(url).unwrap(),
        other => panic!("{other:?} is no URL"),
    }
}
