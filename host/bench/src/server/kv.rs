//! The floor on OpenBao: the four KV calls that a cycle cannot do without, made directly. The lock is written
//! by compare-and-set, the state is read and written, the lock is written again; the state is one string, as
//! it is.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::clients::{Cycle, expect, lock_document, timed};
use super::connection::{Answer, Connection, Pieces};
use crate::states::States;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// A state as a piece of JSON: a string's inside, which a client has to escape once however often it writes.
struct Escaped {
    states: Arc<States>,
    tail: Bytes,
}

impl Escaped {
    fn new(states: Arc<States>) -> anyhow::Result<Self> {
        let [_, tail] = states.with_serial(1);
        let tail = escape(&tail)?;
        Ok(Self { states, tail })
    }

    fn with_serial(&self, serial: u64) -> anyhow::Result<[Bytes; 2]> {
        let [head, _] = self.states.with_serial(serial);
        Ok([escape(&head)?, self.tail.clone()])
    }
}

/// The inside of a JSON string. Go escapes the same characters, and `<`, `>`, `&` besides, which a state
/// does not have: the CLIs write it with the same rules.
fn escape(bytes: &[u8]) -> anyhow::Result<Bytes> {
    let string = serde_json::to_string(std::str::from_utf8(bytes)?)?;
    let inside = string.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).context("no string")?;
    Ok(Bytes::copy_from_slice(inside.as_bytes()))
}

/// A client of OpenBao's KV.
pub(super) struct KvClient {
    connection: Connection,
    state_path: String,
    lock_path: String,
    escaped: Escaped,
    /// The states' serial, which is their KV version too.
    serial: u64,
    lock_version: u64,
}

/// The parts of KV's answer to a read that are looked at, undecoded.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    data: ReadData<'a>,
}

#[derive(Deserialize)]
struct ReadData<'a> {
    #[serde(borrow)]
    data: Document<'a>,
    metadata: Version,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Written {
    data: Version,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl KvClient {
    /// A client that writes `states` under `floor/<name>` in the mount `plain`.
    pub(super) fn new(address: SocketAddr, token: &str, name: &str, states: Arc<States>) -> anyhow::Result<Self> {
        Ok(Self {
            connection: Connection::new(address, (TOKEN, token))?,
            state_path: format!("/v1/plain/data/floor/{name}"),
            lock_path: format!("/v1/plain/data/floor/{name}.lock"),
            escaped: Escaped::new(states)?,
            serial: 0,
            lock_version: 0,
        })
    }

    pub(super) async fn cycle(&mut self) -> anyhow::Result<Cycle> {
        let mut cycle = Cycle::default();
        let [lock, get, post, unlock] = &mut cycle.operations;
        timed(lock, self.write_lock(true)).await?;
        timed(get, self.read()).await?;
        timed(post, self.write()).await?;
        timed(unlock, self.write_lock(false)).await?;
        Ok(cycle)
    }

    async fn write_lock(&mut self, held: bool) -> anyhow::Result<()> {
        let document = escape(&lock_document(held))?;
        let answer = self.put(&self.lock_path.clone(), [document, Bytes::new()], self.lock_version).await?;
        self.lock_version = written(&answer, self.lock_version)?;
        Ok(())
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let content = self.escaped.with_serial(self.serial + 1)?;
        let answer = self.put(&self.state_path.clone(), content, self.serial).await?;
        self.serial = written(&answer, self.serial)?;
        Ok(())
    }

    async fn put(&mut self, path: &str, [head, tail]: [Bytes; 2], cas: u64) -> anyhow::Result<Answer> {
        let begin = Bytes::from(format!("{{\"options\":{{\"cas\":{cas}}},\"data\":{{\"content\":\""));
        let end = Bytes::from_static(b"\"}}");
        self.connection.ask("POST", path, Pieces::new([begin, head, tail, end])).await
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let answer = self.connection.ask("GET", &self.state_path, Pieces::default()).await?;
        if self.serial == 0 {
            return expect("GET", &answer, StatusCode::NOT_FOUND);
        }
        expect("GET", &answer, StatusCode::OK)?;
        let body = answer.body();
        let read: Read<'_> = serde_json::from_slice(&body).context("OpenBao's answer")?;
        let [head, tail] = self.escaped.with_serial(self.serial)?;
        let found = read.data.data.content.get().as_bytes();
        let inside = found.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default();
        let same = inside.strip_prefix(head.as_ref()) == Some(tail.as_ref());
        anyhow::ensure!(same && read.data.metadata.version == self.serial, "KV gave another document");
        Ok(())
    }
}

fn written(answer: &Answer, expected: u64) -> anyhow::Result<u64> {
    expect("KV's write", answer, StatusCode::OK)?;
    let written: Written = serde_json::from_slice(&answer.body()).context("OpenBao's answer")?;
    anyhow::ensure!(written.data.version == expected + 1, "KV wrote version {}", written.data.version);
    Ok(written.data.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_states_are_the_inside_of_a_string() {
        let states = Arc::new(States::new(20_000, 5));
        let escaped = Escaped::new(Arc::clone(&states)).unwrap();
        let string = format!("\"{}\"", String::from_utf8(escaped.with_serial(9).unwrap().concat()).unwrap());
        let text: String = serde_json::from_str(&string).unwrap();
        assert_eq!(text.as_bytes(), states.whole(9));
        assert!(!text.contains(['<', '>', '&']));
    }
}
