//! Memory for bodies in flight (`MAX_BODY_MEMORY`), shared out as the bytes come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// How much memory the bodies of all requests, and of answers with a state, may take together. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    taken: Arc<AtomicUsize>,
    total: usize,
}

/// There is not enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// A body's part of a [`Budget`]; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { taken: Arc::new(AtomicUsize::new(0)), total }
    }

    /// A share of nothing, to grow.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    /// `bytes` as they are, but paid for until the last clone of them is dropped.
    ///
    /// # Errors
    /// [`Exhausted`]: nothing was taken.
    pub fn charge(&self, bytes: Bytes) -> Result<Bytes, Exhausted> {
        let mut share = self.share();
        share.grow(bytes.len())?;
        Ok(Bytes::from_owner(Charged { bytes, _share: share }))
    }

    /// How many bytes there are, taken or not.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many bytes are taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Takes `more` bytes, at once or not at all.
    ///
    /// # Errors
    /// [`Exhausted`]: nothing was taken.
    pub fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        let total = self.budget.total;
        self.budget
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(more).filter(|taken| *taken <= total)
            })
            .map_err(|_| Exhausted)?;
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }
}

/// Bytes with what they cost.
struct Charged {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_there_is_and_all_of_it_comes_back() {
        let budget = Budget::new(10);
        let mut one = budget.share();
        let mut two = budget.share();
        assert_eq!(one.grow(6), Ok(()));
        assert_eq!(two.grow(5), Err(Exhausted));
        assert_eq!(two.grow(usize::MAX), Err(Exhausted));
        assert_eq!(two.grow(4), Ok(()));
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert_eq!(two.grow(6), Ok(()));
        drop(two);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn charged_bytes_cost_until_the_last_of_them_is_gone() {
        let budget = Budget::new(10);
        let bytes = budget.charge(Bytes::from_static(b"1234567")).unwrap();
        let part = bytes.slice(2..4);
        assert_eq!(budget.charge(Bytes::from_static(b"1234")), Err(Exhausted));
        drop(bytes);
        assert_eq!((part.as_ref(), budget.taken()), (&b"34"[..], 7));
        drop(part);
        assert_eq!(budget.taken(), 0);
    }
}
