//! The clients: they lock, read, write and unlock as the CLIs do, and break locks that stand in their way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tofu_state_testing::server::http;
use tokio::time::{sleep, timeout};

use super::history::{History, Line};
use crate::wire::{Client, entries, lock_info, serial, state};

/// How long a client waits for an answer, and how often it sends a request of which it knows nothing.
const TIME: Duration = Duration::from_secs(2);
const TRIES: usize = 3;
/// How often a client is told of one and the same holder before it breaks the lock.
const PATIENCE: usize = 40;
/// Between two looks at a lock that is held.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends requests for one state through two servers, and writes them down.
pub(super) struct Driver {
    number: usize,
    path: String,
    servers: [Client; 2],
    history: Arc<History>,
}

/// What came of a request.
pub(super) enum Told {
    /// Status, holder or state, and serial.
    Known(u16, String, u64),
    Unknown,
    /// It was not sent: nobody listened.
    Unsent,
}

impl Told {
    /// Fails unless this is the status.
    pub(super) fn known(&self, expected: u16) {
        assert!(matches!(self, Self::Known(status, ..) if *status == expected), "not answered {expected}");
    }
}

impl Driver {
    pub(super) fn new(number: usize, path: String, urls: [String; 2], history: Arc<History>) -> Self {
        Self { number, path, servers: urls.map(|url| Client::with(http(), url)), history }
    }

    /// One request to the client's usual server.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        lock: &str,
        sent: &str,
        method: &str,
        query: &str,
        body: String,
    ) -> Told {
        self.ask_at(0, (operation, lock, sent), (method, query, &body)).await
    }

    /// One request to a server; `attempt` chooses which.
    async fn ask_at(
        &self,
        attempt: usize,
        (operation, lock, sent): (&'static str, &str, &str),
        (method, query, body): (&str, &str, &str),
    ) -> Told {
        let server = &self.servers[(self.number + attempt) % 2];
        let call = self.history.now();
        let answer = timeout(TIME, server.send(method, query, body.to_owned())).await;
        let end = self.history.now();
        let (status, body) = match answer {
            Ok(Err(error)) if error.is_connect() => return Told::Unsent,
            Ok(Ok(answer)) => (answer.status, answer.body),
            Err(_) | Ok(Err(_)) => (0, bytes::Bytes::new()),
        };
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let (mut seen, mut at_serial) = (sent.to_owned(), 0);
        let mut holder = String::new();
        match (operation, status) {
            ("GET", 200) => {
                seen = entries(&json).concat();
                at_serial = serial(&json);
            }
            (_, 409) => holder = json["ID"].as_str().unwrap_or_default().to_owned(),
            _ => {}
        }
        self.history.add(Line {
            client: self.number,
            path: self.path.clone(),
            operation,
            lock: lock.to_owned(),
            state: seen.clone(),
            holder: holder.clone(),
            status,
            call,
            end,
        });
        match status {
            0 | 500.. => Told::Unknown,
            409 => Told::Known(status, holder, 0),
            _ => Told::Known(status, seen, at_serial),
        }
    }

    /// One request, sent again to the other server where nothing came of it.
    async fn persist(&self, of: (&'static str, &str, &str), request: (&str, &str, &str)) -> Told {
        let (mut attempt, mut unknown) = (0, 0);
        loop {
            match self.ask_at(attempt, of, request).await {
                Told::Known(status, told, serial) => return Told::Known(status, told, serial),
                Told::Unknown => unknown += 1,
                Told::Unsent => {}
            }
            attempt += 1;
            sleep(10 * PAUSE).await;
            if unknown == TRIES || attempt > 100 * TRIES {
                return Told::Unknown;
            }
        }
    }
}

/// A client that goes through its rounds until the history is over.
pub(super) struct Worker {
    driver: Driver,
    round: usize,
}

impl Worker {
    pub(super) fn new(number: usize, path: String, urls: [String; 2], history: Arc<History>) -> Self {
        Self { driver: Driver::new(number, path, urls, history), round: 0 }
    }

    pub(super) async fn work(mut self) {
        while !self.driver.history.is_over() {
            self.round += 1;
            let id = format!("{}.{}", self.driver.number, self.round);
            if self.locks(&id).await {
                self.holds(&id).await;
            }
        }
    }

    async fn locks(&self, id: &str) -> bool {
        let (mut last, mut looks) = (String::new(), 0);
        let info = lock_info(id);
        while !self.driver.history.is_over() {
            match self.driver.persist(("LOCK", id, ""), ("LOCK", "", &info)).await {
                Told::Known(200, ..) => return true,
                Told::Known(409, holder, _) if !holder.is_empty() => {
                    looks = if holder == last { looks + 1 } else { 0 };
                    last = holder;
                    // Now and then at once, while its holder is at work.
                    if looks >= PATIENCE || self.round % 5 == 4 && looks == 1 {
                        self.breaks(&last).await;
                    }
                    sleep(PAUSE).await;
                }
                // It is not known whether it has the lock, or it had it and lost it: this ID is not used again.
                _ => return false,
            }
        }
        false
    }

    /// As OpenTofu's `force-unlock` does it, or Terraform's.
    async fn breaks(&self, holder: &str) {
        if self.round.is_multiple_of(2) {
            self.driver.persist(("BREAK", "", ""), ("UNLOCK", "", "")).await;
        } else {
            let body = json!({"ID": holder}).to_string();
            self.driver.persist(("BREAK", holder, ""), ("UNLOCK", "", &body)).await;
        }
    }

    /// What it does with the lock. It releases it only if nothing is under way that it knows nothing of: that may
    /// be done when the lock is somebody else's, as every client's writes may that gives them up.
    async fn holds(&self, id: &str) {
        let query = format!("?ID={id}");
        let mut at_serial = match self.driver.persist(("GET", "", ""), ("GET", "", "")).await {
            Told::Known(200, _, serial) => serial,
            Told::Known(404, ..) => 0,
            _ => return self.unlocks(id).await,
        };
        for write in 0..2 {
            at_serial += 1;
            let word = format!("{id}-{write}");
            let body = state(at_serial, std::slice::from_ref(&word)).to_string();
            match self.driver.persist(("POST", id, &word), ("POST", &query, &body)).await {
                Told::Known(200, ..) => {}
                Told::Known(..) => return self.unlocks(id).await,
                Told::Unknown | Told::Unsent => return,
            }
        }
        self.driver.persist(("GET", "", ""), ("GET", "", "")).await;
        if self.round % 7 == 6
            && !matches!(self.driver.persist(("DELETE", id, ""), ("DELETE", &query, "")).await, Told::Known(..))
        {
            return;
        }
        self.unlocks(id).await;
    }

    async fn unlocks(&self, id: &str) {
        let info = lock_info(id);
        self.driver.persist(("UNLOCK", id, ""), ("UNLOCK", "", &info)).await;
    }
}
