//! Clients that make whole cycles, LOCK, GET, POST, UNLOCK, and check every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{StatusCode, header};
use tofu_state_testing::server::TOKEN;
use uuid::Uuid;

use super::connection::{Answer, Connection, Pieces};
use super::kv::KvClient;
use crate::dispatch::cycle::lock_info;
use crate::states::States;

/// How often a request that was refused for want of memory, or whose connection broke, is made again.
const TRIES: u32 = 200;

/// How long a client pauses before that. (The CLIs pause a second.)
const PAUSE: Duration = Duration::from_millis(20);

/// What one cycle took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cycle {
    /// LOCK, GET, POST and UNLOCK.
    pub(super) operations: [Duration; 4],
    /// How many requests were made again.
    pub(super) again: u64,
}

impl Cycle {
    /// The whole cycle.
    pub(super) fn whole(&self) -> Duration {
        self.operations.iter().sum()
    }
}

/// One client with a connection and a state of its own.
pub(super) enum Client {
    /// Of the server.
    Server(ServerClient),
    /// Of OpenBao's KV, with no server in between.
    Kv(KvClient),
}

impl Client {
    pub(super) async fn cycle(&mut self) -> anyhow::Result<Cycle> {
        match self {
            Self::Server(client) => client.cycle().await,
            Self::Kv(client) => client.cycle().await,
        }
    }
}

/// A client of the server.
pub(super) struct ServerClient {
    connection: Connection,
    path: String,
    states: Arc<States>,
    serial: u64,
}

impl ServerClient {
    /// A client that writes `states` under `bench/<name>`.
    pub(super) fn new(address: SocketAddr, name: &str, states: Arc<States>) -> anyhow::Result<Self> {
        let token = format!("Bearer {TOKEN}");
        let connection = Connection::new(address, (header::AUTHORIZATION, &token))?;
        Ok(Self { connection, path: format!("/bench/{name}"), states, serial: 0 })
    }

    pub(super) async fn cycle(&mut self) -> anyhow::Result<Cycle> {
        let id = Uuid::new_v4().to_string();
        let info = Pieces::new([lock_info(&id)]);
        let path = self.path.clone();
        let mut cycle = Cycle::default();
        let [lock, get, post, unlock] = &mut cycle.operations;

        let answer = timed(lock, self.ask("LOCK", &path, info.clone(), &mut cycle.again)).await?;
        expect("LOCK", &answer, StatusCode::OK)?;

        let answer = timed(get, self.ask("GET", &path, Pieces::default(), &mut cycle.again)).await?;
        self.check_read(&answer)?;

        let next = self.serial + 1;
        let state = Pieces::new(self.states.with_serial(next));
        let answer = timed(post, self.ask("POST", &format!("{path}?ID={id}"), state, &mut cycle.again)).await?;
        expect("POST", &answer, StatusCode::OK)?;
        self.serial = next;

        let answer = timed(unlock, self.ask("UNLOCK", &path, info, &mut cycle.again)).await?;
        expect("UNLOCK", &answer, StatusCode::OK)?;
        Ok(cycle)
    }

    /// One write without a lock, and the time it took.
    pub(super) async fn post(&mut self) -> anyhow::Result<Duration> {
        let (path, mut time, mut again) = (self.path.clone(), Duration::ZERO, 0);
        let state = Pieces::new(self.states.with_serial(self.serial + 1));
        let answer = timed(&mut time, self.ask("POST", &path, state, &mut again)).await?;
        expect("POST", &answer, StatusCode::OK)?;
        self.serial += 1;
        Ok(time)
    }

    /// One read, and the time it took.
    pub(super) async fn get(&mut self) -> anyhow::Result<Duration> {
        let (path, mut time, mut again) = (self.path.clone(), Duration::ZERO, 0);
        let answer = timed(&mut time, self.ask("GET", &path, Pieces::default(), &mut again)).await?;
        self.check_read(&answer)?;
        Ok(time)
    }

    /// The state with the last serial, byte for byte; none before the first write.
    fn check_read(&self, answer: &Answer) -> anyhow::Result<()> {
        if self.serial == 0 {
            return expect("GET", answer, StatusCode::NOT_FOUND);
        }
        expect("GET", answer, StatusCode::OK)?;
        let same = answer.is(&self.states.with_serial(self.serial));
        anyhow::ensure!(same, "GET gave other bytes than those of serial {}", self.serial);
        Ok(())
    }

    /// As a CLI does, once more after a 503 or a broken connection: all operations may be repeated.
    async fn ask(&mut self, method: &str, target: &str, body: Pieces, again: &mut u64) -> anyhow::Result<Answer> {
        let mut tries = 1;
        loop {
            let answered = self.connection.ask(method, target, body.clone()).await;
            let passing = match &answered {
                Ok(answer) => answer.status == StatusCode::SERVICE_UNAVAILABLE,
                Err(_) => true,
            };
            if !passing || tries == TRIES {
                return answered;
            }
            tries += 1;
            *again += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Adds the time that `work` takes.
pub(super) async fn timed<T>(sum: &mut Duration, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.await;
    *sum += start.elapsed();
    done
}

/// An error that says what was answered instead.
pub(super) fn expect(method: &str, answer: &Answer, wanted: StatusCode) -> anyhow::Result<()> {
    let status = answer.status;
    anyhow::ensure!(status == wanted, "{method} was answered {}: {}", status.as_u16(), answer.excerpt());
    Ok(())
}

/// A document that stands for a lock, for the floors.
pub(super) fn lock_document(held: bool) -> Bytes {
    let info = lock_info("0b7c8f5e-0000-4000-8000-000000000000");
    let state = if held { "held" } else { "free" };
    let text = String::from_utf8_lossy(&info).into_owned();
    Bytes::from(format!("{{\"format\":1,\"kind\":\"{state}\",\"info\":{text}}}"))
}
