//! Logins: AppRole and Kubernetes, on a real OpenBao; tokens that end, are revoked, or cannot be renewed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tofu_state_store::openbao::{Ending, Login, OpenBao, Secret, Settings, StartError};
use tofu_state_store::{Error, Key, Slot, Store};
use tofu_state_testing::bao::{Bao, PATIENCE};
use tofu_state_testing::kubernetes::Kubernetes;
use tofu_state_testing::process::eventually;

use super::settings;

/// The policy that we ship.
const POLICY: &str = include_str!("../../../../chart/openbao/tofu-state.hcl");

const ROLE: &str = "auth/approle/role/tofu-state";

/// An OpenBao with AppRole and a role of these settings.
async fn with_role(mut role: Value) -> Bao {
    let bao = Bao::dev().await;
    bao.policy("tofu-state", POLICY).await;
    bao.enable_auth("approle", "approle").await;
    role["token_policies"] = json!(["tofu-state"]);
    role["token_no_default_policy"] = json!(true);
    bao.ok(Method::POST, ROLE, role).await;
    bao
}

async fn by_role(bao: &Bao, secret_id: Secret) -> Arc<OpenBao> {
    let role_id = bao.role_id("approle", "tofu-state").await;
    open(bao, Login::AppRole { mount: "approle".to_owned(), role_id, secret_id })
}

fn open(bao: &Bao, login: Login) -> Arc<OpenBao> {
    Arc::new(OpenBao::new(Settings { login, ..settings(&bao.address(), "unused") }).unwrap())
}

fn fixed(secret: &str) -> Secret {
    Secret::Value(secret.into())
}

async fn works(store: &OpenBao) -> Result<(), Error> {
    store.get(&Key::parse("a/b").unwrap()).await.map(|slot| assert_eq!(slot, Slot::Absent))
}

#[tokio::test]
async fn a_role_logs_in_once_and_needs_no_other_policy() {
    let bao = with_role(json!({"token_period": "1h"})).await;
    let store = by_role(&bao, fixed(&bao.secret_id("approle", "tofu-state", json!({})).await)).await;
    assert_eq!(store.token_ending(), Ending::Unknown);
    assert_eq!(store.check().await, Ok(Vec::new()));
    let calls: Vec<_> = (0..20).map(|_| Arc::clone(&store)).map(|store| async move { works(&store).await }).collect();
    for call in futures_util::future::join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(bao.leases("approle").await.len(), 1);
    let Ending::After(left) = store.token_ending() else { panic!() };
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600));
}

#[tokio::test]
async fn a_hundred_refused_calls_make_one_login() {
    let bao = with_role(json!({"token_period": "1h"})).await;
    let store = by_role(&bao, fixed(&bao.secret_id("approle", "tofu-state", json!({})).await)).await;
    works(&store).await.unwrap();
    for _ in 0..3 {
        bao.revoke_logins("approle").await;
        assert_eq!(bao.leases("approle").await.len(), 0);
        // A token that has just been given is not replaced at once; until then calls are refused, and nothing worse.
        eventually("a new login", PATIENCE, async || match works(&store).await {
            Ok(()) => Some(()),
            Err(Error::Denied(_)) => None,
            Err(error) => panic!("{error}"),
        })
        .await;
        let calls = (0..100).map(|_| works(&store));
        assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(bao.leases("approle").await.len(), 1);
    }
}

#[tokio::test]
async fn a_missing_right_is_not_taken_for_a_dead_token() {
    let bao = with_role(json!({"token_period": "1h"})).await;
    let store = by_role(&bao, fixed(&bao.secret_id("approle", "tofu-state", json!({})).await)).await;
    works(&store).await.unwrap();
    // Not even the right to look at itself is left.
    bao.policy("tofu-state", "path \"states/data/other/*\" { capabilities = [\"read\"] }").await;
    eventually("the policy", PATIENCE, async || works(&store).await.is_err().then_some(())).await;
    // For longer than a login may follow another.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert!(matches!(works(&store).await, Err(Error::Denied(_))));
    }
    assert_eq!(bao.leases("approle").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_tokens_are_renewed_and_replaced_while_calls_go_on() {
    // Renewed from 3 s to 3 s, and no further than 8 s: then a new login is due.
    let bao = with_role(json!({"token_ttl": "3s", "token_max_ttl": "8s"})).await;
    let store = by_role(&bao, fixed(&bao.secret_id("approle", "tofu-state", json!({})).await)).await;
    works(&store).await.unwrap();
    let kept = tokio::spawn(Arc::clone(&store).keep_token());
    let mut seen = BTreeSet::new();
    eventually("a third token", PATIENCE, async || {
        works(&store).await.unwrap();
        seen.extend(bao.leases("approle").await);
        (seen.len() >= 3).then_some(())
    })
    .await;
    kept.abort();
}

#[tokio::test]
async fn a_wrong_login_is_told_and_does_not_pass() {
    let bao = with_role(json!({"token_period": "1h"})).await;
    let role_id = bao.role_id("approle", "tofu-state").await;
    let secret = bao.secret_id("approle", "tofu-state", json!({"num_uses": 1})).await;
    let app_role = |mount: &str, role_id: &str, secret_id: Secret| Login::AppRole {
        mount: mount.to_owned(),
        role_id: role_id.to_owned(),
        secret_id,
    };
    let table = [
        (app_role("approle", &role_id, fixed("wrong-secret")), "invalid role or secret ID"),
        (app_role("approle", "wrong-role", fixed(&secret)), "BAO_ROLE_ID"),
        (app_role("nowhere", &role_id, fixed(&secret)), "auth/nowhere/"),
        (
            app_role("approle", &role_id, Secret::File(PathBuf::from("/nowhere/secret"))),
            "/nowhere/secret, cannot be read",
        ),
    ];
    for (login, told) in table {
        let Err(StartError::Fatal(text)) = open(&bao, login).check().await else { panic!("{told}") };
        assert!(text.contains(told) && !text.contains("wrong-secret") && !text.contains(&secret), "{text}");
    }
    // A secret ID that may be used once is used up by the first login.
    let store = by_role(&bao, fixed(&secret)).await;
    works(&store).await.unwrap();
    bao.revoke_logins("approle").await;
    eventually("the refusal", PATIENCE, async || works(&store).await.is_err().then_some(())).await;
    assert!(matches!(works(&store).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_secret_id_in_a_file_is_read_at_each_login() {
    let bao = with_role(json!({"token_period": "1h"})).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret-id");
    let once = async || bao.secret_id("approle", "tofu-state", json!({"num_uses": 1})).await;
    std::fs::write(&file, format!("{}\n", once().await)).unwrap();
    let store = by_role(&bao, Secret::File(file.clone())).await;
    works(&store).await.unwrap();
    std::fs::write(&file, once().await).unwrap();
    bao.revoke_logins("approle").await;
    eventually("the second login", PATIENCE, async || works(&store).await.ok()).await;
}

#[tokio::test]
async fn an_openbao_that_is_away_or_sealed_is_no_wrong_login() {
    let mut bao = Bao::raft().await;
    bao.policy("tofu-state", POLICY).await;
    bao.enable_auth("approle", "approle").await;
    bao.ok(Method::POST, ROLE, json!({"token_policies": ["tofu-state"]})).await;
    let secret = bao.secret_id("approle", "tofu-state", json!({})).await;
    let store = by_role(&bao, fixed(&secret)).await;
    bao.seal().await;
    assert!(matches!(store.check().await, Err(StartError::Passing(_))));
    assert!(works(&store).await.unwrap_err().is_passing());
    bao.kill9();
    assert!(matches!(store.check().await, Err(StartError::Passing(_))));
    bao.start();
    bao.unseal().await;
    eventually("the login", PATIENCE, async || works(&store).await.ok()).await;
}

#[tokio::test]
async fn a_service_account_logs_in_with_the_token_of_the_moment() {
    let (bao, kubernetes) = (Bao::dev().await, Kubernetes::start().await);
    bao.policy("tofu-state", POLICY).await;
    kubernetes.enable_in(&bao).await;
    let role = json!({
        "bound_service_account_names": ["tofu-state"], "bound_service_account_namespaces": ["tofu-state"],
        "token_policies": ["tofu-state"], "token_no_default_policy": true, "token_period": "1h",
    });
    bao.ok(Method::POST, "auth/kubernetes/role/tofu-state", role).await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let login = |role: &str| Login::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: role.to_owned(),
        token_file: token_file.clone(),
    };
    std::fs::write(&token_file, kubernetes.token()).unwrap();
    let Err(StartError::Fatal(text)) = open(&bao, login("wrong")).check().await else { panic!() };
    assert!(text.contains("BAO_KUBERNETES_ROLE") && text.contains("invalid role name"), "{text}");

    let store = open(&bao, login("tofu-state"));
    assert_eq!(store.check().await, Ok(Vec::new()));
    works(&store).await.unwrap();
    // Kubernetes has given out another token; the one before is worth nothing any more.
    kubernetes.expire_tokens();
    bao.revoke_logins("kubernetes").await;
    eventually("the refusal", PATIENCE, async || works(&store).await.is_err().then_some(())).await;
    std::fs::write(&token_file, kubernetes.token()).unwrap();
    eventually("the login", PATIENCE, async || works(&store).await.ok()).await;
}

/// A token of `POLICY` with these settings.
async fn token(bao: &Bao, mut settings: Value) -> String {
    bao.policy("tofu-state", POLICY).await;
    settings["policies"] = json!(["tofu-state"]);
    settings["no_default_policy"] = json!(true);
    let answer = bao.ok(Method::POST, "auth/token/create-orphan", settings).await;
    answer["auth"]["client_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_periodic_token_lives_on_and_others_end_as_they_must() {
    let bao = Bao::dev().await;
    // Long enough for a machine that is busy: a renewal is due after the half of it.
    let period = Duration::from_secs(16);
    let begun = Instant::now();
    let periodic = token(&bao, json!({"period": "16s"})).await;
    let bounded = token(&bao, json!({"ttl": "3s", "explicit_max_ttl": "5s"})).await;
    let fixed = token(&bao, json!({"ttl": "4s", "renewable": false})).await;
    let stores = [&periodic, &bounded, &fixed].map(|token| open(&bao, Login::Token(token.as_str().into())));
    let kept: Vec<_> = stores.iter().map(|store| tokio::spawn(Arc::clone(store).keep_token())).collect();
    let ended = async |store: &OpenBao| matches!(works(store).await, Err(Error::Denied(_))).then_some(());
    eventually("the end of the others, and of the periodic token had it not been renewed", PATIENCE, async || {
        works(&stores[0]).await.unwrap();
        ended(&stores[1]).await?;
        ended(&stores[2]).await?;
        (begun.elapsed() > period).then_some(())
    })
    .await;
    eventually("that nothing is left", PATIENCE, async || {
        matches!(stores[2].token_ending(), Ending::After(left) if left < Duration::from_secs(1)).then_some(())
    })
    .await;
    works(&stores[0]).await.unwrap();
    assert!(matches!(stores[0].token_ending(), Ending::After(left) if left <= period));
    kept.iter().for_each(tokio::task::JoinHandle::abort);
    let root = open(&bao, Login::Token(bao.token().into()));
    let keeping = tokio::spawn(Arc::clone(&root).keep_token());
    eventually("the root token's", PATIENCE, async || (root.token_ending() == Ending::Never).then_some(())).await;
    keeping.abort();
}
