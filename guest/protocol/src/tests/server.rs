//! Requests as the CLIs make them, answered by the protocol over a simulated store.

use crate::exchange::{Body, Caller, CallerKind, Event, Request, Settings, TraceContext};
use crate::tests::scripted::Scripted;
use crate::tests::simulated::{Bytes, Simulated};

/// The path that most tests use.
pub(crate) const PATH: &str = "group/project";
pub(crate) const STATE: &str = PATH;
pub(crate) const LOCK: &str = "group/project.lock";

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) event: Event,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an error body.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A server over a store; clones share the store.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) store: Simulated,
    pub(crate) policies: Scripted,
    pub(crate) settings: Settings,
    pub(crate) now: u64,
    pub(crate) may_break_locks: bool,
    pub(crate) caller: &'static str,
    pub(crate) trace: Option<TraceContext>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::over(&Simulated::default())
    }

    /// Another server over the same store.
    pub(crate) fn over(store: &Simulated) -> Self {
        Self {
            store: store.of_another_server(),
            policies: Scripted::default(),
            settings: Settings::default(),
            now: 1_000_000,
            may_break_locks: true,
            caller: "shared",
            trace: None,
        }
    }

    /// The same server with these policies.
    pub(crate) fn judged_by(mut self, policies: &Scripted) -> Self {
        self.policies = policies.clone();
        self
    }

    pub(crate) fn send(&self, method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Answer {
        self.send_with(method, path, query, body, &[])
    }

    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = Request {
            method: method.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            query: query.map(str::to_owned),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: (!body.is_empty()).then(|| Bytes::new(body)),
            caller: Caller {
                name: self.caller.to_owned(),
                kind: CallerKind::SharedToken,
                may_break_locks: self.may_break_locks,
            },
            received: self.now,
            settings: self.settings,
            trace: self.trace.clone(),
            request_id: "request-1".to_owned(),
        };
        let response = crate::handle(&request, &self.store, &self.policies);
        let body = match response.reply.body {
            Body::None => Vec::new(),
            Body::Bytes(bytes) => bytes,
            Body::Blob(blob) => blob.0.to_vec(),
        };
        Answer { status: response.reply.status, headers: response.reply.headers, body, event: response.event }
    }

    pub(crate) fn get(&self) -> Answer {
        self.send("GET", PATH, None, b"")
    }

    pub(crate) fn post(&self, id: Option<&str>, state: &str) -> Answer {
        self.send("POST", PATH, id.map(|id| format!("ID={id}")).as_deref(), state.as_bytes())
    }

    pub(crate) fn delete(&self, id: Option<&str>) -> Answer {
        self.send("DELETE", PATH, id.map(|id| format!("ID={id}")).as_deref(), b"")
    }

    pub(crate) fn lock(&self, id: &str) -> Answer {
        self.send("LOCK", PATH, None, lock_info(id).as_bytes())
    }

    pub(crate) fn unlock(&self, id: &str) -> Answer {
        self.send("UNLOCK", PATH, None, lock_info(id).as_bytes())
    }

    /// As Terraform's `force-unlock` does.
    pub(crate) fn force_unlock(&self) -> Answer {
        self.send("UNLOCK", PATH, None, b"")
    }

    /// As OpenTofu's `force-unlock` does.
    pub(crate) fn force_unlock_by_id(&self, id: &str) -> Answer {
        let info = format!(
            r#"{{"ID":"{id}","Operation":"","Info":"","Who":"","Version":"","Created":"0001-01-01T00:00:00Z","Path":""}}"#
        );
        self.send("UNLOCK", PATH, None, info.as_bytes())
    }

    /// The state's bytes as text; none if there is no state.
    pub(crate) fn content(&self) -> Option<String> {
        let answer = self.get();
        match answer.status {
            200 => Some(String::from_utf8(answer.body).unwrap()),
            404 => None,
            _ => panic!("{answer:?}"),
        }
    }
}

/// LockInfo as the CLIs send it for an apply.
pub(crate) fn lock_info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"{id}@host","Version":"1.12.6","Created":"2026-01-02T03:04:05.6Z","Path":""}}"#
    )
}

/// A state with that serial, and a word to tell it from others.
pub(crate) fn state(serial: u64, word: &str) -> String {
    format!(
        r#"{{"version":4,"terraform_version":"1.12.6","serial":{serial},"lineage":"L","outputs":{{"word":"{word}"}},"resources":[]}}"#
    )
}
