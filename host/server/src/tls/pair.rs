//! A certificate and its key, from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::Files;
use crate::config::{Mistake, Wrong, file, settings};
use crate::following::Fingerprint;

/// A certificate that fits its key. Neither is ever shown.
#[derive(Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    from: OffsetDateTime,
    until: OffsetDateTime,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("from", &self.from).field("until", &self.until).finish_non_exhaustive()
    }
}

/// What the files held at one moment, each read once, not parsed yet.
pub(super) struct Contents {
    certificate: String,
    key: SecretString,
}

impl Contents {
    /// Reads both files.
    ///
    /// # Errors
    /// A mistake for each that cannot be read.
    pub(super) fn read(files: &Files) -> Result<Self, Vec<Mistake>> {
        let unreadable = |setting: &settings::Setting, path: &Path, error: std::io::Error| {
            wrong(setting, path, format!("cannot be read: {error}"), "name a readable PEM file")
        };
        let certificate = file::read(&files.certificate)
            .map_err(|error| unreadable(&settings::TLS_CERT_FILE, &files.certificate, error));
        let key = file::read(&files.key).map_err(|error| unreadable(&settings::TLS_KEY_FILE, &files.key, error));
        match (certificate, key) {
            (Ok(certificate), Ok(key)) => Ok(Self { certificate, key: key.into() }),
            (certificate, key) => Err([certificate.err(), key.err()].into_iter().flatten().collect()),
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        // One digest each, so that nothing can move from one file to the other unseen.
        hasher.update(Sha256::digest(&self.certificate));
        hasher.update(Sha256::digest(self.key.expose_secret()));
        hasher.finalize().into()
    }
}

impl Pair {
    /// Reads both files, and looks whether they fit each other.
    ///
    /// # Errors
    /// Every mistake. None of them repeats what stands in the key's file.
    pub fn read(files: &Files) -> Result<Self, Vec<Mistake>> {
        Self::parse(files, &Contents::read(files)?)
    }

    pub(super) fn parse(files: &Files, contents: &Contents) -> Result<Self, Vec<Mistake>> {
        let wrong_certificate =
            |what: String, write: &str| wrong(&settings::TLS_CERT_FILE, &files.certificate, what, write);
        let wrong_key = |what: String, write: &str| wrong(&settings::TLS_KEY_FILE, &files.key, what, write);

        let chain = chain(&contents.certificate)
            .map_err(|what| wrong_certificate(what, "name a PEM file: the server's certificate, then those above it"));
        let key = key(contents.key.expose_secret())
            .map_err(|what| wrong_key(what, "name a PEM file with the certificate's unencrypted private key"));
        let ((chain, from, until), key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
        };
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            vec![match error {
                rustls::Error::InconsistentKeys(_) => wrong_key(
                    format!("the key does not belong to the certificate in {}", files.certificate.display()),
                    "name the key with which that certificate was requested",
                ),
                error => wrong_key(format!("the key cannot be used: {error}"), "use an ECDSA, RSA or Ed25519 key"),
            }]
        })?;
        Ok(Self { certified: Arc::new(certified), from, until })
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// When it expires.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.until
    }

    /// Whether clients that look at the time accept it.
    #[must_use]
    pub fn is_valid(&self, now: OffsetDateTime) -> bool {
        (self.from..=self.until).contains(&now)
    }

    /// How long it is valid altogether.
    pub(super) fn lifetime(&self) -> time::Duration {
        self.until - self.from
    }

    /// A sentence about it: from when, or until when, it is valid.
    #[must_use]
    pub fn validity(&self, now: OffsetDateTime) -> String {
        let shown = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_else(|_| time.to_string());
        if now < self.from {
            format!("the certificate is not valid before {}", shown(self.from))
        } else if now > self.until {
            format!("the certificate has expired on {}", shown(self.until))
        } else {
            format!("the certificate is valid until {}", shown(self.until))
        }
    }
}

type Chain = (Vec<CertificateDer<'static>>, OffsetDateTime, OffsetDateTime);

/// All certificates, and from when until when the first, which is the server's, is valid.
fn chain(text: &str) -> Result<Chain, String> {
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("not PEM: {}", broken(&error)))?;
    let first = certificates.first().ok_or("it holds no certificate")?;
    let server = Certificate::from_der(first).map_err(|_| "its first certificate is not an X.509 certificate")?;
    let validity = server.tbs_certificate.validity;
    let from = OffsetDateTime::from(validity.not_before.to_system_time());
    let until = OffsetDateTime::from(validity.not_after.to_system_time());
    Ok((certificates, from, until))
}

fn key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("the private key is encrypted, and nobody is there to type its passphrase".to_owned());
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => "it holds no private key".to_owned(),
        error => format!("not PEM: {}", broken(&error)),
    })
}

/// What is wrong with PEM, in words that repeat nothing of it.
fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the line that ends a section is missing",
        pem::Error::IllegalSectionStart { .. } => "the line that begins a section is malformed",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be read",
    }
}

fn wrong(setting: &settings::Setting, path: &Path, what: String, write: &str) -> Mistake {
    Mistake {
        setting: setting.name.to_owned(),
        value: Some(path.display().to_string()),
        wrong: Wrong::new(what, write),
    }
}
