//! Keys and signatures that GnuPG has made, `testdata/openpgp`.

use super::Signer;
use crate::signature::{SignatureError, verify};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/openpgp/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn key(name: &str) -> String {
    String::from_utf8(read(&format!("{name}.asc"))).unwrap()
}

#[test]
fn signatures_of_gnupg_are_good() {
    let document = read("SHA256SUMS");
    // The key of `rsa` expired long ago, which is no matter; `subkey` signs by a subkey.
    for (name, id) in [
        ("rsa", "C9734343FC53A9F5"),
        ("ed25519", "6758E60A16DA8443"),
        ("p256", "2514ABDCC5562462"),
        ("p384", "9ADBC48061E3F1BF"),
        ("subkey", "ABF032210AC7ED50"),
    ] {
        let signature = read(&format!("{name}.sig"));
        assert_eq!(verify(&document, &signature, &[key(name)]).as_deref(), Ok(id), "{name}");
        let ring = key("p256") + &key(name);
        assert_eq!(verify(&document, &signature, &[ring]).as_deref(), Ok(id), "{name} in a ring");
        let several = [key("ed25519"), key(name)];
        assert_eq!(verify(&document, &signature, &several).as_deref(), Ok(id), "{name} of several");
        for (what, other) in [("more", [&document[..], b"\n"].concat()), ("less", document[1..].to_vec())] {
            assert_eq!(verify(&other, &signature, &[key(name)]), Err(SignatureError::Unknown), "{name} over {what}");
        }
        let others = if name == "rsa" { "p384" } else { "rsa" };
        assert_eq!(verify(&document, &signature, &[key(others)]), Err(SignatureError::Unknown), "{name} by {others}");
    }
}

#[test]
fn revoked_keys_count_no_more() {
    let document = read("SHA256SUMS");
    let revoked = verify(&document, &read("revoked.sig"), &[key("revoked")]);
    assert_eq!(revoked, Err(SignatureError::Revoked("9C3D354E854C2E80".to_owned())));
    let subkey = verify(&document, &read("subkey.sig"), &[key("subkey-revoked")]);
    assert_eq!(subkey, Err(SignatureError::Unknown));
}

#[test]
fn what_is_no_openpgp_is_refused() {
    let document = read("SHA256SUMS");
    let (good, armoured) = (read("ed25519.sig"), key("ed25519"));
    assert_eq!(verify(&document, &good, &[]), Err(SignatureError::NoKeys));
    for bad in [
        &b""[..],
        b"\x00",
        b"signed",
        &good[..good.len() - 1],
        armoured.as_bytes(),
        &[0xc2, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let refused = verify(&document, bad, std::slice::from_ref(&armoured));
        assert!(matches!(refused, Err(SignatureError::BadSignature(_))), "{bad:?}: {refused:?}");
    }
    for bad in ["", "key", &armoured.replace('m', "!"), &armoured[..200]] {
        let refused = verify(&document, &good, &[bad.to_owned()]);
        assert!(matches!(refused, Err(SignatureError::BadKey(_))), "{bad}: {refused:?}");
    }
}

/// Whatever is changed in a signature or a key: it is refused, and nothing breaks.
#[test]
fn a_changed_byte_is_refused() {
    let document = read("SHA256SUMS");
    for name in ["ed25519", "p256", "subkey"] {
        let (signature, armoured) = (read(&format!("{name}.sig")), key(name));
        let hashed_end = 2 + 6 + usize::from(signature[7]);
        for index in 0..signature.len() {
            let mut changed = signature.clone();
            changed[index] ^= 1;
            let verified = verify(&document, &changed, std::slice::from_ref(&armoured));
            // What follows the hashed part, up to the numbers, is not signed: a hint only.
            if index < hashed_end {
                assert!(verified.is_err(), "{name} byte {index}");
            }
        }
    }
}

#[test]
fn what_is_signed_here_is_good_and_stays_the_same_key() {
    let secret = Signer::secret().unwrap();
    let signer = Signer::of(&secret, "somebody").unwrap();
    let again = Signer::of(&secret, "somebody").unwrap();
    assert_eq!(signer.id(), again.id());
    assert_eq!(signer.id().len(), 16);
    for document in [&b""[..], b"one line\n", &[0; 100_000]] {
        let signature = signer.sign(document).unwrap();
        assert_eq!(verify(document, &signature, &[again.public().to_owned()]).as_deref(), Ok(signer.id()));
        let other = Signer::of(&Signer::secret().unwrap(), "somebody").unwrap();
        assert_eq!(verify(document, &signature, &[other.public().to_owned()]), Err(SignatureError::Unknown));
    }
    assert!(Signer::of(&secret[1..], "somebody").is_err() && Signer::of(b"", "").is_err());
}
