//! ASCII armour (RFC 9580, section 6.2).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Malformed;

/// The bytes in every block of public keys in `text`, one after the other.
pub(super) fn public_keys(text: &str) -> Result<Vec<u8>, Malformed> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (block, next) = after.split_once(END).ok_or(Malformed("the armour has no end"))?;
        rest = next;
        let mut lines = block.lines().map(str::trim).skip(1).peekable();
        // Headers, then an empty line. Some leave the line out where there are no headers.
        while lines.next_if(|line| line.contains(": ") || line.is_empty()).is_some() {}
        // The checksum's line starts with `=`; RFC 9580 says not to need it.
        let data: String = lines.take_while(|line| !line.starts_with('=')).collect();
        let decoded = BASE64_STANDARD.decode(data).map_err(|_| Malformed("the armour is no base64"))?;
        bytes.extend(decoded);
    }
    if bytes.is_empty() { Err(Malformed("there is no block of public keys")) } else { Ok(bytes) }
}

/// A block of public keys.
pub(super) fn of_public_key(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let mut armour = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_owned();
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            armour.push('\n');
        }
        armour.push(letter);
    }
    // Earlier releases of the CLIs need the checksum, a CRC-24 (section 6.1).
    let crc = bytes.iter().fold(0x00b7_04ce_u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 != 0 { shifted ^ 0x0186_4cfb } else { shifted }
        })
    });
    let [_, sum @ ..] = crc.to_be_bytes();
    armour + "\n=" + &BASE64_STANDARD.encode(sum) + "\n-----END PGP PUBLIC KEY BLOCK-----\n"
}
