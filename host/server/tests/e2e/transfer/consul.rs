//! States in Consul, from a stand-in that answers as Consul 1.15 does, with values as OpenTofu's `consul` backend
//! leaves them there: plain, compressed, and in pieces.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use md5::{Digest, Md5};
use serde_json::json;

use super::{States, count, holds, states};
use crate::common::server;
use crate::states::stand_in::serve;
use crate::states::{Ended, program};

const TOKEN: &str = "consul-hunter2";
/// One that may not read all there is.
const NARROW: &str = "consul-narrow";
/// How large the stand-in's values may be. (Consul's: 512 KiB.)
const LARGEST: usize = 1024;

/// Values by key.
type Values = BTreeMap<String, Vec<u8>>;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes a state as the backend does.
fn put(values: &mut Values, key: &str, state: &[u8], compressed: bool) {
    let value = if compressed { gzip(state) } else { state.to_vec() };
    if value.len() <= LARGEST {
        values.insert(key.to_owned(), value);
        return;
    }
    let md5 = hex::encode(Md5::digest(state));
    let mut pieces = Vec::new();
    for (number, piece) in value.chunks(LARGEST).enumerate() {
        let piece_key = format!("{key}/tfstate.{md5}/{number}");
        values.insert(piece_key.clone(), piece.to_vec());
        pieces.push(piece_key);
    }
    values.insert(key.to_owned(), json!({ "current-hash": md5, "chunks": pieces }).to_string().into());
}

async fn consul(values: Values) -> String {
    let values = Arc::new(values);
    serve(move |request| {
        let values = Arc::clone(&values);
        async move { answer(&values, &request) }
    })
    .await
}

fn answer(values: &Values, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let reply = |status: u16, body: Bytes| {
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status.try_into().unwrap();
        response
    };
    let token = request.headers().get("x-consul-token").map(|token| token.to_str().unwrap());
    if token != Some(TOKEN) && token != Some(NARROW) {
        return reply(403, Bytes::from_static(b"Permission denied: token with AccessorID '0000' lacks permission"));
    }
    let key = request.uri().path().strip_prefix("/v1/kv/").unwrap().replace("%3A", ":");
    match request.uri().query() {
        Some("keys&consistent") => {
            let keys: Vec<_> = values.keys().filter(|name| name.starts_with(&key)).collect();
            if keys.is_empty() {
                return reply(404, Bytes::new());
            }
            let mut response = reply(200, serde_json::to_vec(&keys).unwrap().into());
            if token == Some(NARROW) {
                let filtered = http::HeaderValue::from_static("true");
                response.headers_mut().insert("x-consul-results-filtered-by-acls", filtered);
            }
            response
        }
        Some("raw&consistent") => match values.get(&key) {
            Some(value) => reply(200, value.clone().into()),
            None => reply(404, Bytes::new()),
        },
        other => panic!("the stand-in does not know {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_states_from_consul() {
    let all = states(1000);
    let mut values = Values::new();
    for (number, (name, state)) in all.iter().enumerate() {
        put(&mut values, &format!("terraform/{name}"), state, number.is_multiple_of(3));
    }
    let is_first = |(key, _): &(&String, &Vec<u8>)| key.contains("/tfstate.") && key.ends_with("/0");
    let first = values.iter().filter(is_first).map(|(_, piece)| piece[0]);
    let (compressed, plain): (Vec<_>, Vec<_>) = first.partition(|byte| *byte == 0x1f);
    assert!(compressed.len() >= 2 && plain.len() >= 2, "{compressed:?} and {plain:?} lie in pieces");
    // What lies beside states there.
    for beside in ["group-0/project-0/.lock", "group-0/project-0/.lockinfo", "group-0/"] {
        values.insert(format!("terraform/{beside}"), b"{}".to_vec());
    }
    values.insert("elsewhere".to_owned(), b"not asked for".to_vec());
    let (consul, server) = (consul(values).await, server().start().await);
    let import = async |prefix: &str, token: &str| {
        let mut command = program(&server.url(""));
        command.env("CONSUL_HTTP_ADDR", consul.strip_prefix("http://").unwrap()).env("CONSUL_HTTP_TOKEN", token);
        command.args(["import", "consul", "--prefix", prefix, "--strip", "terraform", "--apply", "--json"]);
        tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap()
    };
    import("terraform/", "wrong").await.failure("Permission denied").failure("status 403");
    import("terraform/", NARROW).await.failure("may not read all keys");
    import("nothing/", TOKEN).await.failure("there is nothing");
    let report = import("terraform/", TOKEN).await.success().json();
    assert_eq!((count(&report, "imported"), count(&report, "skipped")), (1000, 3));
    holds(&server, &all, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_that_do_not_fit_together_are_no_state() {
    let mut all = States::new();
    for name in ["whole", "missing", "exchanged"] {
        let text = format!(r#"{{"version":4,"serial":1,"lineage":"{name}","x":"{}"}}"#, name.repeat(LARGEST));
        all.insert(name.to_owned(), text.into_bytes());
    }
    let mut values = Values::new();
    for (name, state) in &all {
        put(&mut values, &format!("team/{name}"), state, false);
    }
    values.insert("team/net-env:prod".to_owned(), br#"{"version":4,"serial":1,"lineage":"p"}"#.to_vec());
    let piece =
        |name: &str, number: usize| format!("team/{name}/tfstate.{}/{number}", hex::encode(Md5::digest(&all[name])));
    values.remove(&piece("missing", 1));
    values.get_mut(&piece("exchanged", 1)).unwrap()[0] ^= 1;
    let (consul, server) = (consul(values).await, server().start().await);
    let mut command = program(&server.url(""));
    command.env("CONSUL_HTTP_TOKEN", TOKEN).args(["import", "consul", "--address", &consul, "--prefix", "team/"]);
    command.args(["--rename", "-env:", "-", "--apply", "--json"]);
    let ended = tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap();
    let report = ended.failure("2 of 4 states need a look").json();
    assert_eq!((count(&report, "imported"), count(&report, "failed")), (2, 2));
    let reason = |name: &str| {
        let states = report["states"].as_array().unwrap();
        let found = states.iter().find(|state| state["name"] == format!("team/{name}")).unwrap();
        found["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("missing").contains("is missing"), "{}", reason("missing"));
    assert!(reason("exchanged").contains("MD5"), "{}", reason("exchanged"));
}
