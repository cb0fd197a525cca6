//! The OpenBao driver, against a bare reqwest client making the same KV calls.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tofu_state_store::openbao::{DEFAULT_CALL_TIMEOUT, DEFAULT_MOUNT, OpenBao, Settings};
use tofu_state_testing::bao::Bao;

use super::{Driver, META, Pair, Side};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// A client that knows nothing but the two calls.
struct Plain {
    http: reqwest::Client,
    base: String,
    token: String,
}

#[derive(Serialize)]
struct Body<'a> {
    data: Data<'a>,
    options: Options,
}

#[derive(Serialize, Deserialize)]
struct Data<'a> {
    meta: std::borrow::Cow<'a, str>,
    content: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    data: ReadData<'a>,
}

#[derive(Deserialize)]
struct ReadData<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[async_trait]
impl Side for Plain {
    async fn get(&self, key: &str, size: usize) -> anyhow::Result<()> {
        let answer = self.http.get(format!("{}{key}", self.base)).header(TOKEN, &self.token).send().await?;
        let body = answer.error_for_status()?.bytes().await?;
        let read: Read<'_> = serde_json::from_slice(&body).context("OpenBao's answer")?;
        let found = read.data.data.content.len();
        anyhow::ensure!(found == size, "{found} bytes, not {size}");
        Ok(())
    }

    async fn put(&self, key: &str, content: Bytes, expected: u64) -> anyhow::Result<()> {
        let content = std::str::from_utf8(&content)?;
        let body = serde_json::to_vec(&Body {
            data: Data { meta: META.into(), content: content.into() },
            options: Options { cas: expected },
        })?;
        let request = self.http.post(format!("{}{key}", self.base)).header(TOKEN, &self.token);
        let answer = request.header(CONTENT_TYPE, "application/json").body(body).send().await?;
        answer.error_for_status()?.bytes().await?;
        Ok(())
    }
}

/// Both sides, in mounts of their own on one server.
pub(super) struct Server {
    pub(super) pair: Pair,
    /// Runs as long as this lives.
    _bao: Bao,
}

/// Starts OpenBao.
pub(super) async fn start() -> anyhow::Result<Server> {
    let bao = Bao::raft().await;
    bao.mount_kv("plain").await;
    let driver = OpenBao::new(Settings {
        address: bao.address(),
        namespace: None,
        login: SecretString::from(bao.token()).into(),
        mount: DEFAULT_MOUNT.to_owned(),
        ca_certificate: None,
        // KV's own default, which the other side has too.
        keep_versions: 10,
        call_timeout: DEFAULT_CALL_TIMEOUT,
    })?;
    let raw = Plain {
        http: reqwest::Client::builder().no_proxy().http1_only().build()?,
        base: format!("{}/v1/plain/data/", bao.address()),
        token: bao.token().to_owned(),
    };
    let pair = Pair {
        store: "openbao",
        raw: Arc::new(raw),
        driver: Arc::new(Driver(Arc::new(driver))),
        sizes: &[("2 KB", 2_000), ("20 KB", 20_000), ("800 KB", 800_000)],
    };
    Ok(Server { pair, _bao: bao })
}
