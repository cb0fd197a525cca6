//! Compression, and other work that keeps a processor busy.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::thread::LocalKey;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use super::envelope::{Broken, Manifest};
use super::sets::SetName;
use crate::Error;

/// On state files the lowest level is both the fastest and the smallest: measured on JSON of 24 KB,
/// 640 KB and 60 MB, 10, 16 and 5.7 times smaller at 350 to 1,000 MB/s; levels 3 to 7 were slower and,
/// on the large ones, larger.
const LEVEL: i32 = 1;

/// Smaller contents are stored as they are: a trip to the store costs the same.
const MIN_BYTES: usize = 1024;

/// Work on more bytes than this is done off the threads that serve.
const MAX_IN_PLACE: usize = 256 << 10;

/// A content in the shape in which it is stored.
pub(super) struct Packed {
    pub(super) stored: Bytes,
    pub(super) zstd: bool,
}

/// Compresses `content` if that pays.
pub(super) async fn pack(content: Bytes) -> Result<Packed, Error> {
    let bytes = content.len();
    worked(bytes, move || match compressed(&content) {
        Some(smaller) => Packed { stored: smaller.into(), zstd: true },
        None => Packed { stored: content, zstd: false },
    })
    .await
}

/// Cuts `stored` into chunks and hashes each.
pub(super) async fn manifest(
    set: SetName,
    size: u64,
    zstd: bool,
    stored: Bytes,
    chunk: usize,
) -> Result<Manifest, Error> {
    worked(stored.len(), move || Manifest::new(set, size, zstd, &stored, chunk)).await
}

/// Whether `chunk` is the one that the manifest means by `number`.
pub(super) async fn fits(manifest: &Arc<Manifest>, number: usize, chunk: &Bytes) -> Result<bool, Error> {
    let (manifest, chunk) = (Arc::clone(manifest), chunk.clone());
    worked(chunk.len(), move || manifest.fits(number, &chunk)).await
}

/// The content that was compressed, which must be of `size` bytes.
pub(super) async fn unpack(stored: Bytes, size: u64) -> Result<Result<Vec<u8>, Broken>, Error> {
    worked(usize::try_from(size).unwrap_or(usize::MAX), move || {
        decompressed(&stored, size).ok_or(Broken::Contradiction("holds a content that cannot be decompressed"))
    })
    .await
}

/// Compressed to less than two thirds, or nothing: OpenBao holds compressed bytes in base64, which would
/// eat up a smaller gain.
fn compressed(content: &[u8]) -> Option<Vec<u8>> {
    if content.len() < MIN_BYTES {
        return None;
    }
    let attempt = |compressor: &mut Compressor<'_>| -> io::Result<Vec<u8>> {
        // Larger results do not fit, which is an error like any other.
        let mut smaller = Vec::with_capacity(content.len() / 3 * 2);
        compressor.compress_to_buffer(content, &mut smaller)?;
        smaller.shrink_to_fit();
        Ok(smaller)
    };
    with_context(content.len(), &COMPRESSOR, compressor, attempt).ok()
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// A thread's own context of zstd, once it has been needed.
type Kept<T> = LocalKey<RefCell<Option<T>>>;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Lets `work` on so many bytes have a context. One takes over a hundred kilobytes to make, so each thread keeps one
/// for small states; it forgets all of the content before, also after an error. One for large contents takes memory
/// that is not kept.
fn with_context<C, T>(
    bytes: usize,
    kept: &'static Kept<C>,
    make: impl FnOnce() -> io::Result<C>,
    work: impl FnOnce(&mut C) -> io::Result<T>,
) -> io::Result<T> {
    if bytes > MAX_IN_PLACE {
        return work(&mut make()?);
    }
    kept.with_borrow_mut(|kept| match kept {
        Some(context) => work(context),
        None => work(kept.insert(make()?)),
    })
}

/// Takes no more memory than the frame itself says that it needs and the caller expects.
fn decompressed(stored: &[u8], size: u64) -> Option<Vec<u8>> {
    if zstd::zstd_safe::get_frame_content_size(stored).ok()? != Some(size) {
        return None;
    }
    let capacity = usize::try_from(size).ok()?;
    let mut content = Vec::with_capacity(capacity);
    let attempt = |context: &mut Decompressor<'_>| context.decompress_to_buffer(stored, &mut content);
    with_context(capacity, &DECOMPRESSOR, Decompressor::new, attempt).ok()?;
    (content.len() == capacity).then_some(content)
}

/// Does `work` on so many bytes where it disturbs nobody.
async fn worked<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    // Without a runtime, as in the sandbox, nobody else waits for this thread.
    if bytes <= MAX_IN_PLACE || tokio::runtime::Handle::try_current().is_err() {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Unavailable("a working thread ended early".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: usize) -> Vec<u8> {
        let mut text: String = (0..).map(|n| format!("{{\"index_key\":{n}}},")).take(bytes / 16).collect();
        text.truncate(bytes);
        text.into_bytes()
    }

    #[test]
    fn compresses_only_what_pays() {
        assert!(compressed(&json(1023)).is_none());
        assert!(compressed(&json(4096)).is_some_and(|smaller| smaller.len() < 2000));
        let mut noise = 1_u64;
        let incompressible: Vec<u8> = (0..100_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                noise.to_be_bytes()[0]
            })
            .collect();
        assert!(compressed(&incompressible).is_none());
        let encoded = hex::encode(&incompressible);
        assert!(compressed(encoded.as_bytes()).is_some(), "hexadecimal shrinks by half");
    }

    #[test]
    fn decompresses_to_the_known_size_or_not_at_all() {
        let content = json(50_000);
        let smaller = compressed(&content).unwrap();
        assert_eq!(decompressed(&smaller, 50_000).unwrap(), content);
        for wrong in [0, 49_999, 50_001, u64::MAX] {
            assert_eq!(decompressed(&smaller, wrong), None);
        }
        for end in 0..smaller.len() {
            assert_eq!(decompressed(&smaller[..end], 50_000), None, "cut at {end}");
        }
        let mut wrong = smaller.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(decompressed(&wrong, 50_000), None, "a wrong checksum");
        assert_eq!(decompressed(b"not zstd at all", 15), None);
    }
}
