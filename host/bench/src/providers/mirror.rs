//! A server that mirrors the origin, and what its clients need to know.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::origin::Origin;
use tofu_state_testing::server::TOKEN;

use super::command::Home;
use crate::options::Plan;
use crate::server::process::{Launch, Server};

/// How long a release may take to be fetched and hashed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The host of what it mirrors.
pub(super) const HOST: &str = "registry.opentofu.org";

/// How often it is asked whether it has been.
const LOOK: Duration = Duration::from_millis(20);

/// A mirror of all that the origin has below `hashicorp/`.
pub(super) struct Mirror {
    server: Server,
    tls: bool,
    authority: Authority,
    client: reqwest::Client,
    /// Removed when this is dropped.
    _folder: TempDir,
}

impl Mirror {
    /// One that has nothing yet. With TLS, the CLIs would take it, too.
    pub(super) async fn start(plan: &Plan, origin: &Origin, tls: bool) -> anyhow::Result<Self> {
        let (folder, authority) = (TempDir::new()?, Authority::new());
        let upstream = folder.path().join("upstream.config");
        std::fs::write(&upstream, origin.cli_config())?;
        let mut launch = Launch::embedded(plan.server.clone())
            .with("MIRROR_DIR", folder.path().join("mirror").display().to_string())
            .with("MIRROR_PROVIDERS", format!("{HOST}/hashicorp/*"))
            .with("MIRROR_CLI_CONFIG_FILE", upstream.display().to_string());
        if tls {
            let (certificate, key) = authority.issue().write(folder.path());
            launch = launch
                .with("TLS_CERT_FILE", certificate.display().to_string())
                .with("TLS_KEY_FILE", key.display().to_string());
        }
        let (server, client) = (launch.start().await?, authority.http());
        Ok(Self { server, tls, authority, client, _folder: folder })
    }

    /// The server's process.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Whom its clients trust.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    fn url(&self) -> String {
        format!("{}://{}/-/mirror/", if self.tls { "https" } else { "http" }, self.server.listen)
    }

    /// A home whose CLI configuration trusts this mirror's hashes.
    pub(super) fn home(&self, plan: &Plan) -> anyhow::Result<Home> {
        let (address, url) = (self.server.listen, self.url());
        let config = format!(
            "credentials \"{address}\" {{\n  token = \"{TOKEN}\"\n}}\nprovider_installation {{\n  network_mirror {{\n    \
             url = \"{url}\"\n    trust_all_hashes = true\n  }}\n}}\n"
        );
        Ok(Home::new(&plan.server, &config)?.trusting(self.authority.file()))
    }

    fn document_url(&self, provider: &str, name: &str) -> String {
        format!("{}{HOST}/{provider}/{name}", self.url())
    }

    /// A document about a provider (`NAMESPACE/TYPE`).
    async fn document(&self, provider: &str, name: &str) -> anyhow::Result<Value> {
        let url = self.document_url(provider, name);
        let answer = self.client.get(&url).bearer_auth(TOKEN).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        anyhow::ensure!(status.is_success(), "{url}: {status}: {body}");
        serde_json::from_str(&body).context(url)
    }

    /// Has a release fetched, and waits until all its hashes are known.
    pub(super) async fn complete(&self, provider: &str, version: &str) -> anyhow::Result<()> {
        let all = async {
            loop {
                let lock = self.document(provider, &format!("{version}.lock.json")).await?;
                if lock.get("complete").is_some_and(|complete| complete == true) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.with_context(|| format!("{provider} {version} is not complete"))?
    }

    /// Where a package is to be had, without credentials.
    pub(super) async fn link(&self, provider: &str, version: &str, platform: &str) -> anyhow::Result<String> {
        let name = format!("{version}.json");
        let document = self.document(provider, &name).await?;
        let link = document.pointer(&format!("/archives/{platform}/url")).and_then(Value::as_str);
        let link = link.with_context(|| format!("no URL for {platform} in {document}"))?;
        Ok(reqwest::Url::parse(&self.document_url(provider, &name))?.join(link)?.into())
    }
}
