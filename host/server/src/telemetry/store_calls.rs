//! The store calls of one request: noted with their times, and counted as they end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use opentelemetry::trace::{SpanContext, SpanId};
use tofu_state_store::history::Child;
use tofu_state_store::{Error, Health, History, Key, Outcome, Remembered, Revision, Slot, Store, Write, carried};

use super::Metrics;
use super::traces::{self, Begun};

/// How many calls of one request are noted; the rest is only counted. A request needs a handful; one that
/// waits for a fail-over tries again and again.
const MOST: usize = 64;

/// The outcome of a call that was dropped half-way.
const ABANDONED: &str = "abandoned";

/// One call of the store. A call that is tried again is several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCall {
    /// What was asked: `get`, `get-many`, `put` or `delete`; of what is looked back in, `list`, `revisions`,
    /// `revision` or `outline`.
    pub operation: &'static str,
    /// Of which key; of several, the first.
    pub key: String,
    /// When.
    pub began: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// How it ended, a word from a fixed set, see [`word`].
    pub outcome: &'static str,
    /// Its span; none: nothing is traced.
    pub span: Option<SpanId>,
}

/// The calls that have been made for a request so far.
#[derive(Debug, Default)]
pub struct StoreCalls(Mutex<Vec<StoreCall>>);

impl StoreCalls {
    /// What was noted; nothing is left.
    #[must_use]
    pub fn take(&self) -> Vec<StoreCall> {
        std::mem::take(&mut self.calls())
    }

    fn note(&self, call: StoreCall) {
        let mut calls = self.calls();
        if calls.len() < MOST {
            calls.push(call);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Vec<StoreCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store whose calls are noted and counted.
pub struct Noted {
    inner: Arc<dyn Store>,
    calls: Arc<StoreCalls>,
    metrics: Arc<Metrics>,
    begun: Option<Begun>,
}

impl Noted {
    /// Notes what is asked of `inner` in `calls`, and counts it in `metrics`. Each call carries on the trace
    /// of the request, if it has begun one.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, calls: Arc<StoreCalls>, metrics: Arc<Metrics>, begun: Option<Begun>) -> Self {
        Self { inner, calls, metrics, begun }
    }

    fn begin(&self, operation: &'static str, key: &str) -> Underway<'_> {
        Underway {
            noted: self,
            operation,
            key: key.to_owned(),
            began: SystemTime::now(),
            since: Instant::now(),
            // A call that is dropped half-way says nothing.
            outcome: ABANDONED,
            context: self.begun.as_ref().map(Begun::call),
        }
    }
}

/// A call that has not ended yet; noted when it is dropped.
struct Underway<'a> {
    noted: &'a Noted,
    operation: &'static str,
    key: String,
    began: SystemTime,
    since: Instant,
    outcome: &'static str,
    context: Option<SpanContext>,
}

impl Underway<'_> {
    /// Makes the call; it carries its trace on.
    async fn make<F: Future>(&self, call: F) -> F::Output {
        let Some(context) = &self.context else { return call.await };
        let trace = traces::text(context);
        carried::with_trace(&trace.traceparent, trace.tracestate.as_deref(), call).await
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let duration = self.since.elapsed();
        let Self { operation, began, outcome, .. } = *self;
        self.noted.metrics.store.called(operation, outcome, duration);
        let key = std::mem::take(&mut self.key);
        let span = self.context.as_ref().map(SpanContext::span_id);
        self.noted.calls.note(StoreCall { operation, key, began, duration, outcome, span });
    }
}

#[async_trait]
impl Store for Noted {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let mut underway = self.begin("get", key.as_str());
        let answer = underway.make(self.inner.get(key)).await;
        underway.outcome = found(&answer);
        answer
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let mut underway = self.begin("put", key.as_str());
        let answer = underway.make(self.inner.put_cas(key, write)).await;
        underway.outcome = match &answer {
            Ok(Outcome::Written(_)) => "written",
            Ok(Outcome::Conflict) => "conflict",
            Err(error) => error.name(),
        };
        answer
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let mut underway = self.begin("delete", key.as_str());
        let answer = underway.make(self.inner.delete(key)).await;
        underway.outcome = answer.as_ref().map_or_else(Error::name, |()| "deleted");
        answer
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        self.inner.recall(key)
    }

    fn history(&self) -> Option<&dyn History> {
        // Looking back is asked of this, so that it is noted and counted too.
        self.inner.history().map(|_| self as &dyn History)
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let mut underway = self.begin("get-many", keys.first().map_or("", Key::as_str));
        let answers = underway.make(self.inner.get_many(keys)).await;
        let failed = answers.iter().find_map(|answer| answer.as_ref().err());
        underway.outcome = failed.map_or("found", Error::name);
        answers
    }
}

impl Noted {
    fn looked_back_in(&self) -> Result<&dyn History, Error> {
        self.inner.history().ok_or_else(|| Error::Unavailable("it cannot be looked back in at the moment".to_owned()))
    }
}

#[async_trait]
impl History for Noted {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        let mut underway = self.begin("list", folder.as_str());
        let answer = underway.make(self.looked_back_in()?.list(folder)).await;
        underway.outcome = answer.as_ref().map_or_else(Error::name, |_| "found");
        answer
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        let mut underway = self.begin("list", "");
        let answer = underway.make(self.looked_back_in()?.top()).await;
        underway.outcome = answer.as_ref().map_or_else(Error::name, |_| "found");
        answer
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        let mut underway = self.begin("revisions", key.as_str());
        let answer = underway.make(self.looked_back_in()?.revisions(key)).await;
        underway.outcome = answer.as_ref().map_or_else(Error::name, |_| "found");
        answer
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        let mut underway = self.begin("revision", key.as_str());
        let answer = underway.make(self.looked_back_in()?.revision(key, revision)).await;
        underway.outcome = found(&answer);
        answer
    }

    async fn outline(&self, key: &Key, revision: Option<Revision>) -> Result<Slot, Error> {
        let mut underway = self.begin("outline", key.as_str());
        let answer = underway.make(self.looked_back_in()?.outline(key, revision)).await;
        underway.outcome = found(&answer);
        answer
    }
}

fn found(answer: &Result<Slot, Error>) -> &'static str {
    match answer {
        Ok(Slot::Entry(_)) => "found",
        Ok(Slot::Absent) => "absent",
        Ok(Slot::Removed(_)) => "removed",
        Err(error) => error.name(),
    }
}

/// Whether a call that ended with this word failed.
#[must_use]
pub fn is_failure(outcome: &str) -> bool {
    !matches!(outcome, "found" | "absent" | "removed" | "written" | "conflict" | "deleted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tofu_state_store::Retention;
    use tofu_state_store::memory::Memory;
    use tofu_state_store::testing::held::{Call, Held, When};

    fn write(expected: u64) -> Write {
        Write { meta: Bytes::from_static(b"{}"), content: None, expected, retention: Retention::Latest }
    }

    #[tokio::test]
    async fn calls_are_noted_with_their_outcomes_and_counted() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let calls = Arc::new(StoreCalls::default());
        let noted = Noted::new(Arc::new(Memory::new()), Arc::clone(&calls), Arc::clone(&metrics), None);
        let key = Key::parse("a/b").unwrap();
        noted.get(&key).await.unwrap();
        noted.put_cas(&key, write(0)).await.unwrap();
        noted.put_cas(&key, write(0)).await.unwrap();
        noted.get_many(std::slice::from_ref(&key)).await;
        noted.delete(&key).await.unwrap();
        let told: Vec<_> = calls.take().into_iter().map(|call| (call.operation, call.key, call.outcome)).collect();
        let expected =
            [("get", "absent"), ("put", "written"), ("put", "conflict"), ("get-many", "found"), ("delete", "deleted")];
        assert_eq!(told, expected.map(|(operation, outcome)| (operation, "a/b".to_owned(), outcome)));
        assert!(calls.take().is_empty());
        let text = String::from_utf8(metrics.encode().unwrap().1).unwrap();
        assert!(text.contains("tofu_state_store_calls_total{operation=\"put\",outcome=\"conflict\"} 1"), "{text}");
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_half_way_is_abandoned() {
        let calls = Arc::new(StoreCalls::default());
        let held = Arc::new(Held::new(Arc::new(Memory::new())));
        let waiting = held.faults().hold(Call::get("a/b"), When::Before);
        let noted = Noted::new(held, Arc::clone(&calls), Arc::new(Metrics::new().unwrap()), None);
        let asking = tokio::spawn(async move { noted.get(&Key::parse("a/b").unwrap()).await });
        waiting.arrived().await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert_eq!(calls.take().first().map(|call| call.outcome), Some("abandoned"));
    }
}
