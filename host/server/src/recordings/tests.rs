//! Requests that are left out are counted by why, and each reason is told.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tofu_state_component::{Caller, CallerKind, Failure, ForceUnlock, Request, Rights, Settings};
use tofu_state_store::Blob;
use tofu_state_store::memory::Memory;
use tokio_util::task::TaskTracker;

use super::Recordings;
use crate::telemetry::Metrics;

fn request(body: usize) -> Request {
    Request {
        method: "POST".to_owned(),
        path: vec!["team".to_owned(), "app".to_owned()],
        query: None,
        headers: Vec::new(),
        body: Some(Blob::new(Bytes::from(vec![b'x'; body]))),
        caller: Caller { name: "ann".to_owned(), kind: CallerKind::NamedToken, rights: Rights::all() },
        received: SystemTime::now(),
        settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false },
        trace: None,
        request_id: "request-1".to_owned(),
    }
}

#[tokio::test]
async fn requests_that_are_not_recorded_are_counted_and_told_by_reason() {
    let folder = tempfile::TempDir::new().unwrap();
    let into = folder.path().join("recordings");
    let metrics = Arc::new(Metrics::new().unwrap());
    let recordings = Recordings::open(&into, Arc::clone(&metrics)).unwrap();
    let tasks = TaskTracker::new();
    let keep = |taking| recordings.keep(taking, Err(&Failure::Deadline), &tasks);

    keep(recordings.begin(&request(10), "digest"));
    keep(recordings.begin(&request(5 << 20), "digest"));
    let history = recordings.begin(&request(10), "digest");
    assert!(history.noting(Arc::new(Memory::new())).history().is_some());
    keep(history);
    let places = recordings.places.acquire_many(16).await.unwrap();
    keep(recordings.begin(&request(10), "digest"));
    keep(recordings.begin(&request(10), "digest"));
    drop(places);
    fs::remove_dir_all(&into).unwrap();
    keep(recordings.begin(&request(10), "digest"));
    tasks.close();
    tasks.wait().await;

    let text = String::from_utf8(metrics.encode().unwrap().1).unwrap();
    for (outcome, count) in [("written", 1), ("size", 1), ("history", 1), ("busy", 2), ("failed", 1)] {
        let line = format!("tofu_state_recordings_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    let told = recordings.told.lock().unwrap().clone();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["busy", "failed", "history", "size"]);
}
