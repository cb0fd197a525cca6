//! Takes a request's body: bounded in size, in time, and in memory shared with all others, and hashed
//! while it comes in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use tofu_state_store::Blob;
use tofu_state_store::blob::Hasher;
use tokio::time::Instant;

use super::Limits;
use super::budget::{Budget, Share};

/// The least that is taken of the budget for a body whose size is not known beforehand.
const LEAST: usize = 16 * 1024;

/// Why there is no body to give on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// More bytes than the request may have.
    TooLarge,
    /// The memory for bodies is used up, or the machine has none left.
    Overloaded,
    /// The caller sends too slowly.
    Slow,
    /// It ended before its end, or is not what HTTP says it has to be.
    Broken,
}

/// Reads a whole body of at most `limit` bytes; none if it is empty. The blob holds its share of the
/// budget as long as any clone of it lives.
///
/// # Errors
/// See [`BodyError`]. What has come in until then is dropped.
pub async fn read<B>(body: &mut B, limit: usize, budget: &Budget, limits: &Limits) -> Result<Option<Blob>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut pieces = Pieces::of(body, limit as u64, limits)?;
    let declared = body.size_hint().exact().and_then(|declared| usize::try_from(declared).ok());
    let mut buffer = Buffer { bytes: Vec::new(), share: budget.share(), most: declared.unwrap_or(limit), declared };
    let mut hasher = Hasher::default();
    while let Some(piece) = pieces.next(body).await? {
        buffer.take(&piece)?;
        hasher.update(&piece);
    }
    if buffer.bytes.is_empty() {
        return Ok(None);
    }
    let Buffer { bytes, share, .. } = buffer;
    Ok(Some(Blob::with_digests(Bytes::from(bytes), hasher.finish()).guarded(Arc::new(share))))
}

/// A body that is taken piece by piece, bounded in size and in time.
pub struct Pieces {
    pace: Pace,
    left: u64,
}

impl Pieces {
    /// Of a body that may have `most` bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] if it announces more: then nothing of it is read.
    pub fn of<B: Body>(body: &B, most: u64, limits: &Limits) -> Result<Self, BodyError> {
        if body.size_hint().exact().is_some_and(|declared| declared > most) {
            return Err(BodyError::TooLarge);
        }
        Ok(Self { pace: Pace::new(limits), left: most })
    }

    /// The next piece, never an empty one; none at the end.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn next<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let piece = self.pace.next(body).await?;
        let length = piece.as_ref().map_or(0, Bytes::len) as u64;
        self.left = self.left.checked_sub(length).ok_or(BodyError::TooLarge)?;
        Ok(piece)
    }
}

/// Throws away what a refused caller is still sending, within bounds.
pub async fn discard<B>(body: &mut B, limits: &Limits)
where
    B: Body<Data = Bytes> + Unpin,
{
    let all = async {
        let mut seen = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            seen = seen.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if seen > limits.discard_bytes {
                break;
            }
        }
    };
    let _: Result<(), tokio::time::error::Elapsed> = tokio::time::timeout(limits.discard_time, all).await;
}

/// Bytes that grow in steps, each paid for before it is allocated.
struct Buffer {
    bytes: Vec<u8>,
    share: Share,
    /// No step goes beyond this.
    most: usize,
    declared: Option<usize>,
}

impl Buffer {
    fn take(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let needed = self.bytes.len().saturating_add(piece.len());
        let capacity = self.bytes.capacity();
        if needed > capacity {
            // Memory follows what has come in, never what was only announced. Doubling keeps copying rare.
            let least = if self.declared.is_some() { needed } else { needed.max(LEAST) };
            let target = least.max(capacity.saturating_mul(2)).min(self.most.max(needed));
            self.share.grow(target.saturating_sub(capacity)).map_err(|_| BodyError::Overloaded)?;
            let additional = target.saturating_sub(self.bytes.len());
            self.bytes.try_reserve_exact(additional).map_err(|_| BodyError::Overloaded)?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

/// Keeps time: a deadline for the whole body, and some progress in every span.
struct Pace {
    end: Instant,
    span: Duration,
    span_end: Instant,
    progress: usize,
    missing: usize,
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            end: now + limits.body_time,
            span: limits.body_span,
            span_end: now + limits.body_span,
            progress: limits.body_progress,
            missing: limits.body_progress,
        }
    }

    /// The next piece of data; none at the end.
    async fn next<B>(&mut self, body: &mut B) -> Result<Option<Bytes>, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let frame = tokio::time::timeout_at(self.end.min(self.span_end), body.frame())
                .await
                .map_err(|_| BodyError::Slow)?;
            let Some(frame) = frame else { return Ok(None) };
            // Trailers carry nothing for us.
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            self.missing = self.missing.saturating_sub(data.len());
            if self.missing == 0 {
                self.missing = self.progress;
                self.span_end = Instant::now() + self.span;
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

#[cfg(test)]
mod tests;
