//! Keys and signatures as nobody's tool makes them: made here, byte by byte, by an Ed25519 key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use ring::digest;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{Certificate, Signature};
use crate::signature::{SignatureError, verify};

const DOCUMENT: &[u8] = b"0000  terraform-provider-null_1.0.0_linux_amd64.zip\n";
const BINARY: u8 = 0x00;
const REVOCATION: u8 = 0x20;
const SHA1: u8 = 2;
const SHA256: u8 = 8;
/// A private subpacket, 100, once critical and once not.
const CRITICAL: &[u8] = &[2, 0x80 | 100, 1];
const OPTIONAL: &[u8] = &[2, 100, 1];

struct Maker(Ed25519KeyPair);

impl Maker {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn body(&self) -> Vec<u8> {
        [&[4, 0, 0, 0, 1, 27], self.0.public_key().as_ref()].concat()
    }

    fn hashed(&self) -> Vec<u8> {
        let body = self.body();
        [&[0x99, 0, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    }

    /// A signature packet of that type over `data`.
    fn sign(&self, kind: u8, hash: u8, subpackets: &[u8], data: &[u8]) -> Vec<u8> {
        let head = [&[4, kind, 27, hash, 0, u8::try_from(subpackets.len()).unwrap()], subpackets].concat();
        let length = u32::try_from(head.len()).unwrap().to_be_bytes();
        let message = [data, &head, &[4, 0xff], &length].concat();
        let algorithm = if hash == SHA1 { &digest::SHA1_FOR_LEGACY_USE_ONLY } else { &digest::SHA256 };
        let signature = self.0.sign(digest::digest(algorithm, &message).as_ref());
        packet(2, &[&head, &[0, 0, 0, 0][..], signature.as_ref()].concat())
    }

    fn key(&self) -> Vec<u8> {
        packet(6, &self.body())
    }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, u8::try_from(body.len()).unwrap()], body].concat()
}

fn armoured(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

fn verified(signature: &[u8], key: &[u8]) -> Result<String, SignatureError> {
    verify(DOCUMENT, signature, &[armoured(key)])
}

#[test]
fn only_signatures_over_documents_count() {
    let maker = Maker::new(1);
    verified(&maker.sign(BINARY, SHA256, &[], DOCUMENT), &maker.key()).unwrap();
    for kind in [0x01, 0x02, 0x10, 0x13, 0x18, 0x19, 0x1f, 0x20, 0x28, 0x30, 0x40, 0xff] {
        let refused = verified(&maker.sign(kind, SHA256, &[], DOCUMENT), &maker.key());
        assert_eq!(refused, Err(SignatureError::Unknown), "{kind:#x}");
    }
    let forgeable = verified(&maker.sign(BINARY, SHA1, &[], DOCUMENT), &maker.key());
    assert!(matches!(forgeable, Err(SignatureError::BadSignature(_))), "{forgeable:?}");
}

#[test]
fn what_is_critical_and_not_known_vouches_for_nothing() {
    let maker = Maker::new(1);
    verified(&maker.sign(BINARY, SHA256, OPTIONAL, DOCUMENT), &maker.key()).unwrap();
    let refused = verified(&maker.sign(BINARY, SHA256, CRITICAL, DOCUMENT), &maker.key());
    assert_eq!(refused, Err(SignatureError::Unknown));
}

#[test]
fn a_revocation_counts_however_it_is_made() {
    let (maker, other) = (Maker::new(1), Maker::new(2));
    let signature = maker.sign(BINARY, SHA256, &[], DOCUMENT);
    for (hash, subpackets) in [(SHA256, &[][..]), (SHA1, &[]), (SHA256, CRITICAL)] {
        let revocation = maker.sign(REVOCATION, hash, subpackets, &maker.hashed());
        let refused = verified(&signature, &[maker.key(), revocation].concat());
        assert!(matches!(refused, Err(SignatureError::Revoked(_))), "{refused:?}");
    }
    let not_its_own = other.sign(REVOCATION, SHA256, &[], &maker.hashed());
    verified(&signature, &[maker.key(), not_its_own].concat()).unwrap();
}

#[test]
fn nothing_may_follow_a_signature() {
    let maker = Maker::new(1);
    let good = maker.sign(BINARY, SHA256, &[], DOCUMENT);
    let inside = packet(2, &[&good[2..], b"x"].concat());
    for bad in [[&good[..], b"x"].concat(), [good.clone(), maker.key()].concat(), inside] {
        let refused = verified(&bad, &maker.key());
        assert!(matches!(refused, Err(SignatureError::BadSignature(_))), "{refused:?}");
    }
}

#[test]
fn nobody_is_kept_busy() {
    let maker = Maker::new(1);
    let good = maker.sign(BINARY, SHA256, &[], DOCUMENT);
    let refused = verified(&good.repeat(17), &maker.key());
    assert!(matches!(refused, Err(SignatureError::BadSignature(_))), "{refused:?}");
    let refused = verified(&good, &maker.key().repeat(65));
    assert!(matches!(refused, Err(SignatureError::BadKey(_))), "{refused:?}");
    let refused = verify(DOCUMENT, &good, &vec![armoured(&maker.key()); 17]);
    assert!(matches!(refused, Err(SignatureError::BadKey(_))), "{refused:?}");
}

proptest! {
    /// Whatever is sent: it is read or refused, and never believed over other bytes than were signed.
    #[test]
    fn nothing_breaks_it(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let _ = Signature::read_all(&noise);
        let _ = Certificate::read_all(&armoured(&noise));
        let _ = Certificate::read_all(&String::from_utf8_lossy(&noise));
        let maker = Maker::new(1);
        let (mut signature, mut key) = (maker.sign(BINARY, SHA256, OPTIONAL, DOCUMENT), maker.key());
        for (place, byte) in changes {
            *place.get_mut(&mut signature) = byte;
            *place.get_mut(&mut key) = byte;
        }
        let _ = verify(DOCUMENT, &signature, &[armoured(&key)]);
        let other = [DOCUMENT, b"x"].concat();
        prop_assert!(verify(&other, &signature, &[armoured(&maker.key())]).is_err());
    }
}
