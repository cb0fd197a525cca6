//! Requests to the API, and the store as it is looked back in.

use std::collections::BTreeSet;

use crate::archive::{Archive, Child, Place, Trouble, Version};
use crate::exchange::{Body, Caller, CallerKind, Request};
use crate::outside::{Outcome, Remembered, Retention, Revision, Slot, Store, StoreError};
use crate::tests::server::{Answer, Server};
use crate::tests::simulated::{Bytes, Simulated};

/// A server whose caller may not read some paths.
pub(crate) struct Api {
    pub(crate) server: Server,
    pub(crate) hidden: Vec<&'static str>,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::of(Server::new())
    }

    pub(crate) fn of(server: Server) -> Self {
        Self { server, hidden: Vec::new() }
    }

    /// A request for `/-/v1/…`; the query follows a `?`.
    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let request = Request {
            method: method.to_owned(),
            path: format!("-/v1/{path}").split('/').map(str::to_owned).collect(),
            query: query.map(str::to_owned),
            headers: Vec::new(),
            body: (!body.is_empty()).then(|| Bytes::new(body.as_bytes())),
            caller: Caller {
                name: self.server.caller.to_owned(),
                kind: CallerKind::SharedToken,
                may_break_locks: self.server.may_break_locks,
            },
            received: self.server.now,
            settings: self.server.settings,
            trace: None,
            request_id: "request-1".to_owned(),
        };
        let looking = Looking { store: &self.server.store, hidden: &self.hidden };
        let response = crate::recovery::handle(&request, &looking, &self.server.policies);
        let body = match response.reply.body {
            Body::None => Vec::new(),
            Body::Bytes(bytes) => bytes,
            Body::Blob(blob) => blob.0.to_vec(),
        };
        Answer { status: response.reply.status, headers: response.reply.headers, body, event: response.event }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "")
    }

    /// Makes a request of the CLIs for another path than the usual one.
    pub(crate) fn write(&self, path: &str, state: &str) {
        assert_eq!(self.server.send("POST", path, None, state.as_bytes()).status, 200);
    }
}

struct Looking<'a> {
    store: &'a Simulated,
    hidden: &'a [&'static str],
}

impl Store for Looking<'_> {
    type Blob = Bytes;

    fn get(&self, key: &str) -> Result<Slot<Bytes>, StoreError> {
        self.store.get(key)
    }

    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Result<Slot<Bytes>, StoreError>; N] {
        self.store.get_many(keys)
    }

    fn recall(&self, key: &str) -> Option<Remembered> {
        self.store.recall(key)
    }

    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&Bytes>,
        expected: Revision,
        retention: Retention,
    ) -> Result<Outcome, StoreError> {
        self.store.put_cas(key, meta, content, expected, retention)
    }
}

impl Archive for Looking<'_> {
    fn list(&self, folder: Option<&str>) -> Result<Vec<Child>, StoreError> {
        let below = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let keys = self.store.keys();
        let names = keys.iter().filter_map(|key| key.strip_prefix(&below));
        let children: BTreeSet<(String, bool)> = names
            .map(|name| match name.split_once('/') {
                Some((name, _)) => (name.to_owned(), true),
                None => (name.to_owned(), false),
            })
            .collect();
        // In no order that one may count on.
        let children = children.into_iter().rev();
        Ok(children.map(|(name, folder)| if folder { Child::Folder(name) } else { Child::Document(name) }).collect())
    }

    fn revisions(&self, key: &str) -> Result<Vec<Revision>, StoreError> {
        Ok(self.store.written(key).iter().map(|entry| entry.revision).collect())
    }

    fn revision(&self, key: &str, revision: Revision) -> Result<Slot<Bytes>, StoreError> {
        let written = self.store.written(key).into_iter().find(|entry| entry.revision == revision);
        Ok(written.map_or(Slot::Absent, Slot::Entry))
    }

    fn outlines(&self, places: Vec<Place>) -> Vec<Result<Slot<Bytes>, StoreError>> {
        assert!(places.len() <= crate::archive::MOST_OUTLINES);
        let read = |Place { key, revision }: Place| match revision {
            Some(revision) => self.revision(&key, revision),
            None => self.store.get(&key),
        };
        places.into_iter().map(read).collect()
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.erase(key);
        Ok(())
    }

    fn may_read(&self, path: &str) -> bool {
        !self.hidden.contains(&path)
    }

    fn outputs(&self, _: &str, version: Version, sensitive: bool) -> Result<Vec<u8>, Trouble> {
        Ok(format!(r#"{{"of":{},"sensitive":{sensitive}}}"#, version.revision).into_bytes())
    }

    fn difference(
        &self,
        _: &str,
        before: Option<Version>,
        after: Option<Version>,
        sensitive: bool,
    ) -> Result<Vec<u8>, Trouble> {
        let told = |version: Option<Version>| version.map_or(0, |version| version.revision);
        let (before, after) = (told(before), told(after));
        Ok(format!(r#"{{"before":{before},"after":{after},"sensitive":{sensitive}}}"#).into_bytes())
    }
}
