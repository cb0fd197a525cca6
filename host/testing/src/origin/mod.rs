//! An origin of providers: a server that stands for the registries of several hosts. It serves tiny packages,
//! signed by throw-away keys, counts what it is asked, and misbehaves on demand. Beside them it offers a folder, as any
//! web server would ([`Origin::offer`]).
//!
//! Both real CLIs accept it: through `host` blocks in their CLI configuration ([`Origin::cli_config`]), or, over
//! TLS, by service discovery under its own address.

mod content;
mod fault;
mod release;
mod serve;
mod signing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use fault::Fault;
pub use release::{PLATFORMS, Release};
pub use signing::Key;

use crate::certificates::Issued;
use release::Published;

/// The path below which an offered folder is served.
const OFFERED: &str = "offered";

/// What an origin was asked since it started or since [`Origin::forget`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Service discoveries.
    pub discoveries: usize,
    /// Lists of versions.
    pub versions: usize,
    /// Descriptions of a package: version and platform.
    pub packages: usize,
    /// `SHA256SUMS` files.
    pub sums: usize,
    /// Their signatures.
    pub signatures: usize,
    /// Zips, from their beginning or from the middle.
    pub zips: usize,
    /// Zips from the middle.
    pub ranges: usize,
    /// Bytes of zips that were sent.
    pub zip_bytes: u64,
    /// Requests for files that carried credentials. None should.
    pub leaks: usize,
}

/// A running origin. It stops when dropped, and forgets everything.
pub struct Origin {
    url: String,
    address: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

/// What the server and its handle share.
struct Inner {
    url: String,
    files: TempDir,
    key: Key,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By host, namespace and type.
    providers: BTreeMap<String, Vec<Published>>,
    hosts: BTreeSet<String>,
    tokens: BTreeMap<String, String>,
    offered: Option<PathBuf>,
    faults: BTreeMap<String, Fault>,
    counts: Counts,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the origin's state")
    }
}

impl Origin {
    /// Starts one on a free port of this machine, over plain HTTP.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// The same over TLS, with a certificate for `localhost`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start_tls(certificate: &Issued) -> Self {
        Self::with(Some(certificate)).await
    }

    async fn with(certificate: Option<&Issued>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (scheme, host) = if certificate.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
        let address = format!("{host}:{port}");
        let url = format!("{scheme}://{address}");
        let inner = Arc::new(Inner {
            url: url.clone(),
            files: TempDir::new().expect("a temporary folder"),
            key: Key::new(),
            state: Mutex::default(),
        });
        let tls = certificate.map(|issued| TlsAcceptor::from(Arc::new(issued.server())));
        let task = tokio::spawn(serve::serve(listener, tls, Arc::clone(&inner)));
        Self { url, address, inner, task }
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Host and port: over TLS, also a host for provider addresses, found by service discovery.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes a release's packages and serves them. The same version once more takes the other's place.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn publish(&self, release: &Release) {
        let folder = TempDir::new_in(self.inner.files.path()).expect("a temporary folder").keep();
        let published = Published::make(release, &folder, &self.inner.key);
        let mut state = self.inner.state();
        state.hosts.insert(release.host().to_owned());
        let versions = state.providers.entry(release.provider.clone()).or_default();
        versions.retain(|other| other.version != release.version);
        versions.push(published);
    }

    /// From now on `host` wants `token` from who asks its registry.
    pub fn protect(&self, host: &str, token: &str) {
        self.inner.state().tokens.insert(host.to_owned(), token.to_owned());
    }

    /// From now on the files in `folder` are served too; gives the URL of that folder. With a mirror's documents in it, it
    /// is a network mirror.
    #[must_use]
    pub fn offer(&self, folder: &Path) -> String {
        self.inner.state().offered = Some(folder.to_owned());
        format!("{}/{OFFERED}/", self.url)
    }

    /// Makes the provider (`HOST/NAMESPACE/TYPE`) misbehave.
    pub fn misbehave(&self, provider: &str, fault: Fault) {
        self.inner.state().faults.insert(provider.to_owned(), fault);
    }

    /// Ends all misbehaviour.
    pub fn behave(&self) {
        self.inner.state().faults.clear();
    }

    /// What it was asked.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.state().counts.clone()
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        self.inner.state().counts = Counts::default();
    }

    /// The CLI configuration that makes this server the registry of every host that it serves.
    #[must_use]
    pub fn cli_config(&self) -> String {
        let state = self.inner.state();
        let block = |host: &String| {
            let url = &self.url;
            format!(
                "host \"{host}\" {{\n  services = {{\n    \"providers.v1\" = \"{url}/{host}/v1/providers/\"\n  }}\n}}\n"
            )
        };
        let hosts: String = state.hosts.iter().map(block).collect();
        let token =
            |(host, token): (&String, &String)| format!("credentials \"{host}\" {{\n  token = \"{token}\"\n}}\n");
        hosts + &state.tokens.iter().map(token).collect::<String>()
    }

    /// The file of a package as it is served, for comparisons.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn zip(&self, provider: &str, version: &str, platform: &str) -> PathBuf {
        let state = self.inner.state();
        let published = state.providers[provider].iter().find(|known| known.version == version).expect("the version");
        published.packages[platform].path.clone()
    }

    /// The public half of the key that signs releases (ASCII armour).
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.inner.key.public
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}
