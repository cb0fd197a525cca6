//! How a document's content lies below the layout: the envelope.
//!
//! A raw document with content has one line of JSON before the component's own `meta`, which follows it
//! unchanged; a raw document without content has no such line:
//!
//! ```text
//! {"format":1,"layout":"plain"}\n<meta>               the raw content is the content
//! {"format":1,"layout":"zstd","size":123}\n<meta>     the raw content is the content as one zstd frame
//! {"format":1,"layout":"chunks"}\n<meta>              the raw content is a manifest, see [`Manifest`]
//! {"format":1,"layout":"chunk"}\n                     the raw content is one chunk
//! ```
//!
//! It stands in `meta` rather than before the content, so that no content has to be copied to be written,
//! and so that a plain state can be read with the store's own tools.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sets::SetName;

/// The format that this release writes and reads.
const FORMAT: u64 = 1;

/// Larger contents are neither written nor believed in, so that a wrong number cannot take all memory.
pub(super) const MAX_CONTENT_BYTES: u64 = 1 << 30;

/// What is wrong with an envelope or a manifest. Quotes nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The document has content and no envelope of any format.
    Foreign,
    /// A format that this release does not know.
    Format(u64),
    /// The format is right, and something else is not.
    Contradiction(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("holds content that this server did not lay out"),
            Self::Format(other) => {
                write!(f, "is laid out in format {other}, and this release knows only {FORMAT}")
            }
            Self::Contradiction(what) => f.write_str(what),
        }
    }
}

/// How a content lies in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// As it is.
    Plain,
    /// Compressed; of so many bytes before.
    Zstd { size: u64 },
    /// In chunks of their own; here is their manifest.
    Chunks,
    /// This is a chunk.
    Chunk,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Zstd,
    Chunks,
    Chunk,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: u64,
    layout: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl Envelope {
    /// The raw `meta` of a document whose own is `meta`.
    pub(super) fn around(self, meta: &[u8]) -> Bytes {
        let (layout, size) = match self {
            Self::Plain => (Kind::Plain, None),
            Self::Zstd { size } => (Kind::Zstd, Some(size)),
            Self::Chunks => (Kind::Chunks, None),
            Self::Chunk => (Kind::Chunk, None),
        };
        let mut raw = BytesMut::with_capacity(meta.len().saturating_add(64)).writer();
        // Numbers and fixed words into memory: it cannot fail, and a cut line would be refused when read.
        let _ = serde_json::to_writer(&mut raw, &Line { format: FORMAT, layout, size });
        let mut raw = raw.into_inner();
        raw.put_u8(b'\n');
        raw.put_slice(meta);
        raw.freeze()
    }

    /// Takes the raw `meta` of a document with content apart.
    pub(super) fn of(raw: &Bytes) -> Result<(Self, Bytes), Broken> {
        let end = raw.iter().position(|&byte| byte == b'\n').ok_or(Broken::Foreign)?;
        let line: Line = checked(raw.get(..end).unwrap_or_default())?;
        let envelope = match (line.layout, line.size) {
            (Kind::Plain, None) => Self::Plain,
            (Kind::Zstd, Some(size)) if size <= MAX_CONTENT_BYTES => Self::Zstd { size },
            (Kind::Chunks, None) => Self::Chunks,
            (Kind::Chunk, None) => Self::Chunk,
            _ => return Err(Broken::Contradiction("has an envelope with a size that cannot be")),
        };
        Ok((envelope, raw.slice(end.saturating_add(1)..)))
    }
}

/// Reads JSON of our format. The format comes first, so that a later one is not taken for a broken one.
fn checked<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Broken> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    match serde_json::from_slice(json) {
        Ok(Format { format: FORMAT }) => {}
        Ok(Format { format }) => return Err(Broken::Format(format)),
        Err(_) => return Err(Broken::Foreign),
    }
    // The reasons that serde gives may quote values.
    serde_json::from_slice(json).map_err(|_| Broken::Contradiction("has an envelope or manifest with wrong fields"))
}

/// Where the chunks of a content are, and what they must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u64,
    /// The set that the chunks belong to.
    pub(super) set: SetName,
    /// Bytes of the content.
    pub(super) size: u64,
    /// Whether the chunks are pieces of a zstd frame, or of the content itself.
    pub(super) zstd: bool,
    /// Bytes of all chunks together.
    stored: u64,
    /// Bytes of each chunk but the last.
    chunk: u64,
    /// SHA-256 of each chunk, in order, in hexadecimal.
    sha256: Vec<String>,
}

impl Manifest {
    /// Of `stored`, cut into pieces of `chunk` bytes. Hashes everything.
    pub(super) fn new(set: SetName, size: u64, zstd: bool, stored: &Bytes, chunk: usize) -> Self {
        let sha256 = stored.chunks(chunk.max(1)).map(digest).collect();
        Self { format: FORMAT, set, size, zstd, stored: stored.len() as u64, chunk: chunk as u64, sha256 }
    }

    /// As it is stored.
    pub(super) fn to_bytes(&self) -> Bytes {
        // Cannot fail, see `around`.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads one, and checks that its numbers fit together.
    pub(super) fn of(raw: &[u8]) -> Result<Self, Broken> {
        let manifest: Self = checked(raw)?;
        let Self { size, zstd, stored, chunk, .. } = manifest;
        let possible = size <= MAX_CONTENT_BYTES
            && stored <= MAX_CONTENT_BYTES
            && (zstd || stored == size)
            && chunk > 0
            && stored.div_ceil(chunk) == manifest.count() as u64;
        if possible { Ok(manifest) } else { Err(Broken::Contradiction("has a manifest with numbers that cannot be")) }
    }

    /// How many chunks there are.
    pub(super) fn count(&self) -> usize {
        self.sha256.len()
    }

    /// Bytes of all chunks together.
    pub(super) fn stored(&self) -> usize {
        usize::try_from(self.stored).unwrap_or(usize::MAX)
    }

    /// Whether these are the bytes of chunk `number`.
    pub(super) fn fits(&self, number: usize, chunk: &[u8]) -> bool {
        let before = (number as u64).saturating_mul(self.chunk);
        let length = self.stored.saturating_sub(before).min(self.chunk);
        chunk.len() as u64 == length && self.sha256.get(number).is_some_and(|known| *known == digest(chunk))
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn manifest() -> Manifest {
        let set = SetName::new(41, SystemTime::now(), [7; 10]);
        Manifest::new(set, 25, false, &Bytes::from_static(b"0123456789012345678901234"), 10)
    }

    #[test]
    fn an_envelope_leaves_meta_as_it_is() {
        for meta in ["", "{}", "{\"a\": 1.0}\r\n", "\n\n", "null"] {
            for envelope in [Envelope::Plain, Envelope::Zstd { size: 7 }, Envelope::Chunks, Envelope::Chunk] {
                assert_eq!(Envelope::of(&envelope.around(meta.as_bytes())), Ok((envelope, Bytes::from(meta))));
            }
        }
        assert_eq!(Envelope::Plain.around(b"{}"), "{\"format\":1,\"layout\":\"plain\"}\n{}");
    }

    #[test]
    fn what_is_foreign_is_told_from_what_is_later_and_what_is_wrong() {
        let of = |text: &'static str| Envelope::of(&Bytes::from_static(text.as_bytes())).unwrap_err();
        for foreign in ["", "{}", "{}\n", "\n{}", "x\n", "{\"format\":1,\"layout\":\"plain\"}", "{\"format\":\"1\"}\n"]
        {
            assert_eq!(of(foreign), Broken::Foreign, "{foreign:?}");
        }
        assert_eq!(of("{\"format\":2,\"layout\":\"stripes\"}\n{}"), Broken::Format(2));
        for wrong in [
            "{\"format\":1}\n",
            "{\"format\":1,\"layout\":\"zstd\"}\n",
            "{\"format\":1,\"layout\":\"zstd\",\"size\":1073741825}\n",
            "{\"format\":1,\"layout\":\"zstd\",\"size\":-1}\n",
            "{\"format\":1,\"layout\":\"plain\",\"size\":1}\n",
            "{\"format\":1,\"layout\":\"hunter2\"}\n",
            "{\"format\":1,\"layout\":\"plain\",\"more\":1}\n",
        ] {
            let error = of(wrong);
            assert!(matches!(error, Broken::Contradiction(_)), "{wrong:?}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_manifest_knows_its_chunks() {
        let manifest = Manifest::of(&manifest().to_bytes()).unwrap();
        assert_eq!((manifest.count(), manifest.stored()), (3, 25));
        assert!(manifest.fits(0, b"0123456789") && manifest.fits(1, b"0123456789") && manifest.fits(2, b"01234"));
        for (number, chunk) in [(0, &b"0123456780"[..]), (0, b"012345678"), (2, b"0123456789"), (3, b""), (9, b"x")] {
            assert!(!manifest.fits(number, chunk), "{number} {chunk:?}");
        }
    }

    #[test]
    fn a_manifest_with_impossible_numbers_is_refused() {
        let good: serde_json::Value = serde_json::from_slice(&manifest().to_bytes()).unwrap();
        let changed = |name: &str, value: serde_json::Value| {
            let mut manifest = good.clone();
            manifest[name] = value;
            Manifest::of(manifest.to_string().as_bytes()).unwrap_err()
        };
        assert_eq!(changed("format", 2.into()), Broken::Format(2));
        for (name, value) in [
            ("size", serde_json::json!(26)),
            ("size", serde_json::json!(1_u64 << 62)),
            ("stored", serde_json::json!(31)),
            ("chunk", serde_json::json!(0)),
            ("chunk", serde_json::json!(1)),
            ("sha256", serde_json::json!([])),
            ("set", serde_json::json!("../../etc")),
            ("more", serde_json::json!(1)),
        ] {
            let error = changed(name, value);
            assert!(matches!(error, Broken::Contradiction(_)), "{name}: {error}");
        }
        assert_eq!(Manifest::of(b"{}"), Err(Broken::Foreign));
    }
}
