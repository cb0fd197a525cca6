//! Signatures (RFC 9580, section 5.2).

use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::Malformed;
use super::key::Material;
use super::packet::Fields;

const TAG: u8 = 2;
/// More signatures than anybody puts over one release. Each costs a hash over all of it for each key.
const MOST: usize = 16;

/// Over a document's bytes.
pub(super) const BINARY: u8 = 0x00;
/// By a key, that a subkey is its own.
pub(super) const SUBKEY_BINDING: u8 = 0x18;
/// By a subkey, that it belongs to the key.
pub(super) const KEY_BINDING: u8 = 0x19;
/// That a key is no longer to be trusted.
pub(super) const KEY_REVOCATION: u8 = 0x20;
/// The same of a subkey.
pub(super) const SUBKEY_REVOCATION: u8 = 0x28;

/// The subpackets of which it is known what they say. Of these, the times at which a signature or a key is over are
/// passed over on purpose, see `signature.rs`; notations (20) mean what their maker likes.
const KNOWN: [u8; 23] =
    [2, 3, 4, 5, 6, 7, 9, 11, 16, 21, 22, 23, 24, 25, 26, KEY_FLAGS, 28, 29, 30, EMBEDDED_SIGNATURE, 33, 34, 35];
const KEY_FLAGS: u8 = 27;
const EMBEDDED_SIGNATURE: u8 = 32;
/// The key flag of those that may sign data.
const MAY_SIGN: u8 = 2;

/// A signature of version 4.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(super) kind: u8,
    hash: Hash,
    /// Its own part of what is signed: its head, its hashed subpackets, and their length.
    trailer: Vec<u8>,
    /// The numbers that it consists of.
    numbers: Vec<Vec<u8>>,
    may_sign: bool,
    /// It has a critical part that is not known here: it vouches for nothing.
    unsure: bool,
    pub(super) embedded: Option<Box<Signature>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    /// For revocations only: a forged one takes trust away.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Signature {
    /// Every signature in a detached signature's bytes. Versions that are not known are passed over.
    pub(crate) fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut fields = Fields(bytes);
        let mut signatures = Vec::new();
        while let Some(packet) = fields.packet()? {
            if packet.tag != TAG {
                return Err(Malformed("there is something else than a signature"));
            }
            signatures.extend(Self::read(packet.body, true)?);
            if signatures.len() > MOST {
                return Err(Malformed("there are more signatures than anybody needs"));
            }
        }
        if signatures.is_empty() { Err(Malformed("there is no signature of a known version")) } else { Ok(signatures) }
    }

    /// A signature packet's body; none, if it is of a version or by a hash that is not taken.
    pub(super) fn read(body: &[u8], outermost: bool) -> Result<Option<Self>, Malformed> {
        let mut fields = Fields(body);
        if fields.number(1)? != 4 {
            return Ok(None);
        }
        let kind = u8::try_from(fields.number(1)?).unwrap_or(u8::MAX);
        let algorithm = fields.number(1)?;
        let hash = match fields.number(1)? {
            2 if matches!(kind, KEY_REVOCATION | SUBKEY_REVOCATION) => Hash::Sha1,
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            // MD5 and SHA-1 can be forged; others are not met.
            _ => return Ok(None),
        };
        let hashed_length = fields.number(2)?;
        let hashed = fields.bytes(hashed_length)?;
        let unhashed_length = fields.number(2)?;
        let unhashed = fields.bytes(unhashed_length)?;
        fields.bytes(2)?;
        let numbers = match algorithm {
            1 | 3 => vec![fields.mpi()?.to_vec()],
            17 | 19 | 22 => vec![fields.mpi()?.to_vec(), fields.mpi()?.to_vec()],
            27 => vec![fields.bytes(64)?.to_vec()],
            _ => return Ok(None),
        };
        if !fields.0.is_empty() {
            return Err(Malformed("something follows the numbers of a signature"));
        }
        let end = hashed_length.saturating_add(6);
        let mut trailer = body.get(..end).unwrap_or_default().to_vec();
        trailer.extend([4, 0xff]);
        trailer.extend(u32::try_from(end).unwrap_or(u32::MAX).to_be_bytes());
        let mut signature = Self { kind, hash, trailer, numbers, may_sign: false, unsure: false, embedded: None };
        // A backward signature vouches for itself, so it may stand where nothing is signed.
        for (area, is_signed) in [(hashed, true), (unhashed, false)] {
            let mut fields = Fields(area);
            while let Some((subpacket, critical)) = fields.subpacket()? {
                signature.unsure |= is_signed && critical && !KNOWN.contains(&subpacket.tag);
                match subpacket.tag {
                    KEY_FLAGS if is_signed => {
                        signature.may_sign = subpacket.body.first().is_some_and(|flags| flags & MAY_SIGN != 0);
                    }
                    EMBEDDED_SIGNATURE if outermost => {
                        signature.embedded = Self::read(subpacket.body, false)?.map(Box::new);
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(signature))
    }

    /// Whether it gives a subkey the right to sign data.
    pub(super) fn lets_sign(&self) -> bool {
        self.may_sign
    }

    /// Whether `key` has made it over `data`, and all of it that matters is understood. A revocation need not be
    /// understood to count.
    pub(super) fn vouches(&self, key: &Material, data: &[u8]) -> bool {
        !self.unsure && self.is_by(key, data)
    }

    /// Whether `key` has made it over `data`.
    pub(super) fn is_by(&self, key: &Material, data: &[u8]) -> bool {
        let message = [data, &self.trailer].concat();
        match (key, self.numbers.as_slice()) {
            (Material::Rsa { n, e }, [number]) => {
                let parameters = match self.hash {
                    Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                };
                let key = RsaPublicKeyComponents { n, e };
                padded(number, n.len()).is_some_and(|number| key.verify(parameters, &message, &number).is_ok())
            }
            (Material::Ed25519(key), numbers) => {
                let signature = match numbers {
                    [r, s] => padded(r, 32).zip(padded(s, 32)).map(|(r, s)| [r, s].concat()),
                    [both] => Some(both.clone()),
                    _ => None,
                };
                let algorithm = match self.hash {
                    Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &digest::SHA256,
                    Hash::Sha384 => &digest::SHA384,
                    Hash::Sha512 => &digest::SHA512,
                };
                let digest = digest::digest(algorithm, &message);
                let key = UnparsedPublicKey::new(&ED25519, key);
                signature.is_some_and(|signature| key.verify(digest.as_ref(), &signature).is_ok())
            }
            (Material::P256(point), [r, s]) if self.hash == Hash::Sha256 => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                let both = padded(r, 32).zip(padded(s, 32)).map(|(r, s)| [r, s].concat());
                both.is_some_and(|both| key.verify(&message, &both).is_ok())
            }
            (Material::P384(point), [r, s]) if self.hash == Hash::Sha384 => {
                let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
                let both = padded(r, 48).zip(padded(s, 48)).map(|(r, s)| [r, s].concat());
                both.is_some_and(|both| key.verify(&message, &both).is_ok())
            }
            _ => false,
        }
    }
}

/// A number at its full length.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([vec![0; zeros], number.to_vec()].concat())
}
