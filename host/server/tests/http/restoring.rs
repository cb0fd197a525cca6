//! A restore whose server dies at a call of its store, any of them and on every store: the state is the old one or the
//! new one, whole, and the restore can be run once more.

use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tofu_state_client::ask::Answers;
use tofu_state_client::error::Error;
use tofu_state_client::settings::{Flags, PASSWORD, Settings};
use tofu_state_client::state::{Context, Task, perform};
use tofu_state_store::History;
use tofu_state_store::embedded::{self, Embedded};
use tofu_state_store::layout::{self, Layout};
use tofu_state_store::memory::Memory;
use tofu_state_store::openbao::{self, OpenBao};
use tofu_state_store::testing::dying::Dying;
use tofu_state_testing::bao::Bao;

use crate::support::{Options, Server, TOKEN};

/// What one entry of the store is given.
const ENTRY: usize = 4096;

/// What states lie in; a server that has died leaves it as it is.
enum Ground<'a> {
    Memory(Arc<Memory>),
    Embedded(tempfile::TempDir, Option<Arc<Embedded>>),
    OpenBao(&'a Bao),
}

impl Ground<'_> {
    fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap(), None)
    }

    /// The store as a server that starts finds it: the one before has let go of it.
    fn opened(&mut self) -> Arc<dyn History> {
        match self {
            Self::Memory(memory) => Arc::clone(memory) as _,
            Self::Embedded(folder, opened) => {
                if let Some(before) = opened.take() {
                    before.close();
                }
                let store = Arc::new(Embedded::open(embedded::Settings::new(folder.path())).unwrap());
                *opened = Some(Arc::clone(&store));
                store
            }
            Self::OpenBao(bao) => {
                let settings = openbao::Settings {
                    address: bao.address(),
                    namespace: None,
                    login: SecretString::from(bao.token().to_owned()).into(),
                    mount: openbao::DEFAULT_MOUNT.to_owned(),
                    ca_certificate: None,
                    keep_versions: 100,
                    call_timeout: openbao::DEFAULT_CALL_TIMEOUT,
                };
                Arc::new(OpenBao::new(settings).unwrap())
            }
        }
    }
}

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

/// `tofu-state state restore team/<project> 1 --yes`.
async fn restore(address: SocketAddr, project: &str) -> Result<(), Error> {
    let flags = Flags { server: Some(format!("http://{address}")), ..Flags::default() };
    let settings = Settings::read(&flags, &|name| (name == PASSWORD).then(|| TOKEN.into())).unwrap();
    let task = Task::Restore { path: format!("team/{project}"), revision: 1, other_lineage: false };
    perform(&task, &mut Context { settings: &settings, answers: Answers::Yes, json: false, out: Vec::new() }).await
}

async fn state(server: &Server, place: &str) -> String {
    let answer = server.ask("GET", place, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// Kills the server at every call, each time on fresh ground, and gives how many calls there are.
async fn killed_at_every_call<'a>(fresh: impl Fn() -> Ground<'a>, bytes: usize, last_is_done: bool) -> usize {
    let (old, new) = (content(2, 2, bytes), content(1, 3, bytes));
    for answered in 0.. {
        let mut ground = fresh();
        // OpenBao is one for all.
        let project = format!("app-{bytes}-{last_is_done}-{answered}");
        let place = format!("/team/{project}");
        let server = serve(ground.opened()).await;
        for body in [&content(1, 1, bytes), &old] {
            assert_eq!(server.ask("POST", &place, body).await.status, 200);
        }
        end(&server);

        let dying = Arc::new(Dying::new(ground.opened(), answered, last_is_done));
        let server = serve(dying.clone()).await;
        let finished = tokio::select! {
            done = restore(server.address, &project) => {
                done.map(|()| true).unwrap_or_else(|error| panic!("{answered}: {error}"))
            }
            () = dying.died() => false,
        };
        end(&server);

        let server = serve(ground.opened()).await;
        let found = state(&server, &place).await;
        assert!(found == new || !finished && found == old, "after {answered} calls there is another state: {found}");
        let again = restore(server.address, &project).await;
        again.unwrap_or_else(|error| panic!("once more after {answered} calls: {error}"));
        assert!(state(&server, &place).await == new, "once more after {answered} calls");
        // Nobody holds it any more.
        assert_eq!(server.ask("LOCK", &place, r#"{"ID":"next"}"#).await.status, 200);
        end(&server);
        if finished {
            return answered;
        }
    }
    panic!("no number of calls is enough")
}

/// Of a small state, and of one in chunks; with the call at which it dies done, and not.
async fn dies_at_any_call<'a>(fresh: impl Fn() -> Ground<'a>) {
    for last_is_done in [false, true] {
        let calls = killed_at_every_call(&fresh, 200, last_is_done).await;
        assert!(calls >= 6, "{calls}: a LOCK, reads, a POST and an UNLOCK");
        let calls = killed_at_every_call(&fresh, 5 * ENTRY, last_is_done).await;
        assert!(calls >= 10, "{calls}: each chunk is a call");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_dies_at_any_call_leaves_the_old_state_or_the_new_one() {
    dies_at_any_call(|| Ground::Memory(Arc::new(Memory::keeping(100)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_on_the_embedded_store() {
    dies_at_any_call(Ground::embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_on_openbao() {
    let bao = Bao::dev().await;
    dies_at_any_call(|| Ground::OpenBao(&bao)).await;
}
