//! Signing, with a key of one's own: ECDSA on P-256, which every release of both CLIs takes (Terraform before 1.6 takes
//! no Ed25519).

use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::armor;

/// Algorithm and curve, as key packets name them (RFC 9580, section 9).
const ECDSA: u8 = 19;
const CURVE: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SHA256: u8 = 8;
/// Kinds of signatures (section 5.2.1): over bytes, and of a user by the user's own key.
const BINARY: u8 = 0x00;
const CERTIFICATION: u8 = 0x13;
/// Kinds of packets (section 5).
const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;
const USER: u8 = 13;
/// When keys and signatures were made, in seconds since 1970: long ago, whatever a client's clock says, and for ever.
const MADE: [u8; 4] = 1_600_000_000_u32.to_be_bytes();
/// The number of bytes in a coordinate of the curve, and in each half of a signature.
const HALF: usize = 32;

/// Why there is no key, or no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignError(&'static str);

/// A key that signs, of version 4 and with one user.
pub struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    fingerprint: Vec<u8>,
    public: String,
    id: String,
}

impl Signer {
    /// A new key's secret, as [`Self::of`] takes it (PKCS #8).
    ///
    /// # Errors
    /// If the machine has no random numbers.
    pub fn secret() -> Result<Vec<u8>, SignError> {
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        secret.map(|secret| secret.as_ref().to_vec()).map_err(|_| SignError("there are no random numbers"))
    }

    /// The key of that secret. `user` is who signs, as people read it.
    ///
    /// # Errors
    /// If it is no secret.
    pub fn of(secret: &[u8], user: &str) -> Result<Self, SignError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret, &random);
        let pair = pair.map_err(|_| SignError("it is no secret of a P-256 key"))?;
        let body = [&[4], MADE.as_slice(), &[ECDSA, 8], &CURVE, &number(pair.public_key().as_ref())].concat();
        let hashed = [&[0x99], length16(&body).as_slice(), &body].concat();
        let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &hashed).as_ref().to_vec();
        let id = hex::encode_upper(key_id(&fingerprint));
        let mut signer = Self { pair, random, fingerprint, public: String::new(), id };
        let certified = [&hashed, [0xb4].as_slice(), &length32(user.as_bytes()), user.as_bytes()].concat();
        // The key may certify and sign.
        let certification = signer.signature(CERTIFICATION, &certified, &[2, 27, 3])?;
        let key = [packet(PUBLIC_KEY, &body), packet(USER, user.as_bytes()), certification].concat();
        signer.public = armor::of_public_key(&key);
        Ok(signer)
    }

    /// The public half, in ASCII armour.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The key's ID, in upper-case hex.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The binary detached signature over `document`.
    ///
    /// # Errors
    /// If the machine has no random numbers.
    pub fn sign(&self, document: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signature(BINARY, document, &[])
    }

    /// A packet with the signature over `data`; `more` are further subpackets (sections 5.2.3 and 5.2.4).
    fn signature(&self, kind: u8, data: &[u8], more: &[u8]) -> Result<Vec<u8>, SignError> {
        let hashed = [&[5, 2], MADE.as_slice(), &[22, 33, 4], &self.fingerprint, more].concat();
        let head = [&[4, kind, ECDSA, SHA256], length16(&hashed).as_slice(), &hashed].concat();
        let message = [data, &head, &[4, 0xff], &length32(&head)].concat();
        let digest = digest::digest(&digest::SHA256, &message);
        let first = digest.as_ref().iter().take(2).copied().collect::<Vec<_>>();
        let signed = self.pair.sign(&self.random, &message).map_err(|_| SignError("there are no random numbers"))?;
        let halves = signed.as_ref().split_at_checked(HALF);
        let (r, s) = halves.ok_or(SignError("the signature is shorter than the curve says"))?;
        let issuer = [&[9, 16], key_id(&self.fingerprint)].concat();
        let body = [&head, length16(&issuer).as_slice(), &issuer, &first, &number(r), &number(s)].concat();
        Ok(packet(SIGNATURE, &body))
    }
}

/// The last eight bytes of a fingerprint.
fn key_id(fingerprint: &[u8]) -> &[u8] {
    fingerprint.last_chunk::<8>().map_or(&[], |id| id.as_slice())
}

/// A packet in the new format, its length in five bytes (section 4.2.1).
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, 0xff], length32(body).as_slice(), body].concat()
}

/// A number of any size: its length in bits, and its bytes (section 3.2).
fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = u16::try_from((bytes.len() * 8).saturating_sub(unused)).unwrap_or(u16::MAX);
    [bits.to_be_bytes().as_slice(), bytes].concat()
}

fn length16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

fn length32(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}
