//! One server on raft storage: it is restarted, sealed and killed.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_store::openbao::StartError;
use tofu_state_store::{Error, Outcome, Slot, Store, patience};
use tofu_state_testing::bao::Bao;
use tokio::time::Instant;

use crate::{key, meta, put, store, write};

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let bao = Bao::raft().await;
    tofu_state_store::testing::suite::run_all(Arc::new(store(&bao))).await;
}

#[tokio::test]
async fn restarted_sealed_and_killed() {
    let mut bao = Bao::raft().await;
    let store = store(&bao);
    let key = key("group/project");
    assert_eq!(put(&store, &key, "one", 0).await, Ok(Outcome::Written(1)));

    bao.restart().await;
    assert_eq!(meta(&store, &key).await, ("one".to_owned(), 1));
    assert_eq!(put(&store, &key, "two", 1).await, Ok(Outcome::Written(2)));

    bao.seal().await;
    assert_eq!(store.get(&key).await, Err(Error::Sealed));
    assert_eq!(put(&store, &key, "three", 2).await, Err(Error::Sealed));
    assert_eq!(store.delete(&key).await, Err(Error::Sealed));
    assert!(matches!(store.check().await, Err(StartError::Passing(text)) if text.contains("sealed")));
    // One that has not talked to it before does not take it for anything else either.
    assert_eq!(crate::store(&bao).get(&key).await, Err(Error::Sealed));
    let health = store.health().await;
    assert!(!health.available && health.detail.contains("sealed"), "{health:?}");
    bao.unseal().await;
    assert_eq!(meta(&store, &key).await, ("two".to_owned(), 2));

    bao.kill9();
    assert!(matches!(store.get(&key).await, Err(Error::Unavailable(_))));
    assert!(matches!(put(&store, &key, "three", 2).await, Err(Error::Unavailable(_))));
    bao.start();
    bao.unseal().await;
    let deadline = Some(Instant::now() + Duration::from_secs(40));
    let outcome = patience::until(deadline, || put(&store, &key, "three", 2)).await;
    assert_eq!(outcome, Ok(Outcome::Written(3)));
    assert_eq!(meta(&store, &key).await, ("three".to_owned(), 3));
    assert_eq!(store.get(&crate::key("group/never")).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn a_document_that_is_too_large() {
    let bao = Bao::raft().await;
    let store = store(&bao);
    let key = key("group/large");
    let fits = vec![b'x'; 900_000];
    assert_eq!(store.put_cas(&key, write("m", Some(&fits), 0)).await, Ok(Outcome::Written(1)));
    // Over `max_entry_size`, and over `max_request_size`.
    for size in [1_100_000, 40_000_000] {
        let error = store.put_cas(&key, write("m", Some(&vec![b'x'; size]), 1)).await.unwrap_err();
        assert!(matches!(&error, Error::TooLarge(text) if text.contains("raise `max_")), "{size}: {error}");
    }
    assert_eq!(meta(&store, &key).await, ("m".to_owned(), 1));
}

#[tokio::test]
async fn a_restored_store_has_another_id_and_is_found_out() {
    let bao = Bao::raft().await;
    let store = store(&bao);
    let key = key("group/project");
    put(&store, &key, "one", 0).await.unwrap();
    // Another server behind the same address, as after a fresh installation: what the store remembers of
    // the first one's ID is wrong, and its token too.
    let other = Bao::raft().await;
    let moved = tofu_state_testing::cluster::RoundRobin::start(&[bao.host_and_port()]).await;
    let through = crate::open(&moved.address(), bao.token());
    assert_eq!(meta(&through, &key).await.0, "one");
    moved.send_to(&[other.host_and_port()]);
    through.replace_token(&secrecy::SecretString::from(other.token().to_owned())).unwrap();
    assert_eq!(through.get(&key).await, Ok(Slot::Absent));
    put(&through, &key, "other", 0).await.unwrap();
    assert_eq!(meta(&through, &key).await.0, "other");
    assert_eq!(meta(&store, &key).await.0, "one");
}
