//! A run is recorded and replayed; nothing that is secret is in the recording.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::FutureExt;
use tofu_state_component::{
    Caller, CallerKind, Failure, ForceUnlock, Granted, Reply, Request, Rights, Settings, Surroundings,
};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Blob, Key, Retention, Store, Write};

use super::{Answer, Call, NotRecorded, Recorder, Recording, Retained, Taken, Taking, UnreadableRecording};
use crate::Sandbox;

const LOCK_INFO: &str = r#"{"ID":"0f-lock","Operation":"OperationTypeApply","Info":"the-info","Who":"ann@host","Version":"1.12.6","Created":"2026-01-02T03:04:05.6Z","Path":""}"#;
const STATE: &str = r#"{"version":4,"terraform_version":"1.12.6","serial":1,"lineage":"L-1","outputs":{"pw":{"value":"hunter2","type":"string"}},"resources":[]}"#;
const SECRETS: &[&str] = &["hunter2", "ann@host", "the-info", "the-caller", "another-word"];

/// What the requests in progress may keep: more than any test of one request needs.
const AMPLE: usize = 16 << 20;

struct Server {
    sandbox: Sandbox,
    store: Arc<dyn Store>,
    recorder: Recorder,
}

impl Server {
    fn new() -> Self {
        let store = Arc::new(Memory::new());
        Self { sandbox: Sandbox::built_in().unwrap(), store, recorder: Recorder::new(&[3; 64], AMPLE) }
    }

    fn serve(&self, method: &str, query: Option<&str>, body: &str) -> (Reply, Recording) {
        let request = request(method, query, body);
        let serving = self.sandbox.serving().unwrap();
        let taking = self.recorder.begin(&request, "digest");
        let store = taking.noting(Arc::clone(&self.store));
        let around = Surroundings {
            store,
            store_wait: None,
            policies: Arc::clone(&serving.policies),
            rights: Granted::default(),
        };
        let reply = serving.protocol.answer(request, around).now_or_never().unwrap().unwrap();
        let recording = taking.ended(Ok(&reply)).unwrap().told();
        (reply, recording)
    }
}

fn request(method: &str, query: Option<&str>, body: &str) -> Request {
    Request {
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
fn which_older_revisions_a_write_keeps_is_told_and_compared() {
    let server = Server::new();
    let serial = |serial: u64| STATE.replace("\"serial\":1", &format!("\"serial\":{serial}"));
    let written = |recording: &Recording| {
        recording.calls.iter().find_map(|made| match (&made.call, &made.answer) {
            (Call::PutCas { key, retained, .. }, Some(Answer::Written(revision))) if key == "team/app" => {
                Some((*retained, *revision))
            }
            _ => None,
        })
    };
    server.serve("LOCK", None, LOCK_INFO);
    let (_, first) = server.serve("POST", Some("ID=0f-lock"), &serial(1));
    let (Retained::History, passed) = written(&first).unwrap() else { panic!("{first:?}") };
    server.serve("POST", Some("ID=0f-lock"), &serial(2));
    server.serve("UNLOCK", None, LOCK_INFO);
    // Another run begins: what the one before passed through is not needed any more.
    let (reply, next) = server.serve("POST", None, &serial(3));
    assert_eq!(reply.status, 200);
    assert_eq!(written(&next).map(|(retained, _)| retained), Some(Retained::Thinned { first: passed, last: passed }));
    let replayed = server.sandbox.replay_recording(&again(&next)).unwrap();
    assert!(replayed.differences.is_empty(), "{:#?}", replayed.differences);
    let mut other = again(&next);
    for made in &mut other.calls {
        if let Call::PutCas { retained, .. } = &mut made.call {
            *retained = Retained::History;
        }
    }
    let replayed = server.sandbox.replay_recording(&other).unwrap();
    let [difference] = replayed.differences.as_slice() else { panic!("{replayed:?}") };
    assert!(difference.ends_with("writes something else than was recorded"), "{difference}");
}

/// A request that has read a state of so many bytes so many times, and has not yet ended.
fn in_progress(recorder: &Recorder, bytes: usize, reads: usize) -> Taking {
    let store = Memory::new();
    let key = Key::parse("team/app").unwrap();
    let content = Some(Bytes::from(vec![b'x'; bytes]));
    let write = Write { meta: Bytes::from_static(b"{}"), content, expected: 0, retention: Retention::Latest };
    store.put_cas_now(&key, write);
    let taking = recorder.begin(&request("GET", None, ""), "digest");
    let noting = taking.noting(Arc::new(store));
    for _ in 0..reads {
        noting.get(&key).now_or_never().unwrap().unwrap();
    }
    taking
}

fn ended(taking: Taking) -> Result<Taken, NotRecorded> {
    taking.ended(Err(&Failure::Deadline))
}

#[test]
fn requests_in_progress_keep_no_more_than_they_may() {
    const PART: usize = 64 << 10;
    let recorder = Recorder::new(&[3; 64], 4 * PART);
    // A state that is read again takes its memory once.
    let first = in_progress(&recorder, 3 * PART, 20);
    let second = in_progress(&recorder, PART, 1);
    assert_eq!(ended(second).err(), Some(NotRecorded::Memory));
    let third = in_progress(&recorder, PART / 2, 1);
    let (first, third) = (ended(first).unwrap(), ended(third).unwrap());
    assert_eq!((first.told().calls.len(), third.told().calls.len()), (20, 1));
    // What waits to be told is kept too, and what has been told is not.
    assert_eq!(ended(in_progress(&recorder, PART, 1)).err(), Some(NotRecorded::Memory));
    drop(first);
    assert_eq!(ended(in_progress(&recorder, PART, 1)).err(), None);
}

#[test]
fn what_is_not_recorded_is_not_kept_either() {
    let recorder = Recorder::new(&[3; 64], AMPLE);
    let too_large: Vec<_> = (0..8).map(|_| in_progress(&recorder, 5 << 20, 1)).collect();
    let too_many = in_progress(&recorder, 1, 257);
    let history = in_progress(&recorder, 1, 1);
    assert!(history.noting(Arc::new(Memory::new())).history().is_some());
    // All of them are still in progress, and take nothing.
    let others: Vec<_> = (0..4).map(|_| in_progress(&recorder, (4 << 20) - (8 << 10), 1)).collect();
    for other in others {
        assert_eq!(ended(other).err(), None);
    }
    for one in too_large {
        assert_eq!(ended(one).err(), Some(NotRecorded::Size));
    }
    assert_eq!(ended(too_many).err(), Some(NotRecorded::Calls));
    assert_eq!(ended(history).err(), Some(NotRecorded::History));
    assert_eq!(ended(in_progress(&recorder, 1, 256)).err(), None);
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
