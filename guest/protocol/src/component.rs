//! Glue: the generated bindings on one side, the logic on the other, and nothing in between.
#![allow(unsafe_code, reason = "the generated bindings call the component model's canonical ABI")]

use crate::archive::{self, Archive, Child, Place, Trouble};
use crate::bindings;
use crate::bindings::exports::tofu_state::backend::handler as contract;
use crate::bindings::exports::tofu_state::backend::locks;
use crate::bindings::tofu_state::backend::{access, blobs, history, inspection, policies as chain, store, types};
use crate::bindings::tofu_state::policy::types as policy;
use crate::exchange::{self, Body, Operation, Request, Response};
use crate::lock_info::LockInfo;
use crate::outside::{self, Outcome, Retention, Revision, Slot, StoreError};
use crate::policies::{self, Change, Denial, Needs};
use crate::recovery;

struct Protocol;

bindings::export!(Protocol with_types_in bindings);

impl contract::Guest for Protocol {
    fn routes() -> Vec<contract::Route> {
        crate::ROUTES.iter().map(route).chain(recovery::ENDPOINTS.iter().map(endpoint)).collect()
    }

    fn handle(request: contract::Request) -> contract::Response {
        let request = from_contract(request);
        response(if recovery::is_for(&request.path) {
            recovery::handle(&request, &Host, &Host)
        } else {
            crate::handle(&request, &Host, &Host)
        })
    }
}

impl locks::Guest for Protocol {
    fn held(keys: Vec<String>) -> Result<Vec<locks::HeldLock>, store::Error> {
        let held = crate::held::held_locks(&keys, &Host).map_err(contract_error)?;
        Ok(held
            .into_iter()
            .map(|lock| locks::HeldLock {
                key: lock.key,
                path: lock.path,
                id: lock.id,
                who: lock.who,
                since: lock.since,
            })
            .collect())
    }
}

fn route(route: &crate::Route) -> contract::Route {
    let (right, body, waits_for_store) = match route.operation {
        // The CLIs read the state once more before they first write it: a GET is a part of an apply that
        // may not fail for an election.
        Operation::Get => (contract::Right::Read, contract::BodySize::Small, true),
        Operation::None
        | Operation::List
        | Operation::Outputs
        | Operation::Difference
        | Operation::Accept
        | Operation::Discard => (contract::Right::Read, contract::BodySize::Small, false),
        Operation::Write => (contract::Right::Write, contract::BodySize::State, true),
        Operation::Delete => (contract::Right::Delete, contract::BodySize::Small, true),
        Operation::Lock => (contract::Right::Write, contract::BodySize::Small, false),
        Operation::Unlock | Operation::ForceUnlock => (contract::Right::Write, contract::BodySize::Small, true),
    };
    contract::Route {
        method: route.method.to_owned(),
        prefix: route.prefix.iter().map(|segment| (*segment).to_owned()).collect(),
        right,
        body,
        waits_for_store,
    }
}

fn endpoint(endpoint: &recovery::Endpoint) -> contract::Route {
    contract::Route {
        method: endpoint.method.to_owned(),
        prefix: endpoint.prefix.iter().map(|segment| (*segment).to_owned()).collect(),
        right: match endpoint.needed {
            recovery::Needed::Nothing => contract::Right::None,
            recovery::Needed::Read => contract::Right::Read,
            recovery::Needed::Outputs => contract::Right::Outputs,
            recovery::Needed::Write => contract::Right::Write,
            recovery::Needed::Delete => contract::Right::Delete,
        },
        body: contract::BodySize::Small,
        // As LOCK: whoever cannot have it now has not changed anything yet.
        waits_for_store: endpoint.operation != Operation::Lock,
    }
}

/// All that is imported.
struct Host;

impl outside::Store for Host {
    type Blob = blobs::Blob;

    fn get(&self, key: &str) -> Result<Slot<blobs::Blob>, StoreError> {
        slot(store::get(key))
    }

    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Result<Slot<blobs::Blob>, StoreError>; N] {
        let mut slots = store::get_many(&keys.map(str::to_owned)).into_iter();
        let missing = || Err(StoreError::Corrupt("fewer documents than keys".to_owned()));
        keys.map(|_| slots.next().map_or_else(missing, slot))
    }

    fn recall(&self, key: &str) -> Option<outside::Remembered> {
        store::recall(key).map(|seen| outside::Remembered { revision: seen.revision, meta: seen.meta })
    }

    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&blobs::Blob>,
        expected: Revision,
        retention: Retention,
    ) -> Result<Outcome, StoreError> {
        let retention = match retention {
            Retention::History => store::Retention::History,
            Retention::Passing { beside, gone } => store::Retention::Passing(store::Passed { beside, gone }),
            Retention::Thinned { first, last } => store::Retention::Thinned(store::Span { first, last }),
            Retention::Latest => store::Retention::Latest,
            Retention::Erased => store::Retention::Erased,
        };
        Ok(match store::put_cas(key, meta, content, expected, retention).map_err(store_error)? {
            store::Outcome::Written(_) => Outcome::Written,
            store::Outcome::Conflict => Outcome::Conflict,
        })
    }
}

impl Archive for Host {
    fn list(&self, folder: Option<&str>) -> Result<Vec<Child>, StoreError> {
        let children = history::list(folder).map_err(store_error)?;
        Ok(children
            .into_iter()
            .map(|child| match child {
                history::Child::Document(name) => Child::Document(name),
                history::Child::Folder(name) => Child::Folder(name),
            })
            .collect())
    }

    fn revisions(&self, key: &str) -> Result<Vec<Revision>, StoreError> {
        history::revisions(key).map_err(store_error)
    }

    fn revision(&self, key: &str, revision: Revision) -> Result<Slot<blobs::Blob>, StoreError> {
        slot(history::get(key, revision))
    }

    fn outlines(&self, places: Vec<Place>) -> Vec<Result<Slot<blobs::Blob>, StoreError>> {
        let places: Vec<history::Place> =
            places.into_iter().map(|place| history::Place { key: place.key, revision: place.revision }).collect();
        let outlines = history::outlines(&places);
        outlines
            .into_iter()
            .map(|outline| {
                Ok(match outline.map_err(store_error)? {
                    history::Outline::Absent => Slot::Absent,
                    history::Outline::Removed(revision) => Slot::Removed(revision),
                    history::Outline::Entry(seen) => {
                        Slot::Entry(outside::Entry { revision: seen.revision, meta: seen.meta, content: None })
                    }
                })
            })
            .collect()
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        store::delete(key).map_err(store_error)
    }

    fn may_read(&self, path: &str) -> bool {
        (access::rights_on(path) & types::Rights::READ) == types::Rights::READ
    }

    fn outputs(&self, key: &str, version: archive::Version, sensitive: bool) -> Result<Vec<u8>, Trouble> {
        inspection::outputs(key, &inspected(version), sensitive).map_err(trouble)
    }

    fn difference(
        &self,
        key: &str,
        before: Option<archive::Version>,
        after: Option<archive::Version>,
        sensitive: bool,
    ) -> Result<Vec<u8>, Trouble> {
        let (before, after) = (before.map(inspected), after.map(inspected));
        inspection::difference(key, before.as_ref(), after.as_ref(), sensitive).map_err(trouble)
    }
}

fn inspected(version: archive::Version) -> inspection::Version {
    inspection::Version { revision: version.revision, sha256: version.sha256.to_vec() }
}

fn trouble(trouble: inspection::Trouble) -> Trouble {
    match trouble {
        inspection::Trouble::Store(error) => Trouble::Store(store_error(error)),
        inspection::Trouble::Gone(revision) => Trouble::Gone(revision),
        inspection::Trouble::Damaged(revision) => Trouble::Damaged(revision),
        inspection::Trouble::Unreadable(why) => Trouble::Unreadable(why),
        inspection::Trouble::Busy => Trouble::Busy,
    }
}

impl policies::Policies<blobs::Blob> for Host {
    fn needed(&self, operation: policies::Operation, path: &str) -> Needs {
        let needed = chain::needed(policy_operation(operation), path);
        let has = |flag| (needed & flag) == flag;
        Needs {
            review: has(chain::Needs::REVIEW),
            current: has(chain::Needs::CURRENT),
            content: has(chain::Needs::CONTENT),
        }
    }

    fn review(&self, change: &Change, current: Option<&blobs::Blob>, proposed: Option<&blobs::Blob>) -> Option<Denial> {
        let change = policy::Change {
            operation: policy_operation(change.operation),
            path: change.path.clone(),
            caller: policy::Caller {
                name: change.caller.name.clone(),
                named: change.caller.kind == exchange::CallerKind::NamedToken,
            },
            lock: change.lock.as_ref().map(policy_lock),
            current: change.current.as_ref().map(policy_header),
            proposed: change.proposed.as_ref().map(policy_header),
            overwrite: change.overwrite,
            received: change.received,
        };
        let denial = chain::review(&change, current, proposed)?;
        Some(Denial { policy: denial.policy, reason: denial.reason, keep: denial.keep })
    }
}

fn policy_operation(operation: policies::Operation) -> policy::Operation {
    match operation {
        policies::Operation::Lock => policy::Operation::Lock,
        policies::Operation::Write => policy::Operation::Write,
        policies::Operation::ForceUnlock => policy::Operation::ForceUnlock,
        policies::Operation::Delete => policy::Operation::Delete,
    }
}

fn policy_lock(info: &LockInfo) -> policy::LockInfo {
    policy::LockInfo {
        id: info.id.clone(),
        operation: info.operation.clone(),
        who: info.who.clone().unwrap_or_default(),
        version: info.version.clone(),
        info: info.info.clone(),
        created: info.created.clone(),
    }
}

fn policy_header(header: &policies::StateHeader) -> policy::StateHeader {
    policy::StateHeader {
        serial: header.serial,
        lineage: header.lineage.clone(),
        size: header.size,
        tool_version: header.tool_version.clone(),
        encrypted: header.encrypted,
        empty: header.empty,
        sha256: header.sha256.to_vec(),
    }
}

impl outside::Blob for blobs::Blob {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        self.read(offset, len)
    }

    fn digests(&self) -> outside::Digests {
        let digests = self.digests();
        // A digest of the wrong length fits nothing, so it ends as a mismatch and never as a match.
        outside::Digests {
            md5: digests.md5.try_into().unwrap_or_default(),
            sha256: digests.sha256.try_into().unwrap_or_default(),
        }
    }
}

fn slot(slot: Result<store::Slot, store::Error>) -> Result<Slot<blobs::Blob>, StoreError> {
    Ok(match slot.map_err(store_error)? {
        store::Slot::Absent => Slot::Absent,
        store::Slot::Entry(entry) => {
            Slot::Entry(outside::Entry { revision: entry.revision, meta: entry.meta, content: entry.content })
        }
        store::Slot::Removed(revision) => Slot::Removed(revision),
    })
}

fn store_error(error: store::Error) -> StoreError {
    match error {
        store::Error::Unavailable(why) => StoreError::Unavailable(why),
        store::Error::Sealed => StoreError::Sealed,
        store::Error::Denied(why) => StoreError::Denied(why),
        store::Error::TooLarge(why) => StoreError::TooLarge(why),
        store::Error::Timeout => StoreError::Timeout,
        store::Error::Corrupt(why) => StoreError::Corrupt(why),
        store::Error::OutOfSpace(why) => StoreError::OutOfSpace(why),
    }
}

fn contract_error(error: StoreError) -> store::Error {
    match error {
        StoreError::Unavailable(why) => store::Error::Unavailable(why),
        StoreError::Sealed => store::Error::Sealed,
        StoreError::Denied(why) => store::Error::Denied(why),
        StoreError::TooLarge(why) => store::Error::TooLarge(why),
        StoreError::Timeout => store::Error::Timeout,
        StoreError::Corrupt(why) => store::Error::Corrupt(why),
        StoreError::OutOfSpace(why) => store::Error::OutOfSpace(why),
    }
}

fn from_contract(request: contract::Request) -> Request<blobs::Blob> {
    Request {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body,
        caller: exchange::Caller {
            name: request.caller.name,
            kind: match request.caller.kind {
                types::CallerKind::SharedToken => exchange::CallerKind::SharedToken,
                types::CallerKind::NamedToken => exchange::CallerKind::NamedToken,
            },
            may_break_locks: (request.caller.rights & types::Rights::UNLOCK) == types::Rights::UNLOCK,
        },
        received: request.received,
        settings: exchange::Settings {
            lock_ttl: request.settings.lock_ttl,
            force_unlock: match request.settings.force_unlock {
                contract::ForceUnlock::Any => exchange::ForceUnlock::Any,
                contract::ForceUnlock::Id => exchange::ForceUnlock::Id,
                contract::ForceUnlock::Off => exchange::ForceUnlock::Off,
            },
            path_segments: request.settings.path_segments,
            join_runs: request.settings.join_runs,
        },
        trace: request
            .trace
            .map(|trace| exchange::TraceContext { traceparent: trace.traceparent, tracestate: trace.tracestate }),
        request_id: request.request_id,
    }
}

fn response(response: Response<blobs::Blob>) -> contract::Response {
    let Response { reply, event } = response;
    contract::Response {
        status: reply.status,
        headers: reply
            .headers
            .into_iter()
            .map(|(name, value)| contract::Header { name: name.to_owned(), value })
            .collect(),
        body: match reply.body {
            Body::None => contract::ReplyBody::None,
            Body::Bytes(bytes) => contract::ReplyBody::Bytes(bytes),
            Body::Blob(blob) => contract::ReplyBody::Blob(blob),
        },
        event: contract::Event {
            operation: match event.operation {
                Operation::Get => contract::Operation::Get,
                Operation::Write => contract::Operation::Write,
                Operation::Delete => contract::Operation::Delete,
                Operation::Lock => contract::Operation::Lock,
                Operation::Unlock => contract::Operation::Unlock,
                Operation::ForceUnlock => contract::Operation::ForceUnlock,
                Operation::List => contract::Operation::List,
                Operation::Outputs => contract::Operation::Outputs,
                Operation::Difference => contract::Operation::Difference,
                Operation::Accept => contract::Operation::Accept,
                Operation::Discard => contract::Operation::Discard,
                Operation::None => contract::Operation::None,
            },
            outcome: event.outcome.to_owned(),
            path: event.path,
            lock_id: event.lock_id,
            lock_who: event.lock_who,
            forced: event.forced,
            unlocked: event.unlocked,
            before: event.before.map(state_header),
            after: event.after.map(state_header),
            conflicts: event.conflicts,
            denied_by: event.denied_by,
            quarantined: event.quarantined,
            run_trace: event
                .run_trace
                .map(|trace| types::TraceContext { traceparent: trace.traceparent, tracestate: trace.tracestate }),
        },
    }
}

fn state_header(state: exchange::StateSummary) -> types::StateHeader {
    types::StateHeader {
        serial: state.serial,
        lineage: state.lineage,
        size: state.size,
        tool_version: state.tool_version,
        encrypted: state.encrypted,
        sha256: state.sha256.to_vec(),
    }
}
