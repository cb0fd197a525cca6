//! States as others keep them: plain, compressed (gzip, zstd), in base64, or compressed and in base64.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The largest state that a server takes (`MAX_STATE_BYTES`); more is not unpacked.
pub(super) const LARGEST: u64 = 256 << 20;
/// How often something may be wrapped: base64, then compressed, and once more for those who did both twice.
const MOST_WRAPPERS: usize = 4;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Takes the wrappers off: a state begins with `{`, which none of them does.
///
/// # Errors
/// A sentence: what is inside is no state, or damaged.
pub fn decode(mut bytes: Bytes) -> Result<Bytes, String> {
    for _ in 0..MOST_WRAPPERS {
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"{") {
            return Ok(bytes);
        }
        bytes = if bytes.starts_with(GZIP) {
            unpack("gzip", flate2::read::MultiGzDecoder::new(bytes.as_ref()))?
        } else if bytes.starts_with(ZSTD) {
            let decoder =
                zstd::Decoder::new(bytes.as_ref()).map_err(|error| format!("it cannot be unpacked: {error}"))?;
            unpack("zstd", decoder)?
        } else {
            let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            if text.is_empty() {
                return Err("it is empty".to_owned());
            }
            STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|_| "it is neither JSON, nor compressed (gzip, zstd), nor base64: is it a state?".to_owned())?
        };
    }
    Err("it is wrapped too often".to_owned())
}

fn unpack(how: &str, from: impl Read) -> Result<Bytes, String> {
    let mut unpacked = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| format!("it begins as {how} and cannot be unpacked: {error}"))?;
    if unpacked.len() as u64 > LARGEST {
        return Err(format!("unpacked it is larger than {} MiB", LARGEST >> 20));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_wrapping_comes_off() {
        let state = b"\n {\"version\":4}".as_slice();
        let zstd = zstd::encode_all(state, 1).unwrap();
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes).into_bytes();
        let folded = base64(state).chunks(5).collect::<Vec<_>>().join(&b"\n"[..]);
        for wrapped in [
            state.to_vec(),
            gzip(state),
            zstd.clone(),
            base64(state),
            folded,
            base64(&gzip(state)),
            base64(&zstd),
            gzip(&base64(state)),
        ] {
            assert_eq!(decode(wrapped.into()).unwrap(), state);
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let cut = gzip(&[b'{'; 4096]).split_at(20).0.to_vec();
        let bomb = gzip(&vec![b'x'; (LARGEST + 1) as usize]);
        for (bad, why) in [
            (b"".to_vec(), "empty"),
            (b"not a state".to_vec(), "neither"),
            (cut, "cannot be unpacked"),
            (bomb, "larger than"),
            (b"\xff\xfe".to_vec(), "neither"),
        ] {
            let error = decode(bad.into()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
