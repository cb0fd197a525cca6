//! The recovery API over HTTP: what it tells of real contents, to whom, and what hostile requests get of it. Its
//! rules are tested beside them, in `guest/protocol/src/recovery/tests`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tofu_state_component::{BUILT_IN, Engine, Limits};
use tofu_state_server::access::tokens::digest;
use tofu_state_server::stores::gate::Gate;
use tofu_state_store::layout::{Layout, Settings};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Error, Store};

use crate::support::{Answer, Options, Server, ask};

fn entry(name: &str, token: &str, paths: &str, rights: &str) -> String {
    let sha256 = hex::encode(digest(&token.into()));
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\npaths = [{paths}]\nrights = [{rights}]\n")
}

async fn server() -> Server {
    let tokens = [
        entry("reader", "reader-token", "\"team/*\"", "\"read\""),
        entry("outputs", "outputs-token", "\"team/*\"", "\"outputs\""),
        entry("writer", "writer-token", "\"team/*\"", "\"read\", \"write\""),
        entry("unlocker", "unlocker-token", "\"team/*\"", "\"read\", \"write\", \"unlock\""),
        entry("deleter", "deleter-token", "\"team/*\"", "\"delete\""),
    ];
    // As in production: contents are laid out in a store that keeps versions.
    let store: Arc<dyn Store> = Arc::new(Layout::new(Arc::new(Memory::keeping(100)), Settings::for_embedded()));
    Server::start(Options { tokens: tokens.concat(), store, ..Options::default() }).await
}

async fn with(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    ask(server.address, method, path, &[("authorization", &authorization)], body.as_bytes()).await
}

fn of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// A state with a resource, an output and two secrets.
fn state(serial: u64, size: u64) -> String {
    json!({"version": 4, "terraform_version": "1.12.6", "serial": serial, "lineage": "l",
        "outputs": {"url": {"value": format!("https://{size}"), "type": "string"},
            "key": {"value": format!("SECRET-{size}"), "type": "string", "sensitive": true}},
        "resources": [{"mode": "managed", "type": "disk", "name": "data", "provider": "p", "instances": [
            {"index_key": "a", "schema_version": 0, "attributes": {"id": "d-1", "size": size, "password": format!("SECRET-{size}")},
             "sensitive_attributes": [[{"type": "get_attr", "value": "password"}]]}]}]})
    .to_string()
}

async fn two_versions(server: &Server, path: &str) {
    for (serial, size) in [(1, 10), (2, 20)] {
        assert_eq!(server.ask("POST", &format!("/{path}"), &state(serial, size)).await.status, 200);
    }
}

#[tokio::test]
async fn versions_are_seen_compared_and_had_back() {
    let server = server().await;
    two_versions(&server, "team/app").await;
    let states = of(&server.ask("GET", "/-/v1/states", "").await);
    assert_eq!(states["states"][0]["path"], "team/app");
    assert_eq!(states["states"][0]["current"]["tool_version"], "1.12.6");
    let versions = of(&server.ask("GET", "/-/v1/versions/team/app", "").await);
    let serials: Vec<&Value> = versions["versions"].as_array().unwrap().iter().map(|v| &v["serial"]).collect();
    assert_eq!(serials, [2, 1]);
    let old = server.ask("GET", "/-/v1/content/team/app?revision=1", "").await;
    assert_eq!((old.text(), old.header("x-state-revision")), (state(1, 10), Some("1")));
    let told = of(&server.ask("GET", "/-/v1/difference/team/app", "").await);
    assert_eq!(
        told["difference"],
        json!({"summary": {"added": 0, "removed": 0, "changed": 1, "unchanged": 0}, "truncated": false,
            "resources": [{"address": "disk.data[\"a\"]", "change": "changed", "attributes": [
                {"path": "password", "sensitive": true}, {"path": "size", "sensitive": false, "from": 10, "to": 20}]}],
            "outputs": [{"name": "key", "change": "changed", "sensitive": true},
                {"name": "url", "change": "changed", "sensitive": false, "from": "https://10", "to": "https://20"}]})
    );
    let told = server.ask("GET", "/-/v1/difference/team/app?sensitive=true", "").await.text();
    assert!(told.contains("SECRET-10") && told.contains("SECRET-20"), "{told}");
    let outputs = of(&server.ask("GET", "/-/v1/outputs/team/app?revision=1", "").await);
    assert_eq!(outputs["outputs"]["url"]["value"], "https://10");
    assert_eq!(outputs["outputs"]["key"], json!({"type": "string", "sensitive": true}));
    assert_eq!(server.ask("DELETE", "/team/app", "").await.status, 200);
    let told = of(&server.ask("GET", "/-/v1/difference/team/app", "").await);
    assert_eq!(told["difference"]["summary"]["removed"], 1);
    assert_eq!(of(&server.ask("GET", "/-/v1/states", "").await)["states"], json!([]));
    assert_eq!(
        of(&server.ask("GET", "/-/v1/states?deleted=true", "").await)["states"][0]["current"]["kind"],
        "deleted"
    );
    let metrics = server.metrics_text();
    assert!(
        metrics.contains("tofu_state_route_requests_total{route=\"/-/v1/difference/{path}\",status=\"200\"} 3"),
        "{metrics}"
    );
}

#[tokio::test]
async fn rights_are_those_of_the_protocol_and_one_more() {
    let server = server().await;
    two_versions(&server, "team/app").await;
    let sha256 = "a".repeat(64);
    let quarantined = format!("/-/v1/quarantined/team/app?sha256={sha256}");
    for (method, path, allowed, status) in [
        ("GET", "/-/v1/versions/team/app", &["reader", "writer", "unlocker"][..], 200),
        ("GET", "/-/v1/content/team/app", &["reader", "writer", "unlocker"], 200),
        ("GET", "/-/v1/outputs/team/app", &["reader", "outputs", "writer", "unlocker"], 200),
        ("GET", "/-/v1/difference/team/app", &["reader", "writer", "unlocker"], 200),
        ("GET", "/-/v1/lock/team/app", &["reader", "writer", "unlocker"], 200),
        ("POST", "/-/v1/lock/team/app", &["writer", "unlocker"], 400),
        ("DELETE", "/-/v1/lock/team/app", &["writer", "unlocker"], 400),
        ("DELETE", "/-/v1/lock/team/app?id=x", &["writer", "unlocker"], 200),
        ("GET", &quarantined, &["reader", "writer", "unlocker"], 404),
        ("POST", &quarantined, &["writer", "unlocker"], 404),
        ("DELETE", &quarantined, &["deleter"], 404),
    ] {
        for caller in ["reader", "outputs", "writer", "unlocker", "deleter"] {
            let token = format!("{caller}-token");
            let answer = with(&server, &token, method, path, "").await;
            let expected = if allowed.contains(&caller) { status } else { 403 };
            assert_eq!(answer.status, expected, "{caller} {method} {path}: {}", answer.text());
            let elsewhere = with(&server, &token, method, &path.replace("team/", "other/"), "").await;
            assert_eq!(
                (elsewhere.status, elsewhere.code().as_str()),
                (403, "missing-right"),
                "{caller} {method} {path}"
            );
        }
        assert_eq!(ask(server.address, method, path, &[], b"").await.status, 401);
    }
    let told = with(&server, "outputs-token", "GET", "/-/v1/outputs/team/app", "").await.text();
    assert!(!told.contains("d-1") && !told.contains("SECRET"), "{told}");
    // The protocol's own doors stay shut for it, and whatever it asks of one version stays within that.
    let lock = r#"{"ID":"O"}"#;
    for (method, path, body) in [
        ("GET", "/team/app", ""),
        ("HEAD", "/team/app", ""),
        ("POST", "/team/app", "{}"),
        ("DELETE", "/team/app", ""),
        ("LOCK", "/team/app", lock),
        ("UNLOCK", "/team/app", lock),
        ("LOCK", "/-/lock/team/app", lock),
        ("POST", "/-/lock/team/app", lock),
        ("DELETE", "/-/lock/team/app", lock),
        ("HEAD", "/-/v1/content/team/app", ""),
    ] {
        let answer = with(&server, "outputs-token", method, path, body).await;
        assert!([403, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        assert!(!answer.text().contains("SECRET"), "{method} {path}: {}", answer.text());
    }
    for query in ["", "?revision=1", "?revision=1&sensitive=true", "?revision=9", "?from=1&to=2", "?sensitive=1"] {
        let told = with(&server, "outputs-token", "GET", &format!("/-/v1/outputs/team/app{query}"), "").await.text();
        assert!(!told.contains("d-1") && !told.contains("password") && !told.contains("lineage"), "{query}: {told}");
    }
    assert_eq!(server.ask("DELETE", "/team/app", "").await.status, 200);
    let gone = with(&server, "outputs-token", "GET", "/-/v1/outputs/team/app", "").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "no-state"));
    let before = of(&with(&server, "outputs-token", "GET", "/-/v1/outputs/team/app?revision=2", "").await);
    assert_eq!(before["outputs"]["url"]["value"], "https://20");
    // A deletion is compared as no state at all, from either side.
    let reader = async |query: &str| {
        of(&with(&server, "reader-token", "GET", &format!("/-/v1/difference/team/app{query}"), "").await)
    };
    for (query, kinds, summary) in [
        ("", ["state", "deleted"], json!({"added": 0, "removed": 1, "changed": 0, "unchanged": 0})),
        ("?from=3&to=1", ["deleted", "state"], json!({"added": 1, "removed": 0, "changed": 0, "unchanged": 0})),
        ("?from=3&to=3", ["deleted", "deleted"], json!({"added": 0, "removed": 0, "changed": 0, "unchanged": 0})),
    ] {
        let told = reader(query).await;
        assert_eq!([&told["from"]["kind"], &told["to"]["kind"]], kinds, "{query}");
        assert_eq!(told["difference"]["summary"], summary, "{query}");
        assert!(!told.to_string().contains("SECRET"), "{query}: {told}");
    }
}

#[tokio::test]
async fn lists_tell_each_caller_of_its_own() {
    let server = server().await;
    two_versions(&server, "team/app").await;
    two_versions(&server, "other/app").await;
    let listed = async |token: &str| {
        let page = of(&with(&server, token, "GET", "/-/v1/states", "").await);
        page["states"]
            .as_array()
            .unwrap()
            .iter()
            .map(|state| state["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("reader-token").await, ["team/app"]);
    assert_eq!(listed("outputs-token").await, [""; 0]);
    for path in ["/-/v1/states", "/-/v1/quarantine"] {
        assert_eq!(with(&server, "unknown-token", "GET", path, "").await.status, 403);
        assert_eq!(ask(server.address, "GET", path, &[], b"").await.status, 401);
    }
}

#[tokio::test]
async fn a_lock_is_taken_met_and_broken() {
    let server = server().await;
    let body = r#"{"reason":"moving house","id":"M"}"#;
    let taken = of(&with(&server, "writer-token", "POST", "/-/v1/lock/team/app", body).await);
    assert_eq!((&taken["lock"]["by"], &taken["lock"]["info"]), (&json!("writer"), &json!("moving house")));
    let met = with(&server, "unlocker-token", "POST", "/-/v1/lock/team/app", r#"{"reason":"me too"}"#).await;
    assert_eq!((met.status, met.code().as_str()), (409, "locked"));
    let broken = with(&server, "writer-token", "DELETE", "/-/v1/lock/team/app?id=M", "").await;
    assert_eq!(of(&broken)["replayed"], false);
    assert_eq!(with(&server, "unlocker-token", "POST", "/-/v1/lock/team/app", r#"{"reason":"r"}"#).await.status, 200);
    for query in ["force=true", "id=x", "id=x&force=true"] {
        let refused = with(&server, "writer-token", "DELETE", &format!("/-/v1/lock/team/app?{query}"), "").await;
        assert!([403, 409].contains(&refused.status), "{query} {}", refused.text());
    }
    let broken = with(&server, "unlocker-token", "DELETE", "/-/v1/lock/team/app?force=true", "").await;
    assert_eq!(of(&broken)["replayed"], false);
}

#[tokio::test]
async fn hostile_requests_get_answers_and_open_nothing() {
    let server = server().await;
    two_versions(&server, "other/app").await;
    let long = "x".repeat(20_000);
    for path in [
        "/-/v1/content/team/..%2fother%2fapp",
        "/-/v1/content/team/%2e%2e/other/app",
        "/-/v1/content/other%2fapp",
        "/-/v1/content//other/app",
        "/-/v1/content/.quarantine/app",
        "/-/v1/content/team/app.lock",
        "/-/v1/content/%00/%ff",
        "/-/v1/../other/app",
        "/%2d/v1/content/other/app",
        "/-/v1/versions/team/app/../../other/app",
        "/-/v1/states/other/app",
        "/-/v1/quarantine/other/app",
        "/-/v1/",
        "/-/v1",
        "/-/v2/states",
        &format!("/-/v1/states?after={long}"),
        &format!("/-/v1/states?prefix={}", long.replace('x', "x%2f")),
        "/-/v1/states?limit=4294967297",
        "/-/v1/states?limit=500&after=%ff%00",
        "/-/v1/states?prefix=%2e%2e%2f&after=%2f%2f",
        "/-/v1/versions/team/app?limit=500&before=9007199254740991",
        "/-/v1/content/team/app?revision=9007199254740991",
        "/-/v1/content/team/app?revision=18446744073709551616",
        "/-/v1/difference/team/app?from=1&to=1",
    ] {
        for method in ["GET", "POST", "DELETE", "LOCK", "PUT", "BREW"] {
            let answer = with(&server, "unlocker-token", method, path, "{}").await;
            let text = answer.text();
            assert!(answer.status < 500, "{method} {path}: {text}");
            assert!(!text.contains("other/app") && !text.contains("SECRET"), "{method} {path}: {text}");
        }
    }
    let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(with(&server, "writer-token", "POST", "/-/v1/lock/team/app", &body).await.status, 413);
    assert_eq!(server.ask("GET", "/other/app", "").await.text(), state(2, 20), "and nothing has changed");
}

#[tokio::test]
async fn a_store_that_cannot_be_looked_back_in_is_said_to_be_away() {
    let gate = Gate::open(Arc::new(Memory::new()));
    gate.close(Error::Unavailable("not checked yet".to_owned()));
    let server = Server::start(Options { store: Arc::new(gate), ..Options::default() }).await;
    for path in ["states", "quarantine", "versions/a/b", "content/a/b", "outputs/a/b", "difference/a/b", "lock/a/b"] {
        let answer = server.ask("GET", &format!("/-/v1/{path}"), "").await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "store-unavailable"), "{path}");
        assert!(answer.header("retry-after").is_some());
    }
}

/// `docs/openapi.yaml` describes the routes that the component has, and no others.
#[tokio::test]
async fn the_description_has_the_routes_of_the_component() {
    let text = include_str!("../../../../docs/openapi.yaml");
    let mut described = BTreeSet::new();
    let mut path = "";
    for line in text.lines() {
        if let Some(found) = line.strip_prefix("  /").and_then(|rest| rest.strip_suffix(':')) {
            path = found.split("/{").next().unwrap();
        } else if let Some(method @ ("get" | "post" | "put" | "delete" | "patch")) =
            line.strip_prefix("    ").and_then(|rest| rest.strip_suffix(':'))
        {
            described.insert((method.to_uppercase(), path.to_owned()));
        }
    }
    let loading = tokio::task::spawn_blocking(|| Engine::new(Limits::default()).unwrap().load(BUILT_IN).unwrap());
    let protocol = loading.await.unwrap();
    let routes = protocol.routes().iter().filter(|route| route.prefix.get(1).is_some_and(|version| version == "v1"));
    let routes: BTreeSet<(String, String)> =
        routes.map(|route| (route.method.clone(), route.prefix.join("/"))).collect();
    assert_eq!(described, routes);
    assert_eq!(routes.len(), 12);
}

/// A long apply costs the history of those before it little.
#[tokio::test]
async fn of_a_finished_run_the_last_version_stays() {
    let server = server().await;
    let mut serial = 0;
    for (run, writes) in [("one", 30), ("two", 2), ("three", 25)] {
        // With more than an ID, or the release would be a forced one, and fence.
        let lock = format!(r#"{{"ID":"{run}","Operation":"OperationTypeApply","Who":"me@here"}}"#);
        assert_eq!(server.ask("LOCK", "/team/app", &lock).await.status, 200);
        for _ in 0..writes {
            serial += 1;
            let posted = server.ask("POST", &format!("/team/app?ID={run}"), &state(serial, serial)).await;
            assert_eq!(posted.status, 200);
        }
        assert_eq!(server.ask("UNLOCK", "/team/app", &lock).await.status, 200);
    }
    let page = of(&server.ask("GET", "/-/v1/versions/team/app?limit=500", "").await);
    let versions: Vec<&Value> =
        page["versions"].as_array().unwrap().iter().filter(|version| version["kind"] == "state").collect();
    let serials: Vec<u64> = versions.iter().rev().map(|version| version["serial"].as_u64().unwrap()).collect();
    assert_eq!(serials, [30, 32].into_iter().chain(37..=57).collect::<Vec<u64>>());
    for version in versions {
        let (revision, serial) = (&version["revision"], version["serial"].as_u64().unwrap());
        let kept = server.ask("GET", &format!("/-/v1/content/team/app?revision={revision}"), "").await;
        assert_eq!(kept.text(), state(serial, serial));
    }
}
