//! A first run of a protocol component, before it serves: a client's lock, write, read and unlock on a store in
//! memory. A component that loads and yet does not work, or lets anybody write under another's lock, ends here.
//!
//! The serving path knows no protocol; this is a client of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tofu_state_component::{
    Caller, CallerKind, Failure, ForceUnlock, Granted, Protocol, ReplyBody, Request, Rights, Settings, Surroundings,
};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Blob, Store};

/// How long all of it may take.
const TIME: Duration = Duration::from_secs(30);

const STATE: &str =
    r#"{"version":4,"terraform_version":"1.10.0","serial":1,"lineage":"smoke-test","outputs":{},"resources":[]}"#;

/// Why a component did not pass.
#[derive(Debug, thiserror::Error)]
pub enum SmokeFailure {
    /// The server had no room for it. It may pass another time.
    #[error("the server is too busy to try it")]
    Busy,
    /// It did something wrong.
    #[error("its first run failed: {0}")]
    Wrong(String),
}

/// Runs `protocol` through the life of one state.
///
/// # Errors
/// See [`SmokeFailure`].
pub async fn run(protocol: &Protocol) -> Result<(), SmokeFailure> {
    let client = Client { protocol, store: Arc::new(Memory::new()) };
    let tried = tokio::time::timeout(TIME, client.life_of_a_state()).await;
    tried.unwrap_or_else(|_| Err(SmokeFailure::Wrong(format!("it took longer than {} s", TIME.as_secs()))))
}

struct Client<'a> {
    protocol: &'a Protocol,
    store: Arc<dyn Store>,
}

impl Client<'_> {
    async fn life_of_a_state(&self) -> Result<(), SmokeFailure> {
        self.expect("LOCK", None, &lock_info("one"), 200).await?;
        self.expect("GET", None, "", 404).await?;
        self.expect("LOCK", None, &lock_info("two"), 409).await?;
        self.expect("POST", Some("ID=two"), STATE, 409).await?;
        self.expect("POST", Some("ID=one"), STATE, 200).await?;
        let (ReplyBody::Bytes(read) | ReplyBody::State(read)) = self.expect("GET", None, "", 200).await? else {
            return Err(SmokeFailure::Wrong("GET has no body".to_owned()));
        };
        if read != STATE.as_bytes() {
            return Err(SmokeFailure::Wrong("GET answers other bytes than were posted".to_owned()));
        }
        self.expect("UNLOCK", None, &lock_info("one"), 200).await?;
        self.expect("LOCK", None, &lock_info("three"), 200).await?;
        self.expect("UNLOCK", None, &lock_info("three"), 200).await?;
        Ok(())
    }

    async fn expect(
        &self,
        method: &str,
        query: Option<&str>,
        body: &str,
        status: u16,
    ) -> Result<ReplyBody, SmokeFailure> {
        let around = Surroundings {
            store: Arc::clone(&self.store),
            store_wait: None,
            policies: Arc::default(),
            rights: Granted::default(),
        };
        match self.protocol.handle(request(method, query, body), around).await {
            Ok(reply) if reply.status == status => Ok(reply.body),
            Ok(reply) => {
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                let told = reply.status;
                Err(SmokeFailure::Wrong(format!("{method}{query} was answered with {told} instead of {status}")))
            }
            Err(Failure::Busy) => Err(SmokeFailure::Busy),
            Err(failure) => Err(SmokeFailure::Wrong(format!("{method}: {failure}"))),
        }
    }
}

fn lock_info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"smoke-test@tofu-state","Version":"1.10.0","Created":"2026-01-01T00:00:00Z","Path":""}}"#
    )
}

fn request(method: &str, query: Option<&str>, body: &str) -> Request {
    Request {
        method: method.to_owned(),
        path: vec!["smoke-test".to_owned(), "state".to_owned()],
        query: query.map(str::to_owned),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: (!body.is_empty()).then(|| Blob::new(Bytes::copy_from_slice(body.as_bytes()))),
        caller: Caller { name: "smoke-test".to_owned(), kind: CallerKind::NamedToken, rights: Rights::all() },
        received: SystemTime::now(),
        settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Id, path_segments: 2, join_runs: false },
        trace: None,
        request_id: "smoke-test".to_owned(),
    }
}
