//! Engines, requests and stores for the tests.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tofu_state_component::testing::FAULTY;
use tofu_state_component::{
    Caller, CallerKind, Engine, Failure, ForceUnlock, Granted, Limits, Protocol, Reply, ReplyBody, Request, Rights,
    Settings, Surroundings,
};
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::{Faults, Held};
use tofu_state_store::{Blob, Entry, Error, Health, Key, Outcome, Retention, Slot, Store, Write};

/// Limits that make faults quick to see.
pub(crate) fn small_limits() -> Limits {
    Limits { computing: Duration::from_millis(500), memory_bytes: 8 << 20, concurrency: 64, ..Limits::default() }
}

/// The faulty component on an engine that most tests share: compiling takes time.
pub(crate) fn faulty() -> Protocol {
    static SHARED: LazyLock<Protocol> = LazyLock::new(|| Engine::new(small_limits()).unwrap().load(FAULTY).unwrap());
    SHARED.clone()
}

/// The faulty component on an engine of its own.
pub(crate) fn faulty_with(limits: Limits) -> (Engine, Protocol) {
    let engine = Engine::new(limits).unwrap();
    let protocol = engine.load(FAULTY).unwrap();
    (engine, protocol)
}

/// A request that makes the faulty component do `what`.
pub(crate) fn request(what: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        path: what.split('/').map(str::to_owned).collect(),
        query: None,
        headers: Vec::new(),
        body: None,
        caller: Caller { name: "ada".to_owned(), kind: CallerKind::NamedToken, rights: Rights::READ | Rights::WRITE },
        received: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false },
        trace: None,
        request_id: "r-1".to_owned(),
    }
}

/// The same with a body.
pub(crate) fn request_with(what: &str, body: Bytes) -> Request {
    Request { body: Some(Blob::new(body)), ..request(what) }
}

/// A call's surroundings, with a store that is not waited for.
pub(crate) fn around(store: Arc<dyn Store>) -> Surroundings {
    Surroundings { store, store_wait: None, policies: Arc::default(), rights: Granted::default() }
}

/// Surroundings with an empty store.
pub(crate) fn nothing() -> Surroundings {
    around(Arc::new(Memory::new()))
}

/// A memory store whose calls the test controls.
pub(crate) fn held() -> (Arc<Memory>, Arc<Held>, Faults) {
    let memory = Arc::new(Memory::new());
    let held = Arc::new(Held::new(memory.clone()));
    let faults = held.faults();
    (memory, held, faults)
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Puts a first document into `store`.
pub(crate) fn fill(store: &Memory, at: &str, content: Option<Bytes>) {
    let write = Write { meta: Bytes::from_static(b"{}"), content, expected: 0, retention: Retention::History };
    assert_eq!(store.put_cas_now(&key(at), write), Outcome::Written(1));
}

/// The document at a key.
pub(crate) fn entry(store: &Memory, at: &str) -> Entry {
    match store.get_now(&key(at)) {
        Slot::Entry(entry) => entry,
        other => panic!("{other:?}"),
    }
}

/// A reply's status and body as text.
pub(crate) fn text(answer: Result<Reply, Failure>) -> (u16, String) {
    let reply = answer.unwrap();
    let bytes = match reply.body {
        ReplyBody::None => Bytes::new(),
        ReplyBody::Bytes(bytes) | ReplyBody::State(bytes) => bytes,
    };
    (reply.status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// A store that does something before each read and never has anything.
pub(crate) struct Reading<F>(pub(crate) F);

#[async_trait]
impl<F, D> Store for Reading<F>
where
    F: Fn() -> D + Send + Sync + 'static,
    D: Future<Output = Result<(), Error>> + Send,
{
    async fn get(&self, _: &Key) -> Result<Slot, Error> {
        (self.0)().await.map(|()| Slot::Absent)
    }

    async fn put_cas(&self, _: &Key, _: Write) -> Result<Outcome, Error> {
        Ok(Outcome::Conflict)
    }

    async fn delete(&self, _: &Key) -> Result<(), Error> {
        Ok(())
    }

    async fn health(&self) -> Health {
        Health { available: true, detail: String::new() }
    }
}
