//! Real OpenBao servers, one process each.
//!
//! In dev mode a server is ready in under a second and forgets everything when it ends. On raft
//! storage it can be sealed, killed and started again. Either has KV v2 mounted at `states/`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, eventually, free_ports};
use crate::programs;
use crate::secrets;

/// How long a server may take to be ready. Two cores may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The root token of a dev server: nothing that would stand in a log for another reason, see [`crate::secrets`].
const DEV_TOKEN: &str = "root-token-of-a-dev-server-51b7";

/// One OpenBao server.
pub struct Bao {
    scheme: &'static str,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Process>,
    token: String,
    unseal_key: Option<String>,
    /// What its health says when it is ready: one that is alone has to become active.
    ready: &'static [u16],
    http: reqwest::Client,
}

impl Bao {
    /// A dev server with KV v2 at `states/`.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn dev() -> Self {
        let mut bao = Self::new("http", free_ports(2));
        bao.arguments = vec!["-dev-no-store-token".to_owned()];
        bao.begin_dev().await;
        bao
    }

    /// A dev server that speaks TLS, with a certificate of a private CA made for it, see
    /// [`Bao::ca_certificate`].
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn dev_tls() -> Self {
        let mut bao = Self::new("https", free_ports(2));
        let folder = bao.folder.path().display().to_string();
        bao.arguments =
            vec!["-dev-no-store-token".to_owned(), "-dev-tls".to_owned(), format!("-dev-tls-cert-dir={folder}")];
        bao.begin_dev().await;
        bao
    }

    /// A server on raft storage, unsealed, with KV v2 at `states/`.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn raft() -> Self {
        Self::raft_of(Self::raft_node("node0", None)).await
    }

    /// As [`Bao::raft`], with entries of at most so many bytes (`max_entry_size`).
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn raft_with_entries_of(bytes: u64) -> Self {
        Self::raft_of(Self::raft_node_with("node0", &format!("max_entry_size = {bytes}"))).await
    }

    async fn raft_of(mut node: Self) -> Self {
        node.start();
        node.initialize().await;
        node.mount_kv("states").await;
        node
    }

    /// A server on raft storage that is not started yet, alone or joining the server at `join`.
    pub(crate) fn raft_node(name: &str, join: Option<&str>) -> Self {
        let join = join.map(|address| format!("retry_join {{ leader_api_addr = {address:?} }}")).unwrap_or_default();
        Self::raft_node_with(name, &join)
    }

    /// A server on raft storage that is not started yet, with more said of its storage.
    fn raft_node_with(name: &str, storage: &str) -> Self {
        let mut bao = Self::new("http", free_ports(2));
        let (folder, port, cluster_port) = (bao.folder.path().display().to_string(), bao.port, bao.port + 1);
        let configuration = format!(
            r#"
            storage "raft" {{
              path = "{folder}/data"
              node_id = "{name}"
              {storage}
            }}
            listener "tcp" {{
              address = "127.0.0.1:{port}"
              cluster_address = "127.0.0.1:{cluster_port}"
              tls_disable = true
            }}
            api_addr = "http://127.0.0.1:{port}"
            cluster_addr = "https://127.0.0.1:{cluster_port}"
            disable_mlock = true
            "#
        );
        std::fs::create_dir(bao.folder.path().join("data")).expect("a folder for raft");
        let file = bao.folder.path().join("bao.hcl");
        std::fs::write(&file, configuration).expect("a configuration file");
        bao.arguments = vec![format!("-config={}", file.display())];
        bao
    }

    fn new(scheme: &'static str, port: u16) -> Self {
        // Whoever talks to it in this process must not log what opens it.
        secrets::search_own_log();
        // Fails only where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .tls_danger_accept_invalid_certs(true)
            // A server that was killed leaves dead connections behind.
            .pool_max_idle_per_host(0)
            .build()
            .expect("an HTTP client");
        Self {
            scheme,
            port,
            folder: TempDir::new().expect("a temporary folder"),
            arguments: Vec::new(),
            process: None,
            token: String::new(),
            unseal_key: None,
            ready: &[200],
            http,
        }
    }

    async fn begin_dev(&mut self) {
        self.token = DEV_TOKEN.to_owned();
        secrets::keep(DEV_TOKEN);
        self.arguments.push("-dev".to_owned());
        self.arguments.push(format!("-dev-root-token-id={DEV_TOKEN}"));
        self.arguments.push(format!("-dev-listen-address=127.0.0.1:{}", self.port));
        self.start();
        self.until_health(&[200]).await;
        self.mount_kv("states").await;
    }

    /// Where it listens, such as `http://127.0.0.1:8200`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The host and port it listens on.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The root token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The private CA's certificate of [`Bao::dev_tls`] (PEM).
    #[must_use]
    pub fn ca_certificate(&self) -> PathBuf {
        self.folder.path().join("vault-ca.pem")
    }

    /// What it has printed since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Its process, while it runs: to pause it, for example.
    ///
    /// # Panics
    /// If it is not started.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server is not started")
    }

    /// Starts its process and does not wait for anything; on raft storage it comes up sealed.
    pub fn start(&mut self) {
        let mut command = Command::new(programs::bao());
        command.arg("server").args(&self.arguments);
        // It reads and writes files in the home folder, and takes settings from VAULT_… and BAO_….
        command.env_clear().env("HOME", self.folder.path());
        self.process = Some(Process::start(command));
    }

    /// Kills its process at once.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Ends its process in good order, starts it again, and unseals it if it has a key.
    ///
    /// # Panics
    /// If it does not come back.
    pub async fn restart(&mut self) {
        if let Some(process) = &mut self.process {
            process.terminate();
            process.exited(PATIENCE).await;
        }
        self.start();
        if self.unseal_key.is_some() {
            self.unseal().await;
        }
        self.until_health(self.ready).await;
    }

    /// Seals it.
    ///
    /// # Panics
    /// If it refuses.
    pub async fn seal(&self) {
        let (status, answer) = self.api(Method::POST, "sys/seal", None).await;
        assert!(status.is_success(), "sys/seal answered {status}: {answer}");
        self.until_health(&[503]).await;
    }

    /// Unseals it with its key, and waits until it is active, or in a cluster at least a standby.
    ///
    /// # Panics
    /// If that fails.
    pub async fn unseal(&self) {
        let key = self.unseal_key.as_deref().expect("an unseal key");
        self.until_health(&[503]).await;
        let (status, answer) = self.api(Method::POST, "sys/unseal", Some(json!({"key": key}))).await;
        assert!(status.is_success(), "sys/unseal answered {status}: {answer}");
        self.until_health(self.ready).await;
    }

    /// Makes a new store of it, with one key, and unseals it.
    pub(crate) async fn initialize(&mut self) {
        self.until_health(&[501]).await;
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let (status, answer) = self.api(Method::POST, "sys/init", Some(shares)).await;
        assert!(status.is_success(), "sys/init answered {status}: {answer}");
        self.token = answer["root_token"].as_str().expect("a root token").to_owned();
        self.unseal_key = answer["keys"][0].as_str().map(str::to_owned);
        secrets::keep(&self.token);
        self.unseal().await;
        self.until_health(&[200]).await;
    }

    /// Makes it one of several: it is ready as a standby too.
    pub(crate) fn with_peers(&mut self) {
        self.ready = &[200, 429];
    }

    /// Gives it the token and key of the cluster it joins.
    pub(crate) fn adopt(&mut self, other: &Self) {
        self.token.clone_from(&other.token);
        self.unseal_key.clone_from(&other.unseal_key);
    }

    /// Mounts KV v2 at `mount` and waits until it answers.
    ///
    /// # Panics
    /// If that fails.
    pub async fn mount_kv(&self, mount: &str) {
        let kind = json!({"type": "kv", "options": {"version": "2"}});
        let (status, answer) = self.api(Method::POST, &format!("sys/mounts/{mount}"), Some(kind)).await;
        assert!(status.is_success(), "mounting {mount} answered {status}: {answer}");
        // For a moment after the mount it answers 400, "upgrading from non-versioned".
        eventually("a new KV mount", PATIENCE, async || {
            let (status, _) = self.api(Method::GET, &format!("{mount}/config"), None).await;
            status.is_success().then_some(())
        })
        .await;
    }

    /// A token with these rules only (HCL), and without the `default` policy unless asked for.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn limited_token(&self, rules: &str, default_policy: bool) -> String {
        let name = format!("test-{}", rules.len());
        let (status, answer) =
            self.api(Method::PUT, &format!("sys/policies/acl/{name}"), Some(json!({"policy": rules}))).await;
        assert!(status.is_success(), "the policy was answered {status}: {answer}");
        let wanted = json!({"policies": [name], "no_default_policy": !default_policy, "ttl": "1h"});
        let (status, answer) = self.api(Method::POST, "auth/token/create", Some(wanted)).await;
        assert!(status.is_success(), "the token was answered {status}: {answer}");
        let token = answer["auth"]["client_token"].as_str().expect("a token");
        secrets::keep(token);
        token.to_owned()
    }

    /// Writes a policy of these rules (HCL).
    ///
    /// # Panics
    /// If that fails.
    pub async fn policy(&self, name: &str, rules: &str) {
        self.ok(Method::PUT, &format!("sys/policies/acl/{name}"), json!({"policy": rules})).await;
    }

    /// Enables an auth method of this kind at `auth/<mount>/`.
    ///
    /// # Panics
    /// If that fails.
    pub async fn enable_auth(&self, kind: &str, mount: &str) {
        self.ok(Method::POST, &format!("sys/auth/{mount}"), json!({"type": kind})).await;
    }

    /// A new secret ID of an AppRole role at `auth/<mount>/`, with these settings.
    ///
    /// # Panics
    /// If that fails.
    pub async fn secret_id(&self, mount: &str, role: &str, settings: Value) -> String {
        let answer = self.ok(Method::POST, &format!("auth/{mount}/role/{role}/secret-id"), settings).await;
        let secret_id = answer["data"]["secret_id"].as_str().expect("a secret ID");
        secrets::keep(secret_id);
        secret_id.to_owned()
    }

    /// The role ID of an AppRole role at `auth/<mount>/`.
    ///
    /// # Panics
    /// If there is none.
    pub async fn role_id(&self, mount: &str, role: &str) -> String {
        let (_, answer) = self.api(Method::GET, &format!("auth/{mount}/role/{role}/role-id"), None).await;
        answer["data"]["role_id"].as_str().expect("a role ID").to_owned()
    }

    /// Revokes every token that was given by a login at `auth/<mount>/`.
    ///
    /// # Panics
    /// If that fails.
    pub async fn revoke_logins(&self, mount: &str) {
        self.ok(Method::PUT, &format!("sys/leases/revoke-prefix/auth/{mount}/login"), json!({"sync": true})).await;
    }

    /// The leases of the tokens that logins at `auth/<mount>/` have given.
    ///
    /// # Panics
    /// If OpenBao cannot be reached.
    pub async fn leases(&self, mount: &str) -> Vec<String> {
        let list = Method::from_bytes(b"LIST").expect("a method");
        let (_, answer) = self.api(list, &format!("sys/leases/lookup/auth/{mount}/login/"), None).await;
        answer["data"]["keys"].as_array().into_iter().flatten().map(Value::to_string).collect()
    }

    /// One call with the root token that must be done: the JSON body.
    ///
    /// # Panics
    /// If it is not.
    pub async fn ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.api(method, path, Some(body)).await;
        assert!(status.is_success(), "{path} answered {status}: {answer}");
        answer
    }

    /// One call with the root token: the status and the JSON body (null where there is none).
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        match self.try_api(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{path}: {error}\n{}", self.log()),
        }
    }

    /// Like [`Bao::api`], for a server that may be down.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn try_api(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.address()));
        if !self.token.is_empty() {
            request = request.header("X-Vault-Token", &self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Waits until `sys/health` answers one of these statuses (200 active, 429 standby, 501 not
    /// initialised, 503 sealed).
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`].
    pub async fn until_health(&self, wanted: &[u16]) {
        let what = format!("OpenBao's health {wanted:?}");
        eventually(&what, PATIENCE, async || {
            let (status, _) = self.try_api(Method::GET, "sys/health", None).await.ok()?;
            wanted.contains(&status.as_u16()).then_some(())
        })
        .await;
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        // A test that fails already says why.
        if !std::thread::panicking() {
            secrets::none_was_found();
        }
    }
}
