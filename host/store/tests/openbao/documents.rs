//! What the driver makes of KV's documents and of the kinds of 404, on a dev server.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tofu_state_store::history::{Child, History};
use tofu_state_store::openbao::OpenBao;
use tofu_state_store::{Error, Outcome, Retention, Slot, Store, Write, patience};
use tofu_state_testing::bao::Bao;
use tokio::time::Instant;

use crate::{key, meta, open, put, settings, store, write};

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let bao = Bao::dev().await;
    tofu_state_store::testing::suite::run_all(Arc::new(store(&bao))).await;
}

#[tokio::test]
async fn what_somebody_deleted_in_openbao_is_not_absent() {
    let bao = Bao::dev().await;
    let store = store(&bao);

    let soft = key("group/soft");
    put(&store, &soft, "one", 0).await.unwrap();
    bao.api(Method::DELETE, "states/data/group/soft", None).await;
    assert_eq!(store.get(&soft).await, Ok(Slot::Removed(1)));
    assert_eq!(put(&store, &soft, "two", 0).await, Ok(Outcome::Conflict));
    bao.api(Method::POST, "states/undelete/group/soft", Some(json!({"versions": [1]}))).await;
    assert_eq!(meta(&store, &soft).await, ("one".to_owned(), 1));
    bao.api(Method::DELETE, "states/data/group/soft", None).await;
    assert_eq!(put(&store, &soft, "two", 1).await, Ok(Outcome::Written(2)));

    let destroyed = key("group/destroyed");
    put(&store, &destroyed, "one", 0).await.unwrap();
    put(&store, &destroyed, "two", 1).await.unwrap();
    bao.api(Method::POST, "states/destroy/group/destroyed", Some(json!({"versions": [2]}))).await;
    assert_eq!(store.get(&destroyed).await, Ok(Slot::Removed(2)));

    let gone = key("group/gone");
    put(&store, &gone, "one", 0).await.unwrap();
    bao.api(Method::DELETE, "states/metadata/group/gone", None).await;
    assert_eq!(store.get(&gone).await, Ok(Slot::Absent));
    assert_eq!(put(&store, &gone, "again", 0).await, Ok(Outcome::Written(1)));
}

#[tokio::test]
async fn a_mount_that_goes_away_is_an_error_and_not_absence() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    let key = key("group/project");
    put(&store, &key, "one", 0).await.unwrap();

    bao.api(Method::DELETE, "sys/mounts/states", None).await;
    assert!(matches!(store.get(&key).await, Err(Error::Denied(_))));
    assert!(matches!(put(&store, &key, "two", 1).await, Err(Error::Denied(_))));
    assert!(!store.health().await.available);

    // A KV version 1 mount answers every read as if nothing had ever been written.
    bao.api(Method::POST, "sys/mounts/states", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
    let error = store.get(&key).await.unwrap_err();
    assert!(matches!(&error, Error::Denied(text) if text.contains("version 1")), "{error}");
    assert!(matches!(put(&store, &key, "two", 0).await, Err(Error::Corrupt(_))));
    assert!(matches!(store.get(&key).await, Err(Error::Corrupt(_))));
}

#[tokio::test]
async fn foreign_documents_are_named() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    for (name, data) in [
        ("group/other", json!({"password": "hunter2"})),
        ("group/later", json!({"format": 2, "meta": "hunter2"})),
        ("group/broken", json!({"format": 1, "meta": {"hunter2": 1}})),
        ("group/empty", json!({})),
    ] {
        bao.api(Method::POST, &format!("states/data/{name}"), Some(json!({"data": data}))).await;
        let error = store.get(&key(name)).await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt(text) if text.contains(name)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn exact_bytes() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    let every_byte: Vec<u8> = (0..=255).collect();
    let contents: [&[u8]; 8] = [
        b"",
        b"{\"a\": 1.0, \"b\": 1e400, \"c\": 12345678901234567890.10, \"a\": 2}",
        b"{\r\n\t\"x\":\r\n  []\r\n}\r\n",
        "\u{feff}\u{0}\u{7f}\u{85}\u{2028}\u{2029}\u{fdd0}\u{fffd}\u{10ffff}e\u{301}\u{e9}".as_bytes(),
        b"<script>&amp;</script>\\u0000\\\"",
        b"\xc3\x28\xff\xfe\xed\xa0\x80",
        &every_byte,
        b"\"",
    ];
    for (number, content) in contents.into_iter().enumerate() {
        let key = key(&format!("bytes/{number}"));
        let meta = "{\"n\": 1.0,\r\n \"s\": \"<\u{2028}\u{1f600}>\"}";
        assert_eq!(store.put_cas(&key, write(meta, Some(content), 0)).await, Ok(Outcome::Written(1)));
        let Ok(Slot::Entry(entry)) = store.get(&key).await else { panic!("{number} is not there") };
        assert_eq!(entry.meta, meta, "{number}");
        assert_eq!(entry.content.as_deref(), Some(content), "{number}");
    }
}

#[tokio::test]
async fn history_is_kept_and_a_crash_before_the_first_revision_leaves_nothing() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    let history = |meta: &str, expected| Write { retention: Retention::History, ..write(meta, None, expected) };

    let long = key("group/long");
    for revision in 0..15 {
        let outcome = store.put_cas(&long, history("m", revision)).await;
        assert_eq!(outcome, Ok(Outcome::Written(revision + 1)));
    }
    let (_, answer) = bao.api(Method::GET, "states/metadata/group/long", None).await;
    assert_eq!(answer["data"]["max_versions"], 100);
    assert_eq!(answer["data"]["versions"].as_object().unwrap().len(), 15);

    // What is there if the server dies between the two calls of a first write.
    let (status, _) = bao.api(Method::POST, "states/metadata/group/crashed", Some(json!({"max_versions": 100}))).await;
    assert!(status.is_success());
    let crashed = key("group/crashed");
    assert_eq!(store.get(&crashed).await, Ok(Slot::Absent));
    assert_eq!(store.put_cas(&crashed, history("m", 0)).await, Ok(Outcome::Written(1)));
    assert_eq!(store.put_cas(&crashed, history("m", 0)).await, Ok(Outcome::Conflict));

    // A mount may demand a compare-and-set for metadata as well.
    bao.api(Method::POST, "states/config", Some(json!({"metadata_cas_required": true, "cas_required": true}))).await;
    assert_eq!(store.put_cas(&key("group/strict"), history("m", 0)).await, Ok(Outcome::Written(1)));
    let latest = key("group/latest");
    assert_eq!(put(&store, &latest, "m", 0).await, Ok(Outcome::Written(1)));
    let (_, answer) = bao.api(Method::GET, "states/metadata/group/latest", None).await;
    assert_eq!(answer["data"]["max_versions"], 0);
}

/// What KV holds of a key: `max_versions`, and its versions.
async fn kept(bao: &Bao, key: &str) -> (u64, Vec<String>) {
    let (_, answer) = bao.api(Method::GET, &format!("states/metadata/{key}"), None).await;
    let versions = answer["data"]["versions"].as_object().unwrap();
    let kept = versions.iter().filter(|(_, version)| version["destroyed"] == false);
    (answer["data"]["max_versions"].as_u64().unwrap(), kept.map(|(number, _)| number.clone()).collect())
}

#[tokio::test]
async fn an_erasure_leaves_one_version_whatever_the_mount_keeps() {
    let bao = Bao::dev().await;
    let least = crate::check::LEAST;
    let less = least.replace("states/destroy", "states/nothing");
    let unable = open(&bao.address(), &bao.limited_token(&less, true).await);
    let keep = |expected| write("kept", Some(b"unwanted"), expected);
    let erase = |expected| Write { retention: Retention::Erased, ..write("discarded", None, expected) };
    for strict in [false, true] {
        let demand = json!({"max_versions": 0, "metadata_cas_required": strict});
        bao.api(Method::POST, "states/config", Some(demand)).await;
        let place = format!(".quarantine/team/app/{strict}");
        let key = key(&place);
        assert_eq!(unable.put_cas(&key, keep(0)).await, Ok(Outcome::Written(1)));
        assert_eq!(unable.put_cas(&key, keep(1)).await, Ok(Outcome::Written(2)));
        assert_eq!(kept(&bao, &place).await, (0, vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(unable.put_cas(&key, erase(1)).await, Ok(Outcome::Conflict));
        assert_eq!(unable.put_cas(&key, erase(2)).await, Ok(Outcome::Written(3)));
        assert_eq!(kept(&bao, &place).await, (1, vec!["3".to_owned()]));
        let Ok(Slot::Entry(left)) = unable.get(&key).await else { panic!("the record stays") };
        assert_eq!((left.revision, &left.meta[..], left.content), (3, &b"discarded"[..], None));
        for version in [1, 2] {
            let (status, _) = bao.api(Method::GET, &format!("states/data/{place}?version={version}"), None).await;
            assert_eq!(status, 404, "version {version}");
        }
        assert_eq!(unable.put_cas(&key, keep(3)).await, Ok(Outcome::Written(4)));
        assert_eq!(kept(&bao, &place).await, (1, vec!["4".to_owned()]), "and so it goes on");
    }

    // The larger of the mount's and the key's counts.
    bao.api(Method::POST, "states/config", Some(json!({"max_versions": 5, "metadata_cas_required": false}))).await;
    let place = ".quarantine/team/app/many";
    let many = key(place);
    for expected in 0..3 {
        assert_eq!(unable.put_cas(&many, keep(expected)).await, Ok(Outcome::Written(expected + 1)));
    }
    let error = unable.put_cas(&many, erase(3)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Denied(text) if text.contains("states/destroy/.quarantine/*") && text.contains(place)),
        "{error}"
    );
    assert_eq!(kept(&bao, place).await.1.len(), 4, "said, and left for somebody with the right");
    let able = open(&bao.address(), &bao.limited_token(least, true).await);
    assert_eq!(able.put_cas(&many, erase(4)).await, Ok(Outcome::Written(5)));
    assert_eq!(kept(&bao, place).await.1, ["5"]);
    for version in 1..5 {
        let (status, _) = bao.api(Method::GET, &format!("states/data/{place}?version={version}"), None).await;
        assert_eq!(status, 404, "version {version}");
    }
}

#[tokio::test]
async fn tls_with_a_private_ca() {
    let bao = Bao::dev_tls().await;
    let mut trusting = settings(&bao.address(), bao.token());
    trusting.ca_certificate = Some(std::fs::read(bao.ca_certificate()).unwrap());
    let trusting = OpenBao::new(trusting).unwrap();
    assert_eq!(put(&trusting, &key("group/project"), "m", 0).await, Ok(Outcome::Written(1)));
    assert_eq!(meta(&trusting, &key("group/project")).await, ("m".to_owned(), 1));

    let error = open(&bao.address(), bao.token()).get(&key("group/project")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("certificate")), "{error}");
}

#[tokio::test]
async fn namespaces() {
    let bao = Bao::dev().await;
    let (status, _) = bao.api(Method::POST, "sys/namespaces/team", None).await;
    assert!(status.is_success());
    let kv = json!({"type": "kv", "options": {"version": "2"}});
    let (status, _) = bao.api(Method::POST, "team/sys/mounts/states", Some(kv)).await;
    assert!(status.is_success());
    let open = |namespace: &str| {
        let mut settings = settings(&bao.address(), bao.token());
        settings.namespace = Some(namespace.to_owned());
        OpenBao::new(settings).unwrap()
    };
    let key = key("group/project");
    // A new mount may still say that it is being upgraded.
    let deadline = Some(Instant::now() + Duration::from_secs(40));
    let theirs = open("team/");
    assert_eq!(patience::until(deadline, || put(&theirs, &key, "theirs", 0)).await, Ok(Outcome::Written(1)));
    assert_eq!(meta(&open("team"), &key).await.0, "theirs");
    assert_eq!(store(&bao).get(&key).await, Ok(Slot::Absent));
    assert!(matches!(open("nobody").get(&key).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone() {
    let mut bao = Bao::dev().await;
    let key = key("group/project");
    put(&store(&bao), &key, "m", 0).await.unwrap();
    let mut impatient = settings(&bao.address(), bao.token());
    impatient.call_timeout = Duration::from_millis(300);
    let impatient = OpenBao::new(impatient).unwrap();
    bao.process().pause();
    assert_eq!(impatient.get(&key).await, Err(Error::Timeout));
    assert_eq!(put(&impatient, &key, "m", 1).await, Err(Error::Timeout));
    assert!(!impatient.health().await.available);
    bao.process().resume();
    bao.kill9();
    assert!(matches!(impatient.get(&key).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn another_token_can_take_over() {
    let bao = Bao::dev().await;
    let store = open(&bao.address(), "s.wrong");
    assert!(matches!(store.get(&key("group/project")).await, Err(Error::Denied(_))));
    store.replace_token(&secrecy::SecretString::from(bao.token().to_owned())).unwrap();
    assert_eq!(store.get(&key("group/project")).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn lists_and_reads_older_revisions() {
    let bao = Bao::dev().await;
    let store = store(&bao);
    assert_eq!(store.list(&key("tree")).await, Ok(Vec::new()));
    for name in ["tree/a", "tree/a/b", "tree/a/c", "tree/d.lock", "trees/x"] {
        put(&store, &key(name), "m", 0).await.unwrap();
    }
    let mut children = store.list(&key("tree")).await.unwrap();
    children.sort();
    let [a, d, folder] = [Child::Document("a".into()), Child::Document("d.lock".into()), Child::Folder("a".into())];
    assert_eq!(children, [a, d, folder]);

    let many = key("tree/many");
    assert_eq!(store.revisions(&many).await, Ok(Vec::new()));
    for revision in 0..13 {
        put(&store, &many, &format!("m{revision}"), revision).await.unwrap();
    }
    bao.api(Method::POST, "states/delete/tree/many", Some(json!({"versions": [5]}))).await;
    bao.api(Method::POST, "states/destroy/tree/many", Some(json!({"versions": [6]}))).await;
    // KV keeps ten where nobody says otherwise.
    assert_eq!(store.revisions(&many).await, Ok(vec![4, 5, 7, 8, 9, 10, 11, 12, 13]));
    assert_eq!(store.revision(&many, 5).await, Ok(Slot::Removed(5)));
    for gone in [0, 3, 6, 14] {
        assert_eq!(store.revision(&many, gone).await, Ok(Slot::Absent), "{gone}");
    }
    let Ok(Slot::Entry(entry)) = store.revision(&many, 4).await else { panic!("4 is not there") };
    assert_eq!((entry.revision, &*entry.meta), (4, b"m3".as_slice()));
    assert_eq!(store.revision(&key("tree/nothing"), 1).await, Ok(Slot::Absent));
}
