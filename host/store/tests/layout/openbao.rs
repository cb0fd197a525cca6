//! On a real OpenBao: with raft storage, whose entries take 1 MiB, where sizes matter.

use secrecy::SecretString;
use serde_json::json;
use tofu_state_store::Error;
use tofu_state_store::layout::OPENBAO_ENTRY_BYTES;
use tofu_state_store::openbao::{self, DEFAULT_CALL_TIMEOUT, DEFAULT_MOUNT, OpenBao};
use tofu_state_testing::bao::Bao;

use super::*;

pub(crate) fn store_with(bao: &Bao, token: &str, keep_versions: u32) -> Arc<OpenBao> {
    let settings = openbao::Settings {
        address: bao.address(),
        namespace: None,
        login: SecretString::from(token.to_owned()).into(),
        mount: DEFAULT_MOUNT.to_owned(),
        ca_certificate: None,
        keep_versions,
        call_timeout: DEFAULT_CALL_TIMEOUT,
    };
    Arc::new(OpenBao::new(settings).unwrap())
}

fn store(bao: &Bao, keep_versions: u32) -> Arc<OpenBao> {
    store_with(bao, bao.token(), keep_versions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_on_openbao() {
    let bao = Bao::raft().await;
    suite::run_all(Arc::new(Layout::new(store(&bao, 100), Settings::for_openbao()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_in_many_chunks() {
    let bao = Bao::dev().await;
    let small = Settings { entry_bytes: Some(16 * 1024), garbage_age: Duration::ZERO, ..Settings::undivided() };
    suite::run_all(Arc::new(Layout::new(store(&bao, 3), small))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_a_million_resources() {
    let bao = Bao::raft().await;
    let content = large::state_of(1_000_000);
    assert!(content.len() > 50_000_000, "{}", content.len());
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&content).is_ok(), "it is JSON");
    let revision = put(&Layout::new(store(&bao, 100), Settings::for_openbao()), &content, 0).await;
    let found = entry(&Layout::new(store(&bao, 100), Settings::for_openbao())).await;
    assert_eq!(found.revision, revision);
    assert_same(found.content.as_ref(), &content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_around_what_one_entry_takes() {
    let bao = Bao::raft().await;
    let raw = store(&bao, 100);
    let layout = Layout::new(Arc::<OpenBao>::clone(&raw), Settings::for_openbao());
    let meta = write(&Bytes::new(), 0).meta.len();
    let mut revision = 0;
    for (bytes, count) in [
        (OPENBAO_ENTRY_BYTES - meta, 0),
        (OPENBAO_ENTRY_BYTES - meta + 1, 1),
        (OPENBAO_ENTRY_BYTES, 1),
        (OPENBAO_ENTRY_BYTES + 1, 2),
        (11 * OPENBAO_ENTRY_BYTES + 1, 12),
    ] {
        let content = noise(bytes as u64, bytes);
        revision = put(&layout, &content, revision).await;
        assert_same(entry(&layout).await.content.as_ref(), &content);
        let chunks = match named(&entry(&*raw).await) {
            Some(set) => chunks(&*raw, &set).await.len(),
            None => 0,
        };
        assert_eq!(chunks, count, "{bytes} bytes");
    }
    // Text that hardly shrinks and grows when it is escaped, beside a meta that takes its share.
    let text: Bytes = noise(1, 600_000)
        .iter()
        .map(|byte| b"\"\\<>&\x01\x7fabcdefghijklmnopqrstuvwxyz"[usize::from(byte % 33)])
        .collect();
    let long = Bytes::from(format!("{{\"long\":\"{}\"}}", "m".repeat(80 * 1024)));
    for content in [text, noise(2, OPENBAO_ENTRY_BYTES - long.len())] {
        let write = Write { meta: long.clone(), ..write(&content, revision) };
        let Ok(Outcome::Written(next)) = layout.put_cas(&state(), write).await else { panic!() };
        revision = next;
        assert_same(entry(&layout).await.content.as_ref(), &content);
        assert_eq!(entry(&layout).await.meta, long);
    }
    let refused = raw.put_cas(&key("g/other"), write(&noise(3, 900_000), 0)).await;
    assert!(matches!(&refused, Err(Error::TooLarge(text)) if text.contains("max_entry_size")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_and_folders() {
    let bao = Bao::dev().await;
    let raw = store(&bao, 3);
    assert_eq!(raw.revisions(&state()).await, Ok(vec![]));
    assert_eq!(raw.revision(&state(), 1).await, Ok(Slot::Absent));
    assert_eq!(raw.list(&key("g")).await, Ok(vec![]));
    for revision in 0..5 {
        put(&*raw, &noise(revision, 10), revision).await;
    }
    raw.put_cas(&key("g/p/below"), write(&noise(9, 10), 0)).await.unwrap();
    let mut children = raw.list(&key("g")).await.unwrap();
    children.sort();
    assert_eq!(children, [Child::Document("p".to_owned()), Child::Folder("p".to_owned())]);
    assert_eq!(raw.revisions(&state()).await, Ok(vec![3, 4, 5]));
    assert_eq!(raw.revision(&state(), 2).await, Ok(Slot::Absent), "no longer kept");
    assert_eq!(raw.revision(&state(), 6).await, Ok(Slot::Absent), "not yet written");
    let Ok(Slot::Entry(fourth)) = raw.revision(&state(), 4).await else { panic!() };
    assert_eq!((fourth.revision, fourth.content), (4, Some(noise(3, 10))));

    let post = async |path: &str, versions| {
        let (status, _) = bao.api(reqwest::Method::POST, path, Some(json!({"versions": versions}))).await;
        assert!(status.is_success(), "{path}");
    };
    post("states/delete/g/p", [3]).await;
    post("states/destroy/g/p", [4]).await;
    assert_eq!(raw.revisions(&state()).await, Ok(vec![3, 5]), "what is deleted can be restored");
    assert_eq!(raw.revision(&state(), 3).await, Ok(Slot::Removed(3)));
    assert_eq!(raw.revision(&state(), 4).await, Ok(Slot::Absent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_go_when_their_revisions_go() {
    let (bao, time) = (Bao::dev().await, Time::new());
    let raw = store(&bao, 2);
    let layout = time.layout(Arc::<OpenBao>::clone(&raw));
    let change = async |path: &str| {
        let (status, _) = bao.api(reqwest::Method::POST, path, Some(json!({"versions": [4]}))).await;
        assert!(status.is_success(), "{path}");
    };
    for revision in 0..7 {
        put(&layout, &noise(revision, 11 * ENTRY), revision).await;
        layout.settled().await;
        time.pass(60);
        match revision {
            3 => change("states/delete/g/p").await,
            4 => {
                change("states/undelete/g/p").await;
                let Ok(Slot::Entry(fourth)) = layout.revision(&state(), 4).await else { panic!("it is lost") };
                assert_same(fourth.content.as_ref(), &noise(3, 11 * ENTRY));
            }
            _ => assert_eq!(sets(&*raw).await, named_sets(&*raw).await),
        }
    }
    assert_eq!(sets(&*raw).await.len(), 2);
    layout.delete(&state()).await.unwrap();
    assert_eq!(sets(&*raw).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_list_everything_works_but_tidying() {
    let (bao, time) = (Bao::dev().await, Time::new());
    let rules = r#"
        path "states/data/*" { capabilities = ["create", "read", "update"] }
        path "states/metadata/*" { capabilities = ["create", "update"] }
        path "states/metadata/.chunks/*" { capabilities = ["delete"] }
    "#;
    let token = bao.limited_token(rules, true).await;
    let layout = time.layout(store_with(&bao, &token, 1));
    for revision in 0..3 {
        put(&layout, &noise(revision, 4 * ENTRY), revision).await;
        time.pass(60);
        layout.settled().await;
        assert_same(entry(&layout).await.content.as_ref(), &noise(revision, 4 * ENTRY));
    }
    let raw = store(&bao, 1);
    assert_eq!(sets(&*raw).await.len(), 3);

    let rules = rules.replace("[\"delete\"]", "[\"delete\", \"list\"]").replace(
        "path \"states/metadata/*\" { capabilities = [\"create\",",
        "path \"states/metadata/*\" { capabilities = [\"read\", \"create\",",
    );
    let token = bao.limited_token(&rules, true).await;
    let layout = time.layout(store_with(&bao, &token, 1));
    put(&layout, &noise(4, 4 * ENTRY), 3).await;
    layout.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await, "with these rights it tidies up");
}
