//! One trace for each run, whichever servers answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::cluster::RoundRobin;
use tofu_state_testing::otlp::{Collector, Span};
use tofu_state_testing::server::{Server, TOKEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{of, only, tracing_to, within};
use crate::common::Gate;
use crate::wire::{Client, lock_info, state};

/// Content of a state, which no span may show.
const SECRET: &str = "swordfish-in-the-state";

fn address(server: &Server) -> String {
    server.url("").trim_end_matches('/').to_owned()
}

/// Passes all bytes on to OpenBao and keeps those that went there.
async fn listened_to(bao: &Bao) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (target, heard) = (bao.host_and_port(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_bao, mut to_bao) = TcpStream::connect(&target).await.unwrap().into_split();
            let (mut from_client, mut to_client) = client.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_bao, &mut to_client).await });
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                    kept.lock().unwrap().extend_from_slice(&bytes[..count]);
                    if to_bao.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_is_one_trace_through_two_servers() {
    let (bao, collector) = (Bao::dev().await, Collector::start().await);
    let (bao_address, heard) = listened_to(&bao).await;
    let one = || tracing_to(&collector.address()).openbao(&bao_address, bao.token()).start();
    let servers = [one().await, one().await];
    let balancer = RoundRobin::start(&[address(&servers[0])]).await;

    let mut cli = Cli::tofu();
    cli.set("TF_HTTP_USERNAME", "ci").set("TF_HTTP_PASSWORD", TOKEN);
    cli.backend(&Backend::new(&format!("{}/team/app", balancer.address())));
    cli.resources(1, SECRET);
    cli.ok(&["init"]).await;
    let gate = Gate::new();
    gate.build_into(&cli);
    let mut run = cli.start(&["apply", "-auto-approve"]);
    gate.reached(&mut run).await;
    // The server that was locked and read through goes away, and another takes over.
    balancer.send_to(&[address(&servers[1])]);
    gate.open();
    run.finish().await.success().says("Apply complete!");

    let unlock = only(&collector, "unlock").await;
    let lock = only(&collector, "lock").await;
    let spans = collector.spans();
    assert_eq!((lock.parent.as_deref(), lock.name.as_str()), (None, "LOCK /{path}"));
    assert_eq!((lock.attribute("tofu_state.path"), lock.attribute("tofu_state.outcome")), ("team/app", "done"));
    assert_eq!(lock.attribute("tofu_state.lock.id"), unlock.attribute("tofu_state.lock.id"));
    assert_eq!(lock.attribute("http.response.status_code"), "200");

    let run: Vec<&Span> = spans.iter().filter(|span| span.trace == lock.trace).collect();
    let requests: Vec<&&Span> = run.iter().filter(|span| !span.attribute("http.request.method").is_empty()).collect();
    let operations: BTreeSet<_> = requests.iter().map(|span| span.attribute("tofu_state.operation")).collect();
    assert_eq!(operations, BTreeSet::from(["lock", "get", "write", "unlock"]));
    assert_eq!(of(&spans, "write").iter().filter(|write| write.trace != lock.trace).count(), 0);
    for request in &requests {
        assert!(request.id == lock.id || request.parent.as_ref() == Some(&lock.id), "{request:?}");
        parts_are_right(request, &run, &lock, &String::from_utf8_lossy(&heard.lock().unwrap()));
    }
    let writes = of(&spans, "write");
    let write = writes.last().unwrap();
    assert!(!write.attribute("tofu_state.serial.after").is_empty(), "{write:?}");

    // Both servers have their part in it, and their logs name the trace.
    let instance = |span: &Span| span.resource["service.instance.id"].clone();
    assert_ne!(instance(&lock), instance(&unlock));
    assert_eq!((lock.resource["service.name"].as_str(), instance(&unlock)), ("tofu-state", instance(write)));
    for server in &servers {
        assert!(server.log().contains(&format!("\"trace_id\":\"{}\"", lock.trace)), "{}", server.log());
    }

    let told = format!("{spans:?}");
    // What the CLI sends is `ci:` and the token in base64.
    for secret in [TOKEN, SECRET, bao.token(), "Y2k6Y29ycmVjdC1ob3JzZS"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

/// A request's component has made its store calls, and each has told OpenBao which trace it is a part of. Policies
/// were asked within it, too.
fn parts_are_right(request: &Span, run: &[&Span], lock: &Span, heard: &str) {
    let children = |id: &str| run.iter().filter(|span| span.parent.as_deref() == Some(id)).collect::<Vec<_>>();
    let components: Vec<_> = children(&request.id).into_iter().filter(|span| span.name == "component").collect();
    assert_eq!(components.len(), 1, "{request:?}");
    let (policies, calls): (Vec<&&Span>, Vec<&&Span>) =
        children(&components[0].id).into_iter().partition(|span| span.name.starts_with("policy "));
    // The guard of lineages is asked before a state is written, and not otherwise.
    let judged = request.attribute("tofu_state.operation") == "write";
    assert_eq!(policies.len(), usize::from(judged), "{request:?}");
    for policy in policies {
        assert_eq!(policy.attribute("tofu_state.policy.verdict"), "allow", "{policy:?}");
        assert_eq!(policy.attribute("tofu_state.generation"), "1", "{policy:?}");
    }
    assert!(!calls.is_empty(), "{request:?}");
    for call in calls {
        assert!(call.name.starts_with("store ") && call.attribute("db.system.name") == "openbao", "{call:?}");
        assert!(call.attribute("tofu_state.store.key").starts_with("team/app") && call.error.is_none(), "{call:?}");
        assert!(call.time.0 >= lock.time.0 && call.time.0 <= call.time.1, "{call:?}");
        // Only the LOCK knew from the start that this would be its trace.
        let carried = if request.id == lock.id { &call.trace } else { &call.links[0].0 };
        assert_eq!(call.links.is_empty(), request.id == lock.id, "{call:?}");
        let header = format!("traceparent: 00-{carried}-{}-01", call.id);
        assert!(heard.contains(&header), "OpenBao was not told {header}");
    }
}

#[tokio::test]
async fn a_run_outlives_the_server_and_a_callers_trace_is_its_parent() {
    let collector = Collector::start().await;
    let mut server = tracing_to(&collector.address()).start().await;
    let [ci, other] = ["0af7651916cd43dd8448eb211c80319c", "11111111111111111111111111111111"];
    let parent = |trace: &str| format!("00-{trace}-b7ad6b7169203331-01");
    assert_eq!(within(&server, "LOCK", "a/b", lock_info("run"), &parent(ci)).await.status, 200);
    let lock = only(&collector, "lock").await;
    assert_eq!(
        (lock.trace.as_str(), lock.parent.as_deref(), lock.state.as_str()),
        (ci, Some("b7ad6b7169203331"), "vendor=x")
    );

    server.restart().await;
    let client = Client::new(&server, "a/b");
    client.post(&state(1, &[]), Some("run")).await.unwrap().expect(200);
    // A stranger's trace: it joins, and is linked to.
    within(&server, "GET", "a/b", String::new(), &parent(other)).await.expect(200);
    client.unlock("run").await.unwrap().expect(200);
    for operation in ["write", "get", "unlock"] {
        let span = only(&collector, operation).await;
        assert_eq!((&span.trace, span.parent.as_ref()), (&lock.trace, Some(&lock.id)), "{span:?}");
        assert_ne!(span.resource["service.instance.id"], lock.resource["service.instance.id"]);
        let linked = (operation == "get").then(|| (other.to_owned(), "b7ad6b7169203331".to_owned()));
        assert_eq!(span.links, Vec::from_iter(linked));
    }
}

#[tokio::test]
async fn who_is_kept_out_and_who_comes_later_have_traces_of_their_own() {
    let collector = Collector::start().await;
    let server = tracing_to(&collector.address()).start().await;
    let client = Client::new(&server, "a/b");
    client.lock("run").await.unwrap().expect(200);
    let lock = only(&collector, "lock").await;
    client.post(&state(1, &[]), None).await.unwrap().expect(409);
    let refused = only(&collector, "write").await;
    assert!(refused.trace != lock.trace && refused.parent.is_none(), "{refused:?}");
    assert_eq!((refused.attribute("tofu_state.lock.id"), refused.attribute("tofu_state.outcome")), ("run", "locked"));
    client.unlock("run").await.unwrap().expect(200);
    client.get().await.unwrap().expect(404);
    let later = only(&collector, "get").await;
    assert!(later.trace != lock.trace && later.parent.is_none() && later.error.is_none(), "{later:?}");
}

#[tokio::test]
async fn a_trace_that_its_beginner_does_not_record_is_not_recorded() {
    let collector = Collector::start().await;
    let server = tracing_to(&collector.address()).start().await;
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    within(&server, "LOCK", "a/b", lock_info("run"), unsampled).await.expect(200);
    Client::new(&server, "a/b").unlock("run").await.unwrap().expect(200);
    Client::new(&server, "c/d").get().await.unwrap().expect(404);
    let get = only(&collector, "get").await;
    assert!(collector.spans().iter().all(|span| span.trace == get.trace), "{:?}", collector.spans());
}
