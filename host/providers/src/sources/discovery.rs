//! Service discovery: which URL a host's registry has.
//! (<https://opentofu.org/docs/internals/remote-service-discovery/>)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::SourceError;
use crate::cli_config::CliConfig;
use crate::http::{Http, Url};

/// The service of a registry of providers, in its first version.
const PROVIDERS: &str = "providers.v1";
/// The longest document that is read.
const MOST: u64 = 1 << 20;

/// Asks each host once.
pub(super) struct Discovery {
    http: Http,
    config: Arc<CliConfig>,
    hosts: Mutex<HashMap<String, Arc<OnceCell<Url>>>>,
}

impl Discovery {
    pub(super) fn new(http: Http, config: Arc<CliConfig>) -> Self {
        Self { http, config, hosts: Mutex::default() }
    }

    /// The URL of the host's registry, with a slash at its end.
    pub(super) async fn registry(&self, host: &str) -> Result<Url, SourceError> {
        let cell = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.find(host)).await.cloned()
    }

    async fn find(&self, host: &str) -> Result<Url, SourceError> {
        let failed = |reason: String| SourceError::Failed { place: host.to_owned(), reason };
        let none = || failed("the host does not offer a provider registry (providers.v1)".to_owned());
        if let Some(configured) = self.config.service(host, PROVIDERS) {
            let text = configured.ok_or_else(none)?;
            let url =
                Url::parse(text).map_err(|_| failed("its `host` block has no URL for providers.v1".to_owned()))?;
            return sound(url).ok_or_else(|| failed("its providers.v1 is no http or https URL".to_owned()));
        }
        let url = Url::parse(&format!("https://{host}/.well-known/terraform.json"))
            .map_err(|_| failed("it is no host name".to_owned()))?;
        let token = self.config.token(host).await.map_err(|error| failed(error.to_string()))?;
        let (body, end) = self.http.get(&url, token.as_ref(), MOST).await.map_err(|error| match error.status() {
            Some(http::StatusCode::NOT_FOUND) => none(),
            _ => failed(format!("its services cannot be discovered: {error}")),
        })?;
        let document: Value = serde_json::from_slice(&body)
            .map_err(|_| failed("its discovery document (/.well-known/terraform.json) is no JSON".to_owned()))?;
        let text = document.get(PROVIDERS).and_then(Value::as_str).ok_or_else(none)?;
        let url = end.join(text).map_err(|_| failed("its providers.v1 is no URL".to_owned()))?;
        // Tokens and signing keys go this way: what was found over TLS must not lead out of it.
        let url = sound(url).filter(|url| url.scheme() == "https");
        url.ok_or_else(|| failed("its providers.v1 is no https URL".to_owned()))
    }
}

fn sound(mut url: Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}
