//! TLS on the state listener: the certificate and key in use, and how they are exchanged while the server
//! serves.
//!
//! A handshake takes whatever pair is in use at that moment; connections that are open keep theirs.

mod pair;
pub mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;

pub use pair::Pair;

/// What a client and the server may agree on during the handshake (RFC 7301), best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];

/// HTTP/2's name there.
pub const HTTP2: &[u8] = b"h2";

/// Where certificate and key lie (`TLS_CERT_FILE`, `TLS_KEY_FILE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate and those between it and its authority (PEM).
    pub certificate: PathBuf,
    /// The certificate's private key (PEM).
    pub key: PathBuf,
}

/// The pair in use, and whether it is the one in the files. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
    acceptor: TlsAcceptor,
}

struct Inner {
    pair: ArcSwap<Pair>,
    /// What is wrong with the files since they changed; empty: nothing.
    wrong: ArcSwap<String>,
}

/// How the certificate is, for `/readyz` and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the pair in use is the one in the files.
    pub current: bool,
    /// A sentence for a person.
    pub detail: String,
    /// When the certificate in use expires.
    pub expires: OffsetDateTime,
    /// How long it is valid altogether.
    pub lifetime: time::Duration,
}

impl Tls {
    /// Serves with `pair` until it is replaced.
    ///
    /// # Errors
    /// If this build could not speak TLS at all.
    pub fn new(pair: Pair) -> Result<Self, rustls::Error> {
        let inner = Arc::new(Inner { pair: ArcSwap::from_pointee(pair), wrong: ArcSwap::default() });
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(&inner))));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { inner, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Makes TLS of a connection.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// The pair in use.
    #[must_use]
    pub fn pair(&self) -> Arc<Pair> {
        self.inner.pair.load_full()
    }

    /// Uses another pair from the next handshake on.
    pub fn replace(&self, pair: Pair) {
        self.inner.pair.store(Arc::new(pair));
    }

    /// Notes what is wrong with the files; empty: nothing.
    pub fn note(&self, wrong: String) {
        self.inner.wrong.store(Arc::new(wrong));
    }

    /// How the certificate is.
    #[must_use]
    pub fn standing(&self, now: OffsetDateTime) -> Standing {
        let (pair, wrong) = (self.pair(), self.inner.wrong.load());
        let validity = pair.validity(now);
        let detail = if wrong.is_empty() {
            validity
        } else {
            format!("the files are wrong since they changed, the pair before is in use ({validity}): {wrong}")
        };
        Standing { current: wrong.is_empty(), detail, expires: pair.expires(), lifetime: pair.lifetime() }
    }
}

struct Resolver(Arc<Inner>);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.0.pair.load().certified()))
    }
}
