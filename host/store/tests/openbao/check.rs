//! The check at start.

use reqwest::Method;
use serde_json::json;
use tofu_state_store::Store;
use tofu_state_store::openbao::{OpenBao, StartError};
use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::free_port;

use crate::{key, meta, open, put, settings, store};

/// What the server needs and no more.
pub(crate) const LEAST: &str = r#"
path "states/data/*" { capabilities = ["create", "read", "update"] }
path "states/metadata/*" { capabilities = ["create", "read", "update", "list"] }
path "states/metadata/.chunks/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "states/metadata/.quarantine/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "states/destroy/.quarantine/*" { capabilities = ["update"] }
"#;

fn fatal(result: Result<Vec<String>, StartError>) -> String {
    match result {
        Err(StartError::Fatal(text)) => text,
        other => panic!("not fatal: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_to_say_about_a_good_one() {
    let bao = Bao::dev().await;
    assert_eq!(store(&bao).check().await, Ok(Vec::new()));
    assert!(store(&bao).health().await.available);
}

#[tokio::test]
async fn a_token_with_the_least_rights_works_with_warnings() {
    let bao = Bao::dev().await;
    for (default_policy, rules, expected) in [
        (false, LEAST.to_owned(), vec!["states/config", "sys/capabilities-self"]),
        (true, LEAST.to_owned(), vec!["states/config"]),
        (true, format!("{LEAST}\npath \"states/config\" {{ capabilities = [\"read\"] }}"), vec![]),
    ] {
        let token = bao.limited_token(&rules, default_policy).await;
        let store = open(&bao.address(), &token);
        let warnings = store.check().await.unwrap();
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(expected) {
            assert!(warning.contains(words), "{warning}");
        }
        let key = key(&format!("group/p{}", rules.len() + usize::from(default_policy)));
        put(&store, &key, "m", 0).await.unwrap();
        assert_eq!(meta(&store, &key).await, ("m".to_owned(), 1));
        let chunk = crate::key(".chunks/group/project/0-ab/0");
        put(&store, &chunk, "m", 0).await.unwrap();
        store.delete(&chunk).await.unwrap();
        assert!(store.health().await.available);
    }
}

#[tokio::test]
async fn a_token_that_ends_and_cannot_be_renewed_is_worth_a_warning() {
    let bao = Bao::dev().await;
    let wanted = json!({"policies": ["root"], "ttl": "1h", "renewable": false});
    let answer = bao.ok(Method::POST, "auth/token/create-orphan", wanted).await;
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let warnings = open(&bao.address(), token).check().await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("cannot be renewed"), "{warnings:?}");
}

#[tokio::test]
async fn missing_rights_are_named() {
    let bao = Bao::dev().await;
    let rules = LEAST.replace(r#""create", "read", "update""#, r#""read""#);
    let token = bao.limited_token(&rules, true).await;
    let text = fatal(open(&bao.address(), &token).check().await);
    assert!(text.contains("create, update on `states/data/*`"), "{text}");

    // A policy that leaves garbage where it is will do.
    let rules = LEAST.replace(".chunks", ".chunk");
    let token = bao.limited_token(&rules, true).await;
    let text = open(&bao.address(), &token).check().await.unwrap().concat();
    assert!(text.contains("delete on `states/metadata/.chunks/*`"), "{text}");

    // Without the right to ask, a read shows at least that.
    let token = bao.limited_token(r#"path "states/metadata/*" { capabilities = ["update"] }"#, false).await;
    assert!(fatal(open(&bao.address(), &token).check().await).contains("403"));
}

#[tokio::test]
async fn wrong_tokens_and_mounts() {
    let bao = Bao::dev().await;
    let text = fatal(open(&bao.address(), "s.hunter2").check().await);
    assert!(text.contains("token is not valid") && !text.contains("hunter2"), "{text}");

    bao.api(Method::POST, "sys/mounts/old", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
    bao.api(Method::POST, "sys/mounts/keys", Some(json!({"type": "transit"}))).await;
    for (mount, words) in [
        ("nowhere", "nothing is mounted at `nowhere/`"),
        ("old", "KV version 1"),
        ("keys", "transit"),
        ("states/deeper", "lies in the mount `states`"),
    ] {
        let mut settings = settings(&bao.address(), bao.token());
        settings.mount = mount.to_owned();
        let text = fatal(OpenBao::new(settings).unwrap().check().await);
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_mount_that_deletes_or_keeps_otherwise() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    let configure = async |body: serde_json::Value| {
        let (status, _) = bao.api(Method::POST, "states/config", Some(body)).await;
        assert!(status.is_success());
    };
    configure(json!({"delete_version_after": "24h"})).await;
    let text = fatal(store.check().await);
    assert!(text.contains("24h0m0s") && text.contains("delete_version_after=0s"), "{text}");
    configure(json!({"delete_version_after": "0s", "max_versions": 20})).await;
    assert!(store.check().await.unwrap().concat().contains("keeps 20 versions of a key, fewer"));
    configure(json!({"max_versions": 1000})).await;
    assert!(store.check().await.unwrap().concat().contains("keeps 1000 versions of every key, more"));
    configure(json!({"max_versions": 100})).await;
    assert_eq!(store.check().await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_unreachable_server_is_passing() {
    let store = open(&format!("http://127.0.0.1:{}", free_port()), "root");
    let Err(StartError::Passing(text)) = store.check().await else { panic!("not passing") };
    assert!(text.contains("refused"), "{text}");
    let health = store.health().await;
    assert!(!health.available && health.detail.contains("refused"), "{health:?}");
}
