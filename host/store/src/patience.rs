//! Waiting for a store that fails over.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;

use crate::Error;

/// How long a sealed store is waited for. The node asked may be one of several behind an address, and
/// the next attempt meets another; but a store that is sealed as a whole stays so until a person comes.
const SEALED: Duration = Duration::from_secs(3);

/// Makes `call` until it succeeds, fails for good, or `deadline` has passed; none: once. The last
/// error is the one returned. Pauses grow from 50 ms to 1 s, with jitter.
///
/// Repeating a compare-and-set is safe: if the first attempt was done although its answer was lost,
/// the second ends as [`Outcome::Conflict`](crate::Outcome::Conflict), and the caller reads again.
///
/// # Errors
/// The error of the last attempt.
pub async fn until<T, F>(deadline: Option<Instant>, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let Some(deadline) = deadline else { return call().await };
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times();
    let sealed_deadline = deadline.min(Instant::now() + SEALED);
    let may_pass = |error: &Error| {
        let deadline = if *error == Error::Sealed { sealed_deadline } else { deadline };
        error.is_passing() && Instant::now() < deadline
    };
    call.retry(pauses).when(may_pass).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn failing(calls: &AtomicUsize, until: usize) -> Result<usize, Error> {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        if call < until { Err(Error::Unavailable("electing".to_owned())) } else { Ok(call) }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_passing_error() {
        let calls = AtomicUsize::new(0);
        let deadline = Some(Instant::now() + Duration::from_secs(20));
        assert_eq!(until(deadline, || async { failing(&calls, 7) }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_the_deadline() {
        let calls = AtomicUsize::new(0);
        let start = Instant::now();
        let answer = until(Some(start + Duration::from_secs(20)), || async { failing(&calls, usize::MAX) }).await;
        assert_eq!(answer, Err(Error::Unavailable("electing".to_owned())));
        assert!(start.elapsed() >= Duration::from_secs(20));
        assert!(calls.load(Ordering::SeqCst) > 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sealed_store_is_not_waited_for_that_long() {
        let start = Instant::now();
        let answer = until(Some(start + Duration::from_secs(20)), || async { Err::<(), _>(Error::Sealed) }).await;
        assert_eq!(answer, Err(Error::Sealed));
        assert!((SEALED..SEALED * 2).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_once_and_never_after_a_lasting_error() {
        let calls = AtomicUsize::new(0);
        assert!(until(None, || async { failing(&calls, 1) }).await.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let denied = until(Some(Instant::now() + Duration::from_secs(9)), || async {
            calls.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(Error::Denied("no".to_owned()))
        });
        assert_eq!(denied.await, Err(Error::Denied("no".to_owned())));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
