//! The built-in protocol as a component: its bindings, not its rules, which have tests of their own.

use std::sync::Arc;

use bytes::Bytes;
use tofu_state_component::{BUILT_IN, BodySize, Engine, Operation, Reply, ReplyBody, Request, Right};
use tofu_state_store::Blob;
use tofu_state_store::memory::Memory;

use crate::common::{around, request, request_with, small_limits};

const STATE: &str =
    r#"{"version":4,"terraform_version":"1.12.6","serial":7,"lineage":"l-1","outputs":{},"resources":[]}"#;
const LOCK: &str = r#"{"ID":"id-1","Operation":"OperationTypeApply","Info":"","Who":"ada@host","Version":"1.12.6","Created":"2026-01-02T03:04:05Z","Path":""}"#;

#[tokio::test]
async fn one_run_from_lock_to_unlock() {
    let protocol = Engine::new(small_limits()).unwrap().load(BUILT_IN).unwrap();
    let store = Arc::new(Memory::new());
    let call = async |method: &str, body: &str, query: Option<&str>| -> Reply {
        let request =
            if body.is_empty() { request("g/p") } else { request_with("g/p", Bytes::copy_from_slice(body.as_bytes())) };
        let request = Request { method: method.to_owned(), query: query.map(str::to_owned), ..request };
        protocol.handle(request, around(store.clone())).await.unwrap()
    };

    let reply = call("GET", "", None).await;
    assert_eq!((reply.status, reply.event.operation), (404, Operation::Get));

    let reply = call("LOCK", LOCK, None).await;
    assert_eq!((reply.status, reply.event.operation), (200, Operation::Lock));
    assert_eq!(reply.event.lock_id.as_deref(), Some("id-1"));
    assert_eq!(reply.event.path, "g/p");

    let reply = call("POST", STATE, Some("ID=id-1")).await;
    assert_eq!((reply.status, reply.event.operation), (200, Operation::Write));
    let after = reply.event.after.unwrap();
    assert_eq!((after.serial, after.lineage.as_str(), after.size), (7, "l-1", STATE.len() as u64));
    assert_eq!(after.sha256, Blob::new(STATE.into()).digests().sha256);

    let reply = call("GET", "", None).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, ReplyBody::State(STATE.into()));

    let reply = call("UNLOCK", LOCK, None).await;
    assert_eq!((reply.status, reply.event.operation), (200, Operation::Unlock));
}

/// Its stack is small: what a caller can nest may not run over it.
#[tokio::test]
async fn deeply_nested_bodies_are_read_or_refused() {
    let protocol = Engine::new(small_limits()).unwrap().load(BUILT_IN).unwrap();
    let store = Arc::new(Memory::new());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let state = |depth| STATE.replace("\"resources\":[]", &format!("\"resources\":{}", nested(depth)));
    let lock = |depth| LOCK.replace("\"Path\":\"\"", &format!("\"Path\":\"\",\"More\":{}", nested(depth)));
    for (method, body, status) in
        [("POST", state(9_000), 200), ("POST", state(20_000), 400), ("LOCK", lock(20_000), 200)]
    {
        let request = Request { method: method.to_owned(), ..request_with("g/p", body.into()) };
        let reply = protocol.handle(request, around(store.clone())).await.unwrap();
        assert_eq!(reply.status, status, "{method}");
    }
}

#[test]
fn its_routes_say_what_the_host_must_know() {
    let protocol = Engine::new(small_limits()).unwrap().load(BUILT_IN).unwrap();
    let state: Vec<String> = ["g", "p"].map(str::to_owned).into();
    let lock: Vec<String> = ["-", "lock", "g", "p"].map(str::to_owned).into();
    let find = |method, path: &[String]| {
        let (route, length) = protocol.route(method, path);
        (route.right, route.body, route.waits_for_store, length)
    };
    assert_eq!(find("GET", &state), (Right::Read, BodySize::Small, true, 0));
    assert_eq!(find("POST", &state), (Right::Write, BodySize::State, true, 0));
    assert_eq!(find("DELETE", &state), (Right::Delete, BodySize::Small, true, 0));
    assert_eq!(find("LOCK", &state), (Right::Write, BodySize::Small, false, 0));
    assert_eq!(find("POST", &lock), (Right::Write, BodySize::Small, false, 2));
    assert_eq!(find("DELETE", &lock), (Right::Write, BodySize::Small, true, 2));
}
