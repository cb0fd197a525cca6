//! A restore whose server dies at a call of its store, any of them: the state is the old one or the new one, whole, and
//! the restore can be run once more.

use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tofu_state_client::ask::Answers;
use tofu_state_client::error::Error;
use tofu_state_client::settings::{Flags, PASSWORD, Settings};
use tofu_state_client::state::{Context, Task, perform};
use tofu_state_store::History;
use tofu_state_store::layout::{self, Layout};
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::dying::Dying;

use crate::support::{Options, Server, TOKEN};

/// What one entry of the store is given.
const ENTRY: usize = 4096;

/// The content of version `of`, of about `bytes` bytes that cannot be compressed to half of that.
fn content(of: u8, serial: u64, bytes: usize) -> String {
    let digest = |number: usize| hex::encode(Sha256::digest(format!("{of} {number}")));
    let value: String = (0..bytes.div_ceil(64)).map(digest).collect();
    format!(
        r#"{{"version":4,"terraform_version":"1.12.6","serial":{serial},"lineage":"l","outputs":{{"value":{{"value":"{value}","type":"string"}}}},"resources":[]}}"#
    )
}

async fn serve(store: Arc<dyn History>) -> Server {
    let settings = layout::Settings { entry_bytes: Some(ENTRY), ..layout::Settings::undivided() };
    Server::start(Options { store: Arc::new(Layout::new(store, settings)), ..Options::default() }).await
}

/// Nobody is answered by it any more.
fn end(server: &Server) {
    server.stop.cancel();
    server.abort.cancel();
}

/// `tofu-state state restore team/app 1 --yes`.
async fn restore(address: SocketAddr) -> Result<(), Error> {
    let flags = Flags { server: Some(format!("http://{address}")), ..Flags::default() };
    let settings = Settings::read(&flags, &|name| (name == PASSWORD).then(|| TOKEN.into())).unwrap();
    let task = Task::Restore { path: "team/app".to_owned(), revision: 1, other_lineage: false };
    perform(&task, &mut Context { settings: &settings, answers: Answers::Yes, json: false, out: Vec::new() }).await
}

async fn state(server: &Server) -> String {
    let answer = server.ask("GET", "/team/app", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// Kills the server at every call, and gives how many there are.
async fn killed_at_every_call(bytes: usize, last_is_done: bool) -> usize {
    let (old, new) = (content(2, 2, bytes), content(1, 3, bytes));
    for answered in 0.. {
        let memory: Arc<Memory> = Arc::new(Memory::keeping(100));
        let server = serve(memory.clone()).await;
        for body in [&content(1, 1, bytes), &old] {
            assert_eq!(server.ask("POST", "/team/app", body).await.status, 200);
        }
        end(&server);

        let dying = Arc::new(Dying::new(memory.clone(), answered, last_is_done));
        let server = serve(dying.clone()).await;
        let finished = tokio::select! {
            done = restore(server.address) => done.map(|()| true).unwrap_or_else(|error| panic!("{answered}: {error}")),
            () = dying.died() => false,
        };
        end(&server);

        let server = serve(memory).await;
        let found = state(&server).await;
        assert!(found == new || !finished && found == old, "after {answered} calls there is another state: {found}");
        restore(server.address).await.unwrap_or_else(|error| panic!("once more after {answered} calls: {error}"));
        assert!(state(&server).await == new, "once more after {answered} calls");
        // Nobody holds it any more.
        assert_eq!(server.ask("LOCK", "/team/app", r#"{"ID":"next"}"#).await.status, 200);
        end(&server);
        if finished {
            return answered;
        }
    }
    panic!("no number of calls is enough")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_dies_at_any_call_leaves_the_old_state_or_the_new_one() {
    for last_is_done in [false, true] {
        let calls = killed_at_every_call(200, last_is_done).await;
        assert!(calls >= 6, "{calls}: a LOCK, reads, a POST and an UNLOCK");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_of_a_state_in_chunks() {
    for last_is_done in [false, true] {
        let calls = killed_at_every_call(5 * ENTRY, last_is_done).await;
        assert!(calls >= 10, "{calls}: each chunk is a call");
    }
}
