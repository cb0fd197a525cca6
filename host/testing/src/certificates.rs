//! Certificates of a private authority, made for a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A private authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate for `127.0.0.1` and `localhost`, and its key.
pub struct Issued {
    /// The certificate and its authority's (PEM).
    pub certificate: String,
    /// The private key (PEM).
    pub key: String,
    /// The certificate alone.
    pub der: CertificateDer<'static>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("an authority's parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "tofu-state test authority");
        let key = KeyPair::generate().expect("an authority's key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority's certificate");
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("the authority's file");
        Self { issuer, folder }
    }

    /// Its certificate's file (PEM), for whoever is to trust it.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate that is valid from yesterday to tomorrow.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn issue(&self) -> Issued {
        self.issue_for(-Duration::DAY, Duration::DAY)
    }

    /// A certificate that is valid from this long after now to that long after now.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn issue_for(&self, from: Duration, until: Duration) -> Issued {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("a certificate's parameters");
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now + from, now + until);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued {
            certificate: format!("{}{}", certificate.pem(), self.issuer.pem()),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }

    /// How a client that trusts this authority only speaks TLS, with these protocols (ALPN).
    ///
    /// # Panics
    /// If it cannot be had.
    #[must_use]
    pub fn client(&self, protocols: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("the authority's certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS's versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }

    /// A connection to `address` (`host:port`) over TLS.
    ///
    /// # Errors
    /// If it cannot be made: nobody listens, or the certificate is not to be trusted.
    ///
    /// # Panics
    /// Never: the name is fixed.
    pub async fn connect(&self, address: &str, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        TlsConnector::from(Arc::new(self.client(protocols))).connect(name, stream).await
    }

    /// The certificate that is served at `address` (`host:port`) right now.
    ///
    /// # Errors
    /// As [`Authority::connect`].
    pub async fn served(&self, address: &str) -> std::io::Result<CertificateDer<'static>> {
        let stream = self.connect(address, &[]).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        chain.first().cloned().map(CertificateDer::into_owned).ok_or_else(|| std::io::Error::other("no certificate"))
    }

    /// An HTTP client that trusts this authority only, and speaks HTTP/2 where the server does.
    ///
    /// # Panics
    /// If it cannot be built.
    #[must_use]
    pub fn http(&self) -> reqwest::Client {
        self.client_builder().build().expect("an HTTP client")
    }

    /// The same, but it speaks HTTP/1.1 only.
    ///
    /// # Panics
    /// If it cannot be built.
    #[must_use]
    pub fn http1(&self) -> reqwest::Client {
        self.client_builder().http1_only().build().expect("an HTTP client")
    }

    fn client_builder(&self) -> reqwest::ClientBuilder {
        let certificate = reqwest::Certificate::from_der(self.issuer.der()).expect("the authority's certificate");
        crate::server::client_builder().tls_certs_only([certificate])
    }
}

impl Issued {
    /// How a server with this certificate speaks TLS.
    ///
    /// # Panics
    /// If it cannot be had.
    #[must_use]
    pub fn server(&self) -> ServerConfig {
        let certificates = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS's versions")
            .with_no_client_auth()
            .with_single_cert(certificates.expect("certificates"), key)
            .expect("a certificate and its key")
    }

    /// Writes `tls.crt` and `tls.key` into `folder`, each at once, and gives their paths.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let put = |name: &str, text: &str| {
            let (beside, file) = (folder.join(format!("{name}.new")), folder.join(name));
            std::fs::write(&beside, text).expect("a file for the certificate");
            std::fs::rename(beside, &file).expect("the certificate's file");
            file
        };
        (put("tls.crt", &self.certificate), put("tls.key", &self.key))
    }
}
