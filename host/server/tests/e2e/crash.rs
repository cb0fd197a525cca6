//! What is left when the server or its OpenBao dies in the middle of writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Error;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::eventually;
use tokio::task::JoinSet;

use crate::common::{PATIENCE, Site, server};
use crate::wire::{Answer, Client, serial, state};

/// How often the server is killed.
const KILLS: usize = 50;
/// How many clients write meanwhile.
const WRITERS: usize = 4;

/// A client that locks, writes and unlocks for ever, and what it may rely on.
struct Writer {
    number: usize,
    round: usize,
    /// The newest serial whose write was acknowledged, and the newest that was sent.
    acknowledged: u64,
    sent: u64,
    /// The lock that it was told to have and has not tried to release.
    holds: Option<String>,
}

impl Writer {
    /// Works until the server is gone.
    async fn work(&mut self, client: &Client, acknowledged: &AtomicUsize) -> Error {
        loop {
            if let Err(error) = self.cycle(client, acknowledged).await {
                return error;
            }
        }
    }

    async fn cycle(&mut self, client: &Client, acknowledged: &AtomicUsize) -> Result<(), Error> {
        self.round += 1;
        let id = format!("writer-{}-{}", self.number, self.round);
        client.lock(&id).await?.expect(200);
        self.holds = Some(id.clone());
        for _ in 0..3 {
            self.sent += 1;
            client.post(&self.content(self.sent), Some(&id)).await?.expect(200);
            self.acknowledged = self.sent;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.holds = None;
        client.unlock(&id).await?.expect(200);
        Ok(())
    }

    fn content(&self, serial: u64) -> serde_json::Value {
        state(serial, &[format!("writer {} wrote {serial}", self.number)])
    }

    /// Checks what the server says after it was killed, and makes the path free again.
    async fn check(&mut self, client: &Client) {
        let answer = client.get().await.unwrap();
        let found = if answer.status == 404 { 0 } else { serial(&answer.expect(200).json()) };
        assert!((self.acknowledged..=self.sent).contains(&found), "{found} is not what was acknowledged and sent");
        if found > 0 {
            assert_eq!(client.get().await.unwrap().expect(200).body, self.content(found).to_string());
        }
        (self.acknowledged, self.sent) = (found, found);
        // The lock that it holds is there still; one whose release was not acknowledged may be.
        if let Some(id) = self.holds.take() {
            let holder = client.lock("somebody-else").await.unwrap().expect(409).json();
            assert_eq!(holder["ID"], id.as_str());
        }
        client.unlock(&format!("writer-{}-{}", self.number, self.round)).await.unwrap().expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_fifty_kills_of_the_embedded_store() {
    let Site { mut server, .. } = Site::embedded().await;
    let mut writers: Vec<_> =
        (0..WRITERS).map(|number| Writer { number, round: 0, acknowledged: 0, sent: 0, holds: None }).collect();
    for kill in 0..KILLS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for mut writer in writers.drain(..) {
            let client = Client::new(&server, &format!("team/writer-{}", writer.number));
            let acknowledged = Arc::clone(&acknowledged);
            tasks.spawn(async move {
                writer.work(&client, &acknowledged).await;
                writer
            });
        }
        // Each time at another point of the work.
        let enough = kill + 1;
        eventually("writes", PATIENCE, async || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())).await;
        server.kill9();
        writers = tasks.join_all().await;
        server.restart().await;
        for writer in &mut writers {
            let client = Client::new(&server, &format!("team/writer-{}", writer.number));
            writer.check(&client).await;
        }
    }
}

/// What a client has lived through that writes whatever happens to the store.
#[derive(Default)]
struct Diary {
    /// Writes that were acknowledged.
    written: AtomicUsize,
    /// Writes that were not, because there was no store.
    refused: AtomicUsize,
    /// How many are to be written.
    wanted: AtomicUsize,
}

impl Diary {
    async fn until_more(&self, what: &str, count: &AtomicUsize, more: usize) {
        let enough = count.load(Ordering::Relaxed) + more;
        eventually(what, PATIENCE, async || (count.load(Ordering::Relaxed) >= enough).then_some(())).await;
    }
}

/// Writes serials from 1 on, each until it is acknowledged. Reads after each: a state must be there, or an
/// error, never nothing and never an older one.
async fn write_through_trouble(client: &Client, diary: &Diary) {
    let mut serial_now = 0;
    while diary.written.load(Ordering::Relaxed) < diary.wanted.load(Ordering::Relaxed) {
        serial_now += 1;
        loop {
            let answer = client.post(&state(serial_now, &[]), None).await.unwrap();
            if answer.status == 200 {
                break;
            }
            // Whether it was written nobody knows: the same bytes again are right either way.
            is_no_store(&answer);
            diary.refused.fetch_add(1, Ordering::Relaxed);
            read(client, serial_now - 1, serial_now).await;
        }
        diary.written.fetch_add(1, Ordering::Relaxed);
        read(client, serial_now, serial_now).await;
    }
}

async fn read(client: &Client, at_least: u64, at_most: u64) {
    let answer = client.get().await.unwrap();
    match answer.status {
        200 => {
            let found = serial(&answer.json());
            assert!((at_least..=at_most).contains(&found), "read {found} after {at_least}");
        }
        404 => assert_eq!(at_least, 0, "{answer:?}"),
        _ => is_no_store(&answer),
    }
}

fn is_no_store(answer: &Answer) {
    assert!(answer.status == 504 || answer.status == 503 && answer.retry_after.is_some(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openbao_killed_in_the_middle_of_writes() {
    let mut bao = Bao::raft().await;
    let server = server().openbao(&bao.address(), bao.token()).set("STORE_WAIT", "1s").start().await;
    let diary = Arc::new(Diary { wanted: AtomicUsize::new(usize::MAX), ..Diary::default() });
    let client = Client::new(&server, "team/app");
    let writing = {
        let diary = Arc::clone(&diary);
        tokio::spawn(async move { write_through_trouble(&client, &diary).await })
    };
    for _ in 0..3 {
        diary.until_more("writes", &diary.written, 20).await;
        bao.kill9();
        diary.until_more("refused writes", &diary.refused, 2).await;
        bao.start();
        bao.unseal().await;
    }
    // It has recovered by itself: more is written.
    diary.wanted.store(diary.written.load(Ordering::Relaxed) + 20, Ordering::Relaxed);
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_openbao_is_an_error_until_it_is_unsealed() {
    let bao = Bao::raft().await;
    let server = server().openbao(&bao.address(), bao.token()).set("STORE_WAIT", "0s").start().await;
    let client = Client::new(&server, "team/app");
    client.lock("me").await.unwrap().expect(200);
    client.post(&state(1, &[]), Some("me")).await.unwrap().expect(200);

    bao.seal().await;
    let answers = [
        client.get().await.unwrap(),
        client.post(&state(2, &[]), Some("me")).await.unwrap(),
        client.unlock("me").await.unwrap(),
        client.lock("other").await.unwrap(),
        Client::new(&server, "team/never-written").get().await.unwrap(),
    ];
    for answer in answers {
        let answer = answer.expect(503);
        assert!(answer.retry_after.is_some(), "{answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("sealed"), "{answer:?}");
    }

    bao.unseal().await;
    bao.until_health(&[200]).await;
    eventually("the server after the unseal", PATIENCE, async || {
        (client.get().await.unwrap().status == 200).then_some(())
    })
    .await;
    client.post(&state(2, &[]), Some("me")).await.unwrap().expect(200);
    client.unlock("me").await.unwrap().expect(200);
    Client::new(&server, "team/never-written").get().await.unwrap().expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_before_its_openbao() {
    let mut bao = Bao::raft().await;
    bao.kill9();
    let server = server().openbao(&bao.address(), bao.token()).set("STORE_WAIT", "0s").start().await;
    let client = Client::new(&server, "team/app");
    client.get().await.unwrap().expect(503);
    bao.start();
    bao.unseal().await;
    bao.until_health(&[200]).await;
    eventually("the server with its store", PATIENCE, async || {
        (client.get().await.unwrap().status == 404).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_server_ends_well_and_keeps_all() {
    let Site { mut server, .. } = Site::embedded().await;
    Client::new(&server, "team/app").post(&state(1, &[]), None).await.unwrap().expect(200);
    assert!(server.terminate().await.success(), "{}", server.log());
    server.restart().await;
    let kept = Client::new(&server, "team/app").get().await.unwrap().expect(200);
    assert_eq!(kept.body, state(1, &[]).to_string());
}
