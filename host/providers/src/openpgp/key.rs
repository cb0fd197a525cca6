//! Keys, their subkeys, and what binds or revokes these (RFC 9580, sections 5.5 and 10.1).

use ring::digest;

use super::packet::Fields;
use super::signature::{self, Signature};
use super::{Malformed, armor};

/// More keys and subkeys than any publisher has.
const MOST: usize = 64;

const PUBLIC_KEY: u8 = 6;
const PUBLIC_SUBKEY: u8 = 14;
const SIGNATURE: u8 = 2;

/// The curves' object identifiers.
const CURVE_ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const CURVE_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const CURVE_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// What a signature is checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    /// Of a kind that is not taken.
    Other,
}

/// A key with its subkeys, as somebody publishes it.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    primary: Key,
    /// What follows the key itself: revocations stand there.
    signatures: Vec<Signature>,
    subkeys: Vec<(Key, Vec<Signature>)>,
}

#[derive(Clone, Debug)]
struct Key {
    material: Material,
    /// The packet's body, as it enters hashes.
    body: Vec<u8>,
}

impl Key {
    /// A key packet's body; none, if it is of another version than 4.
    fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut fields = Fields(body);
        if fields.number(1)? != 4 {
            return Ok(None);
        }
        fields.bytes(4)?;
        let material = match fields.number(1)? {
            1 | 3 => Material::Rsa { n: fields.mpi()?.to_vec(), e: fields.mpi()?.to_vec() },
            kind @ (19 | 22) => {
                let length = fields.number(1)?;
                let curve = fields.bytes(length)?;
                let point = fields.mpi()?;
                match (kind, curve, point) {
                    // The native form of a point has this before it (RFC 9580, section 11.2.2).
                    (22, CURVE_ED25519, [0x40, key @ ..]) if key.len() == 32 => Material::Ed25519(key.to_vec()),
                    (19, CURVE_P256, point) => Material::P256(point.to_vec()),
                    (19, CURVE_P384, point) => Material::P384(point.to_vec()),
                    _ => Material::Other,
                }
            }
            27 => Material::Ed25519(fields.bytes(32)?.to_vec()),
            _ => Material::Other,
        };
        Ok(Some(Self { material, body: body.to_vec() }))
    }

    /// As it enters a signature's hash (RFC 9580, section 5.2.4).
    fn hashed(&self) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        [&[0x99], length.to_be_bytes().as_slice(), &self.body].concat()
    }
}

impl Certificate {
    /// Every key in armoured text.
    pub(crate) fn read_all(text: &str) -> Result<Vec<Self>, Malformed> {
        let bytes = armor::public_keys(text)?;
        let mut fields = Fields(&bytes);
        let mut certificates: Vec<Self> = Vec::new();
        // Of what to take signatures: nothing after a packet that is not known here, such as a user's ID.
        let (mut owner, mut keys) = (None, 0_usize);
        while let Some(packet) = fields.packet()? {
            keys = keys.saturating_add(usize::from(matches!(packet.tag, PUBLIC_KEY | PUBLIC_SUBKEY)));
            if keys > MOST {
                return Err(Malformed("there are more keys than anybody has"));
            }
            match packet.tag {
                PUBLIC_KEY => {
                    owner = Key::read(packet.body)?.map(|primary| {
                        certificates.push(Self { primary, signatures: Vec::new(), subkeys: Vec::new() });
                        PUBLIC_KEY
                    });
                    if owner.is_none() {
                        return Err(Malformed("a key is not of version 4"));
                    }
                }
                PUBLIC_SUBKEY => {
                    owner = match (certificates.last_mut(), Key::read(packet.body)?) {
                        (Some(certificate), Some(key)) => {
                            certificate.subkeys.push((key, Vec::new()));
                            Some(PUBLIC_SUBKEY)
                        }
                        _ => None,
                    };
                }
                SIGNATURE => {
                    let signature = Signature::read(packet.body, true)?;
                    let place = certificates.last_mut().and_then(|certificate| match owner {
                        Some(PUBLIC_KEY) => Some(&mut certificate.signatures),
                        Some(_) => certificate.subkeys.last_mut().map(|(_, signatures)| signatures),
                        None => None,
                    });
                    if let (Some(place), Some(signature)) = (place, signature) {
                        place.push(signature);
                    }
                }
                _ => owner = None,
            }
        }
        if certificates.is_empty() { Err(Malformed("there is no key")) } else { Ok(certificates) }
    }

    /// The key's ID: the end of its fingerprint, in upper-case hex.
    pub(crate) fn id(&self) -> String {
        let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.primary.hashed());
        hex::encode_upper(fingerprint.as_ref().get(12..).unwrap_or_default())
    }

    /// Whether the key says of itself that it is no longer to be trusted.
    pub(crate) fn is_revoked(&self) -> bool {
        let revocations = self.signatures.iter().filter(|signature| signature.kind == signature::KEY_REVOCATION);
        revocations.into_iter().any(|it| it.is_by(&self.primary.material, &self.primary.hashed()))
    }

    /// Whether it has signed `document`: by itself, or by a subkey that may sign data.
    pub(crate) fn has_signed(&self, document: &[u8], signature: &Signature) -> bool {
        let made_by = |key: &Key| signature.kind == signature::BINARY && signature.vouches(&key.material, document);
        let by_subkey = |(key, bindings): &(Key, Vec<Signature>)| made_by(key) && self.lets_sign(key, bindings);
        made_by(&self.primary) || self.subkeys.iter().any(by_subkey)
    }

    /// Whether the key says so of the subkey, and the subkey of the key, and the key has not taken it back.
    fn lets_sign(&self, subkey: &Key, signatures: &[Signature]) -> bool {
        let both = [self.primary.hashed(), subkey.hashed()].concat();
        let by_key =
            |kind: u8, signature: &Signature| signature.kind == kind && signature.is_by(&self.primary.material, &both);
        let binds = |signature: &Signature| {
            let back = signature.embedded.as_deref();
            signature.kind == signature::SUBKEY_BINDING
                && signature.vouches(&self.primary.material, &both)
                && signature.lets_sign()
                && back.is_some_and(|back| back.kind == signature::KEY_BINDING && back.vouches(&subkey.material, &both))
        };
        signatures.iter().any(binds) && !signatures.iter().any(|it| by_key(signature::SUBKEY_REVOCATION, it))
    }
}
