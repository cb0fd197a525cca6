//! A component that misbehaves: a status for that one request, nothing told to the caller, and no
//! trouble for anybody else.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_component::testing::FAULTY;
use tofu_state_component::{Engine, Limits as CallLimits};
use tofu_state_server::listener::Limits;
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::{Call, Held, When};
use tofu_state_store::{Key, Retention, Write};

use crate::support::{Options, Server, TOKEN};

async fn faulty(limits: CallLimits, store: Arc<Held>) -> Server {
    let load = move || Engine::new(limits).unwrap().load(FAULTY).unwrap();
    let protocol = tokio::task::spawn_blocking(load).await.unwrap();
    Server::start(Options { protocol: Some(protocol), store, ..Options::default() }).await
}

fn store() -> Arc<Held> {
    Arc::new(Held::new(Arc::new(Memory::new())))
}

#[tokio::test]
async fn each_fault_is_a_status_of_its_own_request() {
    let limits = CallLimits { computing: Duration::from_millis(200), ..CallLimits::default() };
    let server = faulty(limits, store()).await;
    for (path, status, code) in [
        ("/panic/x", 500, "component-failed"),
        ("/exit", 500, "component-failed"),
        ("/recurse", 500, "component-failed"),
        ("/eat", 500, "component-failed"),
        ("/loop", 504, "out-of-time"),
        ("/status/99", 500, "component-failed"),
        ("/status/101", 500, "component-failed"),
        ("/header-break", 500, "component-failed"),
        ("/header-length", 500, "component-failed"),
        ("/giant-header", 500, "component-failed"),
        ("/outcome", 500, "component-failed"),
    ] {
        let answer = server.ask("POST", path, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        assert!(answer.header("set-cookie").is_none(), "{path}");
        assert!(!answer.text().contains("panick"), "{path}: {}", answer.text());
        let next = server.ask("POST", "/status/200", "").await;
        assert_eq!(next.status, 200, "after {path}");
    }
}

#[tokio::test]
async fn a_call_that_never_ends_is_504_and_busy_instances_are_503() {
    let held = store();
    let faults = held.faults();
    let limits = CallLimits {
        concurrency: 1,
        queueing: Duration::from_millis(20),
        deadline: Duration::from_secs(3),
        ..CallLimits::default()
    };
    let server = faulty(limits, held).await;
    let hold = faults.hold(Call::get("a/b"), When::Before);
    let address = server.address;
    let never = tokio::spawn(async move {
        let authorization = format!("Bearer {}", TOKEN);
        crate::support::ask(address, "POST", "/ask-forever/a/b", &[("authorization", &authorization)], b"").await
    });
    hold.arrived().await;
    let busy = server.ask("POST", "/status/200", "").await;
    assert_eq!((busy.status, busy.code().as_str()), (503, "busy"));
    assert_eq!(busy.header("retry-after"), Some("1"));
    let ended = never.await.unwrap();
    assert_eq!((ended.status, ended.code().as_str()), (504, "out-of-time"));
    assert_eq!(server.ask("POST", "/status/200", "").await.status, 200);
}

#[tokio::test]
async fn a_caller_that_takes_nothing_of_its_answer_is_cut_off() {
    let memory = Memory::new();
    let content = Some(vec![b'x'; 32 << 20].into());
    let write = Write { meta: "{}".into(), content, expected: 0, retention: Retention::Latest };
    memory.put_cas_now(&Key::parse("a/b").unwrap(), write);
    let load = || Engine::new(CallLimits::default()).unwrap().load(FAULTY).unwrap();
    let limits = Limits { connections: 1, write_time: Duration::from_millis(100), ..Limits::default() };
    let options = Options {
        protocol: Some(tokio::task::spawn_blocking(load).await.unwrap()),
        store: Arc::new(memory),
        limits,
        ..Options::default()
    };
    let server = Server::start(options).await;
    let mut lazy = server.connect().await;
    let head = format!("POST /get/a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    lazy.send(head).await;
    // There is one place, and the next caller gets it.
    assert_eq!(server.ask("POST", "/status/200", "").await.status, 200);
}
