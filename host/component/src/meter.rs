//! Measures the time that a component computes.
//!
//! Counted is the time inside the polls of the call's future, less that inside host calls: so neither
//! a slow store nor a busy machine's run queue is charged to the component.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A stopwatch that a call and its host functions share.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    counted: Duration,
    running_since: Option<Instant>,
}

impl Meter {
    /// What has been counted.
    pub(crate) fn spent(&self) -> Duration {
        let watch = self.watch();
        watch.counted + watch.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Does `work` and counts the time in it.
    pub(crate) async fn charge<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.start();
            let answer = work.as_mut().poll(context);
            self.stop();
            answer
        })
        .await
    }

    /// Does `work`, a part of charged work, without counting the time in it.
    pub(crate) async fn waive<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.stop();
            let answer = work.as_mut().poll(context);
            self.start();
            answer
        })
        .await
    }

    fn start(&self) {
        self.watch().running_since = Some(Instant::now());
    }

    fn stop(&self) {
        let mut watch = self.watch();
        if let Some(since) = watch.running_since.take() {
            watch.counted += since.elapsed();
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn counts_computing_and_neither_pauses_nor_waived_work() {
        const STEP: Duration = Duration::from_millis(20);
        let meter = Meter::default();
        let start = Instant::now();
        meter
            .charge(async {
                compute(STEP);
                tokio::time::sleep(STEP).await;
                meter.waive(async { compute(STEP) }).await;
                compute(STEP);
            })
            .await;
        assert!(meter.spent() >= 2 * STEP, "{:?}", meter.spent());
        assert!(meter.spent() <= start.elapsed().saturating_sub(2 * STEP), "{:?}", meter.spent());
    }
}
