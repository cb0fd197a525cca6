//! Stores that have lost something, refuse something, or are full: what the client is told, and that the state of
//! before is whole.

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tofu_state_testing::bao::Bao;

use crate::common::server;
use crate::large::digits;
use crate::wire::Client;

/// A state that does not compress to less than half of so many bytes.
fn dense(serial: u64, bytes: usize) -> Bytes {
    let outputs = json!({"digits": {"value": digits(bytes), "type": "string"}});
    let state = json!({"version": 4, "serial": serial, "lineage": "dense", "outputs": outputs, "resources": []});
    state.to_string().into()
}

async fn post(client: &Client, state: &Bytes) -> crate::wire::Answer {
    client.send("POST", "", state.clone()).await.unwrap()
}

async fn holds(client: &Client, state: &Bytes) {
    assert!(client.get().await.unwrap().expect(200).body == *state, "the state is another one");
}

/// No file of the server may grow: as on a full disk, but it needs no disk of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_a_503_and_passes_when_there_is_room() {
    let mut server = server().start().await;
    let client = Client::new(&server, "full/disk");
    let (small, large) = (dense(1, 1000), dense(2, 12 << 20));
    post(&client, &small).await.expect(200);
    let file = server.folder().join("data/states.redb");
    server.process().limit_files(Some(std::fs::metadata(file).unwrap().len()));
    for _ in 0..2 {
        let refused = post(&client, &large).await.expect(503);
        assert_eq!(refused.json()["error"]["code"], "store-full", "{refused:?}");
        assert!(refused.retry_after.is_some(), "{refused:?}");
        holds(&client, &small).await;
    }
    server.process().limit_files(None);
    post(&client, &large).await.expect(200);
    holds(&client, &large).await;
    server.restart().await;
    holds(&Client::new(&server, "full/disk"), &large).await;
}

/// A chunk that is gone, and one in another's place, by OpenBao's own tools.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_lost_or_wrong_is_told_by_its_name_until_it_is_put_back() {
    let bao = Bao::raft().await;
    let server = server().openbao(&bao.address(), bao.token()).start().await;
    let client = Client::new(&server, "lost/chunk");
    let state = dense(1, 4 << 20);
    post(&client, &state).await.expect(200);
    holds(&client, &state).await;
    let call = async |method, path: &str, body: Option<Value>| {
        let (status, answer) = bao.api(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    };
    let chunk = async |number: usize| {
        let folder = ".chunks/lost/chunk";
        let sets = call(Method::GET, &format!("states/metadata/{folder}?list=true"), None).await;
        let sets = sets["data"]["keys"].as_array().unwrap();
        assert_eq!(sets.len(), 1, "{sets:?}");
        format!("{folder}/{}{number}", sets[0].as_str().unwrap())
    };
    let refused = async |says: [&str; 3]| {
        let answer = client.get().await.unwrap().expect(502).json();
        assert_eq!(answer["error"]["code"], "store-corrupt", "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(says.iter().all(|said| message.contains(said)), "{message}");
    };

    let (one, two) = (chunk(1).await, chunk(2).await);
    let read =
        async |chunk: &str| call(Method::GET, &format!("states/data/{chunk}"), None).await["data"]["data"].take();
    let write = async |chunk: &str, data: &Value| {
        call(Method::POST, &format!("states/data/{chunk}"), Some(json!({"data": data}))).await
    };
    let (own, other) = (read(&one).await, read(&two).await);
    write(&one, &other).await;
    refused(["chunk 1 ", "`lost/chunk`", "not what was written"]).await;
    call(Method::DELETE, &format!("states/metadata/{one}"), None).await;
    refused(["chunk 1 ", "`lost/chunk`", "is missing"]).await;

    // Nor is it written over: nobody knows what it is.
    post(&client, &dense(2, 1000)).await.expect(502);

    write(&one, &own).await;
    holds(&client, &state).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_openbao_refuses_is_a_413_that_says_what_to_set() {
    let bao = Bao::raft_with_entries_of(256 << 10).await;
    let server = server().openbao(&bao.address(), bao.token()).start().await;
    let client = Client::new(&server, "small/entries");
    let (small, large) = (dense(1, 20_000), dense(2, 4 << 20));
    post(&client, &small).await.expect(200);
    let refused = post(&client, &large).await.expect(413).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("262144 bytes") && message.contains("raise `max_entry_size`"), "{message}");
    holds(&client, &small).await;
    let next = dense(3, 40_000);
    post(&client, &next).await.expect(200);
    holds(&client, &next).await;
}
