//! A run is recorded and replayed; nothing that is secret is in the recording.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::FutureExt;
use tofu_state_component::{Caller, CallerKind, ForceUnlock, Granted, Reply, Request, Rights, Settings, Surroundings};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Blob, Store};

use super::{Answer, Recorder, Recording, UnreadableRecording};
use crate::Sandbox;

const LOCK_INFO: &str = r#"{"ID":"0f-lock","Operation":"OperationTypeApply","Info":"the-info","Who":"ann@host","Version":"1.12.6","Created":"2026-01-02T03:04:05.6Z","Path":""}"#;
const STATE: &str = r#"{"version":4,"terraform_version":"1.12.6","serial":1,"lineage":"L-1","outputs":{"pw":{"value":"hunter2","type":"string"}},"resources":[]}"#;
const SECRETS: &[&str] = &["hunter2", "ann@host", "the-info", "the-caller", "another-word"];

struct Server {
    sandbox: Sandbox,
    store: Arc<dyn Store>,
    recorder: Recorder,
}

impl Server {
    fn new() -> Self {
        let store = Arc::new(Memory::new());
        Self { sandbox: Sandbox::built_in().unwrap(), store, recorder: Recorder::new(&[3; 64]) }
    }

    fn serve(&self, method: &str, query: Option<&str>, body: &str) -> (Reply, Recording) {
        let request = || Request {
            method: method.to_owned(),
            path: vec!["team".to_owned(), "app".to_owned()],
            query: query.map(str::to_owned),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: (!body.is_empty()).then(|| Blob::new(Bytes::copy_from_slice(body.as_bytes()))),
            caller: Caller { name: "the-caller".to_owned(), kind: CallerKind::NamedToken, rights: Rights::all() },
            received: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false },
            trace: None,
            request_id: "request-1".to_owned(),
        };
        let serving = self.sandbox.serving().unwrap();
        let taking = self.recorder.begin(&request(), "digest");
        let store = taking.noting(Arc::clone(&self.store));
        let around = Surroundings {
            store,
            store_wait: None,
            policies: Arc::clone(&serving.policies),
            rights: Granted::default(),
        };
        let reply = serving.protocol.answer(request(), around).now_or_never().unwrap().unwrap();
        let recording = taking.ended(Ok(&reply)).told().unwrap();
        (reply, recording)
    }
}

fn again(recording: &Recording) -> Recording {
    Recording::read(&serde_json::to_vec(recording).unwrap()).unwrap()
}

#[test]
fn a_whole_run_is_replayed_as_it_was_and_its_secrets_are_not_told() {
    let server = Server::new();
    let state = STATE.replace("hunter2", "another-word").replace("\"serial\":1", "\"serial\":2");
    let others = LOCK_INFO.replace("0f-lock", "other");
    let run: &[(&str, Option<&str>, &str, u16)] = &[
        ("GET", None, "", 404),
        ("LOCK", None, LOCK_INFO, 200),
        ("LOCK", None, &others, 409),
        ("POST", Some("ID=0f-lock"), STATE, 200),
        ("POST", Some("ID=0f-lock"), STATE, 200),
        ("GET", None, "", 200),
        ("POST", Some("ID=other"), STATE, 409),
        ("POST", Some("ID=0f-lock"), &state, 200),
        ("GET", Some("token=hunter2"), "", 200),
        ("UNLOCK", None, "", 200),
        ("POST", None, "hunter2", 400),
        ("DELETE", None, "", 200),
    ];
    for (method, query, body, status) in run {
        let (reply, recording) = server.serve(method, *query, body);
        assert_eq!(reply.status, *status, "{method}");
        let text = serde_json::to_string_pretty(&recording).unwrap();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(recording.calls.iter().all(|made| made.answer.is_some()));
        let replayed = server.sandbox.replay_recording(&again(&recording)).unwrap();
        assert!(replayed.differences.is_empty(), "{method}: {:#?} of {text}", replayed.differences);
        assert_eq!(replayed.reply.map(|(status, _)| status), Some(*status));
        assert_eq!(replayed.calls.len(), recording.calls.len());
    }
}

#[test]
fn what_is_told_of_a_state() {
    let server = Server::new();
    server.serve("POST", None, STATE);
    let (_, recording) = server.serve("GET", None, "");
    let [content] = recording.contents.as_slice() else { panic!("{recording:?}") };
    assert_eq!(content.text.len(), STATE.len());
    let digests = Blob::new(Bytes::from(STATE)).digests();
    assert_eq!(content.sha256, hex::encode(digests.sha256), "that of what was there");
    let value: serde_json::Value = serde_json::from_str(&content.text).unwrap();
    assert_eq!((&value["serial"], &value["lineage"]), (&1.into(), &"L-1".into()));
}

#[test]
fn another_answer_is_a_difference() {
    let server = Server::new();
    let (_, recording) = server.serve("LOCK", None, LOCK_INFO);
    let mut other = again(&recording);
    other.reply.as_mut().unwrap().status = 409;
    let replayed = server.sandbox.replay_recording(&other).unwrap();
    assert_eq!(replayed.differences, ["the reply's status: 200; recorded: 409"]);
    let mut other = again(&recording);
    other.calls.last_mut().unwrap().answer = Some(Answer::Conflict);
    let replayed = server.sandbox.replay_recording(&other).unwrap();
    assert!(replayed.reply.is_none() && !replayed.differences.is_empty(), "{replayed:?}");
}

#[test]
fn files_that_are_no_recordings() {
    assert!(!Recording::is_one(b"{}") && !Recording::is_one(b"") && !Recording::is_one(b"[]"));
    assert!(Recording::is_one(br#"{"tofu-state-recording":9}"#));
    let other = Recording::read(br#"{"tofu-state-recording":9}"#);
    assert!(matches!(other, Err(UnreadableRecording::Format(9))), "{other:?}");
    assert!(matches!(Recording::read(b"{}"), Err(UnreadableRecording::Form(_))));
    let (_, mut recording) = Server::new().serve("POST", None, STATE);
    recording.contents.clear();
    let damaged = Sandbox::built_in().unwrap().replay_recording(&recording);
    assert!(matches!(damaged, Err(UnreadableRecording::Damaged(_))), "{damaged:?}");
}
