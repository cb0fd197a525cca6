//! An OCI registry as a process of its own (`tools/ociregistry`), and what it takes to push to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::process::{Process, eventually};
use crate::programs;
use crate::server;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The user whom registries with authentication know.
pub const USER: &str = "ci";
/// The user's password.
pub const PASSWORD: &str = "hunter2-of-the-registry";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How a registry wants callers to show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// By user and password.
    Basic,
    /// By a token from a token service, which takes user and password.
    Bearer,
}

impl Auth {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

/// A running registry. It is killed when dropped, and forgets everything.
pub struct Registry {
    process: Process,
    address: String,
    scheme: &'static str,
    client: Client,
    auth: Auth,
    _folder: TempDir,
}

impl Registry {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(auth: Auth) -> Self {
        Self::with("http", auth, &[]).await
    }

    /// The same over TLS.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_tls(certificate: &Path, key: &Path, auth: Auth) -> Self {
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        Self::with("https", auth, &["-cert".to_owned(), text(certificate), "-key".to_owned(), text(key)]).await
    }

    /// One that sends whoever asks for blobs to `place`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_redirecting(place: &str) -> Self {
        Self::with("http", Auth::None, &["-redirect".to_owned(), place.to_owned()]).await
    }

    async fn with(scheme: &'static str, auth: Auth, more: &[String]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file: PathBuf = folder.path().join("address");
        let mut command = Command::new(programs::registry());
        command
            .args(["-auth", auth.name(), "-user", USER, "-password", PASSWORD, "-address-file"])
            .arg(&file)
            .args(more);
        let mut process = Process::start(command);
        let address = eventually("the registry's address", START, async || {
            assert!(process.is_running(), "the registry has ended:\n{}", process.log());
            std::fs::read_to_string(&file).ok()
        })
        .await;
        // Makes sure that there is a TLS provider.
        drop(server::http());
        // Whoever pushes here knows whom it pushes to.
        let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().expect("a client");
        Self { process, address, scheme, client, auth, _folder: folder }
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has logged: a line for each request.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Pushes `bytes` as the artifact of one layer that `wasm` tools make, and gives the reference to it.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub async fn push(&self, repository: &str, bytes: &[u8], annotations: Value) -> String {
        let config = b"{\"architecture\":\"wasm\",\"os\":\"wasip2\"}";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(repository, "application/vnd.wasm.config.v0+json", config).await,
            "layers": [self.blob(repository, "application/wasm", bytes).await],
            "annotations": annotations,
        });
        self.push_manifest(repository, &manifest).await
    }

    /// Pushes a blob, and gives its descriptor.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub async fn blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let url = format!("{}://{}/v2/{repository}/blobs/uploads/?digest={digest}", self.scheme, self.address);
        let request = self.authorized(self.client.request(Method::POST, url)).await.body(bytes.to_vec());
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 201, "{}", self.log());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Pushes a manifest, and gives the reference to it.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub async fn push_manifest(&self, repository: &str, manifest: &Value) -> String {
        let digest = digest(manifest.to_string());
        self.tag(repository, &digest, manifest).await;
        format!("oci://{}/{repository}@{digest}", self.address)
    }

    /// Pushes a manifest under a tag.
    ///
    /// # Panics
    /// If the registry does not take it.
    pub async fn tag(&self, repository: &str, tag: &str, manifest: &Value) {
        let url = format!("{}://{}/v2/{repository}/manifests/{tag}", self.scheme, self.address);
        let media_type = manifest["mediaType"].as_str().expect("a media type").to_owned();
        let request = self.authorized(self.client.request(Method::PUT, url)).await.header("content-type", media_type);
        let answer = request.body(manifest.to_string()).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 201, "{}", self.log());
    }

    /// Pushes a version of a provider as OpenTofu wants it: the zip for each platform, and an index of them under a tag.
    /// (<https://opentofu.org/docs/cli/oci_registries/provider-mirror/>)
    ///
    /// # Panics
    /// If the registry does not take it.
    pub async fn push_provider(&self, repository: &str, tag: &str, zips: &[(&str, Vec<u8>)]) {
        let target = "application/vnd.opentofu.provider-target";
        let mut manifests = Vec::new();
        for (platform, zip) in zips {
            let (os, architecture) = platform.split_once('_').expect("a platform");
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": target,
                "config": self.blob(repository, "application/vnd.oci.empty.v1+json", b"{}").await,
                "layers": [self.blob(repository, "archive/zip", zip).await],
            });
            self.push_manifest(repository, &manifest).await;
            let text = manifest.to_string();
            manifests.push(json!({
                "mediaType": MANIFEST,
                "artifactType": target,
                "digest": digest(&text),
                "size": text.len(),
                "platform": {"os": os, "architecture": architecture},
            }));
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "artifactType": "application/vnd.opentofu.provider",
            "manifests": manifests,
        });
        self.tag(repository, tag, &index).await;
    }

    async fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.auth {
            Auth::None => request,
            Auth::Basic => request.basic_auth(USER, Some(PASSWORD)),
            Auth::Bearer => {
                let url = format!("{}://{}/token", self.scheme, self.address);
                let answer = self.client.get(url).basic_auth(USER, Some(PASSWORD)).send().await.expect("an answer");
                let answer: Value = answer.json().await.expect("a token");
                request.bearer_auth(answer["token"].as_str().expect("a token"))
            }
        }
    }
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
