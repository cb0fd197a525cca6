//! Throw-away OpenPGP keys: ECDSA on P-256, of version 4, with one user (RFC 9580). Terraform before 1.6 takes no Ed25519.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// Curve and algorithm, as key packets name them.
const ECDSA: u8 = 19;
const CURVE: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SHA256: u8 = 8;
/// Kinds of signatures: over bytes, and of a user by the user's key.
const BINARY: u8 = 0x00;
const CERTIFICATION: u8 = 0x13;
const USER: &str = "Throw-away <nobody@example.com>";
/// When keys and signatures were made: long ago, and for ever.
const MADE: u32 = 1_600_000_000;

/// A key that signs releases.
pub struct Key {
    pair: EcdsaKeyPair,
    fingerprint: Vec<u8>,
    /// The public half in ASCII armour.
    pub public: String,
    /// Its ID, in upper-case hex.
    pub id: String,
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    /// A new one.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let (curve, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(curve, document.as_ref(), &random).expect("a key pair");
        let point = pair.public_key().as_ref().to_vec();
        let made = MADE.to_be_bytes();
        let body = [&[4], made.as_slice(), &[ECDSA, 8], &CURVE, &number(&point)].concat();
        let length = u16::try_from(body.len()).expect("a short key").to_be_bytes();
        let hashed = [&[0x99], length.as_slice(), &body].concat();
        let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &hashed).as_ref().to_vec();
        let id = hex::encode_upper(&fingerprint[12..]);
        let mut key = Self { pair, fingerprint, public: String::new(), id };
        let user = u32::try_from(USER.len()).expect("a short name").to_be_bytes();
        let certified = [&hashed, [0xb4].as_slice(), &user, USER.as_bytes()].concat();
        // The user's key may certify and sign.
        let certification = key.packet(CERTIFICATION, &certified, &[2, 27, 3]);
        let bytes = [packet(6, &body), packet(13, USER.as_bytes()), certification].concat();
        key.public = armour(&bytes);
        key
    }

    /// The binary detached signature over `document`.
    #[must_use]
    pub fn sign(&self, document: &[u8]) -> Vec<u8> {
        self.packet(BINARY, document, &[])
    }

    fn packet(&self, kind: u8, data: &[u8], more: &[u8]) -> Vec<u8> {
        let made = MADE.to_be_bytes();
        let hashed = [&[5, 2], made.as_slice(), &[22, 33, 4], &self.fingerprint, more].concat();
        let length = u16::try_from(hashed.len()).expect("short subpackets").to_be_bytes();
        let head = [&[4, kind, ECDSA, SHA256], length.as_slice(), &hashed].concat();
        let end = u32::try_from(head.len()).expect("a short head").to_be_bytes();
        let message = [data, &head, &[4, 0xff], &end].concat();
        let digest = digest::digest(&digest::SHA256, &message);
        let signature = self.pair.sign(&SystemRandom::new(), &message).expect("random numbers");
        let (r, s) = signature.as_ref().split_at(32);
        let issuer = [&[9, 16], &self.fingerprint[12..]].concat();
        let body = [&head, [0, 10].as_slice(), &issuer, &digest.as_ref()[..2], &number(r), &number(s)].concat();
        packet(2, &body)
    }
}

/// A packet in the new format.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 192).expect("a short packet");
    [&[0xc0 | tag, length], body].concat()
}

/// A number of any size: its length in bits, and its bytes.
fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    let top = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = u16::try_from(bytes.len() * 8 - top).expect("a short number").to_be_bytes();
    [bits.as_slice(), bytes].concat()
}

fn armour(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines: String =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect();
    // The checksum is a CRC-24 (RFC 9580, section 6.1).
    let crc = bytes.iter().fold(0x00b7_04ce_u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 != 0 { shifted ^ 0x0186_4cfb } else { shifted }
        })
    });
    let sum = BASE64_STANDARD.encode(&crc.to_be_bytes()[1..]);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}
