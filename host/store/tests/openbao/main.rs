//! The OpenBao driver against real OpenBao servers: dev mode, raft storage, and three nodes;
//! and what goes over the wire, against a server that is made up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; clippy takes only marked functions for tests"
)]

mod check;
mod cluster;
mod documents;
mod login;
mod raft;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use tofu_state_store::openbao::{DEFAULT_MOUNT, OpenBao, Settings};
use tofu_state_store::{Error, Key, Outcome, Retention, Revision, Slot, Store, Write};
use tofu_state_testing::bao::Bao;

/// Settings for the server at `address`, with all the rest as it is by default.
fn settings(address: &str, token: &str) -> Settings {
    Settings {
        address: address.to_owned(),
        namespace: None,
        login: SecretString::from(token.to_owned()).into(),
        mount: DEFAULT_MOUNT.to_owned(),
        ca_certificate: None,
        keep_versions: 100,
        call_timeout: Duration::from_secs(10),
    }
}

fn open(address: &str, token: &str) -> OpenBao {
    OpenBao::new(settings(address, token)).unwrap()
}

fn store(bao: &Bao) -> OpenBao {
    open(&bao.address(), bao.token())
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn write(meta: &str, content: Option<&[u8]>, expected: Revision) -> Write {
    Write {
        meta: Bytes::copy_from_slice(meta.as_bytes()),
        content: content.map(Bytes::copy_from_slice),
        expected,
        retention: Retention::Latest,
    }
}

async fn put(store: &OpenBao, key: &Key, meta: &str, expected: Revision) -> Result<Outcome, Error> {
    store.put_cas(key, write(meta, None, expected)).await
}

/// The meta of what lies under `key`, and its revision.
async fn meta(store: &OpenBao, key: &Key) -> (String, Revision) {
    match store.get(key).await {
        Ok(Slot::Entry(entry)) => (String::from_utf8(entry.meta.to_vec()).unwrap(), entry.revision),
        other => panic!("{key}: {other:?}"),
    }
}
