//! Policies: what is loaded, what a chain makes of verdicts and faults, and what it costs the others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tofu_state_component::policies::contract::{Caller, Change, Operation, StateHeader};
use tofu_state_component::policies::{
    Chain, ChainError, Entry, Judgement, Limits as PolicyLimits, LoadError, Mode, Needs, OnError, Operations,
    PolicyModule, Uncounted, Unproven, Word, World,
};
use tofu_state_component::testing::{
    FAULTY, FAULTY_POLICY, FAULTY_STATE_POLICY, REACHING_POLICY, VAST_POLICY, WRONG_POLICY,
};
use tofu_state_component::{BUILT_IN, Engine, Limits};

use crate::common::small_limits;

fn engine() -> Engine {
    Engine::new(small_limits()).unwrap()
}

/// Limits that make faults quick to see.
fn tight() -> PolicyLimits {
    PolicyLimits { memory_bytes: 4 << 20, computing: Duration::from_millis(100) }
}

/// Limits that nothing meets that is not endless, however busy the machine is.
fn wide() -> PolicyLimits {
    PolicyLimits { memory_bytes: 4 << 20, computing: Duration::from_secs(60) }
}

fn entry(module: &PolicyModule, name: &str, configuration: &str) -> Entry {
    let limits = if configuration == "loop" { tight() } else { wide() };
    Entry { configuration: configuration.to_owned(), limits, ..Entry::new(name, module.clone()) }
}

fn header(serial: u64, bytes: &Bytes) -> StateHeader {
    StateHeader {
        serial,
        lineage: "L".to_owned(),
        size: bytes.len() as u64,
        tool_version: None,
        encrypted: false,
        empty: false,
        sha256: vec![0; 32],
    }
}

pub(crate) fn change(operation: Operation) -> Change {
    Change {
        operation,
        path: "group/project".to_owned(),
        caller: Caller { name: "ada".to_owned(), named: true },
        lock: None,
        current: None,
        proposed: None,
        overwrite: None,
        received: 1_700_000_000_000,
    }
}

async fn judged(entries: Vec<Entry>, change: &Change) -> Judgement {
    Chain::new(entries).unwrap().review(change, None, None).await
}

fn words(judgement: &Judgement) -> Vec<(&str, Word)> {
    judgement.reviews.iter().map(|review| (&*review.name, review.verdict)).collect()
}

#[test]
fn modules_of_both_worlds_load_and_others_do_not() {
    let engine = engine();
    let module = engine.load_policy(FAULTY_POLICY).unwrap();
    assert_eq!((module.world(), module.size()), (World::Policy, FAULTY_POLICY.len()));
    assert_eq!(module.prove("", Needs::default(), &wide()).unwrap(), 1);
    assert_eq!(engine.load_policy(FAULTY_STATE_POLICY).unwrap().world(), World::StatePolicy);

    let Err(LoadError::Imports(names)) = engine.load_policy(REACHING_POLICY) else { panic!("it was loaded") };
    for name in ["wasi:filesystem/types@0.2.", "wasi:sockets/tcp@0.2.", "wasi:clocks/monotonic-clock@0.2."] {
        assert!(names.iter().any(|found| found.starts_with(name)), "{name} is missing in {names:?}");
    }
    assert!(matches!(engine.load_policy(BUILT_IN), Err(LoadError::World { .. })));
    assert!(matches!(engine.load_policy(FAULTY), Err(LoadError::World { .. })));
    assert!(engine.load(FAULTY_POLICY).is_err(), "a policy is no protocol");
    assert!(matches!(engine.load_policy(b"text"), Err(LoadError::Form(_))));
    let half = &FAULTY_POLICY[..FAULTY_POLICY.len() / 2];
    assert!(matches!(engine.load_policy(half), Err(LoadError::Compile(_))));
}

#[test]
fn a_memory_of_four_gigabytes_is_refused() {
    match engine().load_policy(VAST_POLICY) {
        Err(LoadError::Compile(why) | LoadError::Contract(why)) => assert!(why.contains("memory"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_is_tried_before_it_is_used() {
    let engine = engine();
    let wrong = engine.load_policy(WRONG_POLICY).unwrap();
    match wrong.prove("", Needs::default(), &wide()) {
        Err(Unproven::Example { name, expected, found }) => {
            assert_eq!((name.as_str(), expected, found.as_str()), ("nothing is wrong", "deny", "allow"));
        }
        other => panic!("{other:?}"),
    }
    let module = engine.load_policy(FAULTY_POLICY).unwrap();
    match module.prove("unknown", Needs::default(), &wide()) {
        Err(Unproven::Configuration(why)) => assert_eq!(why, "what is \"unknown\"?"),
        other => panic!("{other:?}"),
    }
    let starved = PolicyLimits { memory_bytes: 64 << 10, ..wide() };
    assert!(matches!(module.prove("", Needs::default(), &starved), Err(Unproven::Failed(..))));
}

#[tokio::test]
async fn the_first_denial_ends_the_chain() {
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    let entries = vec![
        entry(&module, "one", "allow"),
        entry(&module, "two", "warn look at this"),
        Entry { mode: Mode::Warn, ..entry(&module, "three", "deny only told") },
        entry(&module, "four", "deny stop here"),
        entry(&module, "five", "panic"),
    ];
    let judgement = judged(entries, &change(Operation::Lock)).await;
    let expected = [("one", Word::Allow), ("two", Word::Warn), ("three", Word::Deny), ("four", Word::Deny)];
    assert_eq!(words(&judgement), expected);
    let refusal = judgement.refusal.unwrap();
    assert_eq!((&*refusal.policy, refusal.reason.as_str(), refusal.keep), ("four", "stop here", true));
    let refused: Vec<bool> = judgement.reviews.iter().map(|review| review.refused).collect();
    assert_eq!(refused, [false, false, false, true]);
    assert_eq!(judgement.reviews[0].labels, [("operation".to_owned(), "lock".to_owned())]);
    assert_eq!(judgement.reviews[1].reason.as_deref(), Some("look at this"));
    assert!(judgement.reviews.iter().all(|review| review.digest == *module.digest()));

    let unwanted = judged(vec![entry(&module, "p", "deny-and-throw-away secret")], &change(Operation::Write)).await;
    assert!(!unwanted.refusal.unwrap().keep);
}

#[tokio::test]
async fn a_policy_that_fails_denies_unless_its_entry_says_otherwise() {
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    for fault in ["panic hunter2", "loop", "recurse", "eat", "giant-reason 2000000"] {
        let judgement = judged(vec![entry(&module, "p", fault)], &change(Operation::Write)).await;
        assert_eq!(words(&judgement), [("p", Word::Error)], "{fault}");
        let refusal = judgement.refusal.unwrap();
        assert!(refusal.keep && refusal.reason.contains("failed"), "{fault}: {}", refusal.reason);
        let error = judgement.reviews[0].error.clone().unwrap();
        assert!(!error.contains("hunter2") && !refusal.reason.contains("hunter2"), "{error}");

        let allowing = Entry { on_error: OnError::Allow, ..entry(&module, "p", fault) };
        let warning = Entry { mode: Mode::Warn, ..entry(&module, "q", fault) };
        let judgement = judged(vec![allowing, warning, entry(&module, "r", "allow")], &change(Operation::Write)).await;
        assert_eq!(words(&judgement), [("p", Word::Error), ("q", Word::Error), ("r", Word::Allow)], "{fault}");
        assert!(judgement.refusal.is_none());
    }
}

#[tokio::test]
async fn what_a_policy_says_is_bounded() {
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    let said =
        async |configuration: &str| judged(vec![entry(&module, "p", configuration)], &change(Operation::Lock)).await;
    let long = said("giant-reason 20000").await;
    assert_eq!(long.refusal.unwrap().reason.len(), 1024);
    assert_eq!(said("labels 500").await.reviews[0].labels.len(), 16);
    assert_eq!(words(&said("labels 100000").await), [("p", Word::Error)], "too many to be copied");
    let labels = said("giant-labels").await.reviews.remove(0).labels;
    assert!(
        labels.iter().all(|(name, value)| name.len() == 64 && value.len() <= 256 && !value.contains('\n')),
        "{labels:?}"
    );
    assert_eq!(said("deny \u{1b}[31mred").await.refusal.unwrap().reason, " [31mred");
}

#[tokio::test]
async fn a_policy_judges_its_own_paths_and_sees_what_it_needs() {
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    let paths: fn(&str) -> bool = |path| path.starts_with("other/");
    let elsewhere = Entry { paths: Some(Arc::new(paths)), ..entry(&module, "elsewhere", "deny") };
    let seeing = Entry {
        needs: Needs { current: true, ..Needs::default() },
        mode: Mode::Warn,
        ..entry(&module, "seeing", "echo")
    };
    let chain = Chain::new(vec![elsewhere, seeing, entry(&module, "blind", "echo")]).unwrap();
    let needed = chain.needed(Operation::Lock, "group/project");
    assert!(needed.review && needed.current && !needed.content);
    assert!(!Chain::default().needed(Operation::Write, "group/project").review);

    let told = Change { current: Some(header(7, &Bytes::new())), ..change(Operation::Lock) };
    let judgement = chain.review(&told, None, None).await;
    let reasons: Vec<_> = judgement.reviews.iter().map(|review| review.reason.clone().unwrap()).collect();
    assert_eq!(words(&judgement), [("seeing", Word::Deny), ("blind", Word::Deny)]);
    assert!(reasons[0].contains("serial: 7") && !reasons[1].contains("serial"), "{reasons:?}");
    assert!(reasons[0].contains("ada") && reasons[0].contains("1700000000000"), "{reasons:?}");
}

#[tokio::test]
async fn a_policy_is_asked_of_its_own_operations_only() {
    const EVERY: [Operation; 4] = [Operation::Lock, Operation::Write, Operation::ForceUnlock, Operation::Delete];
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    let writes = Operations { write: true, ..Operations::NONE };
    let seeing = Needs { current: true, ..Needs::default() };
    let chain = Chain::new(vec![Entry { operations: writes, needs: seeing, ..entry(&module, "p", "panic") }]).unwrap();
    for operation in EVERY {
        let asked = operation == Operation::Write;
        let needed = chain.needed(operation, "group/project");
        assert_eq!((needed.review, needed.current), (asked, asked), "{operation:?}");
        let judgement = chain.review(&change(operation), None, None).await;
        assert_eq!((judgement.reviews.len(), judgement.refusal.is_some()), (usize::from(asked), asked));
        assert!(Operations::ALL.contains(operation) && !Operations::NONE.contains(operation));
    }
}

#[tokio::test]
async fn states_are_read_by_those_who_need_them() {
    let engine = engine();
    let module = engine.load_policy(FAULTY_STATE_POLICY).unwrap();
    let needs = Needs { state: true, ..Needs::default() };
    let reader = Entry { needs, ..entry(&module, "reader", "states") };
    let chain = Chain::new(vec![reader]).unwrap();
    assert!(chain.needed(Operation::Write, "a").content && !chain.needed(Operation::Lock, "a").content);
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"newer"));
    let told = Change { current: Some(header(1, &old)), proposed: Some(header(2, &new)), ..change(Operation::Write) };
    let reason = async |current, proposed| chain.review(&told, current, proposed).await.refusal.unwrap().reason;
    assert_eq!(reason(Some(&old), Some(&new)).await, "current 3 of 3: old, proposed 5 of 5: newer");
    assert_eq!(reason(None, None).await, "current none, proposed none");
    let labelling = Chain::new(vec![Entry { needs, ..entry(&module, "p", "labels 3") }]).unwrap();
    let judged = labelling.review(&told, Some(&old), Some(&new)).await;
    assert_eq!(words(&judged), [("p", Word::Allow)]);
    assert_eq!(judged.reviews[0].labels, [], "they may be a state's");

    assert_eq!(Chain::new(vec![entry(&module, "p", "")]).unwrap_err(), ChainError::NeedsState("p".to_owned()));
    let plain = engine.load_policy(FAULTY_POLICY).unwrap();
    let both = Entry { needs, ..entry(&plain, "p", "") };
    assert_eq!(Chain::new(vec![both]).unwrap_err(), ChainError::ReadsNoState("p".to_owned()));
    let same = vec![entry(&plain, "p", ""), entry(&plain, "p", "")];
    assert_eq!(Chain::new(same).unwrap_err(), ChainError::SameName("p".to_owned()));
    let greedy = Entry { limits: PolicyLimits { memory_bytes: 1 << 30, ..tight() }, ..entry(&plain, "p", "") };
    assert!(matches!(Chain::new(vec![greedy]), Err(ChainError::TooMuchMemory { .. })));
}

#[tokio::test]
async fn resources_are_counted_once_or_the_entry_says_what_it_means() {
    let module = engine().load_policy(FAULTY_POLICY).unwrap();
    let needs = Needs { resources: true, ..Needs::default() };
    let counting = |name: &str, uncounted| Entry { needs, uncounted, mode: Mode::Warn, ..entry(&module, name, "echo") };
    let one = |name: &str| {
        Bytes::from(format!(
            r#"{{"version":4,"resources":[{{"mode":"managed","type":"x_a","name":"{name}","instances":[{{"attributes":{{"password":"hunter2"}}}}]}}]}}"#
        ))
    };
    let (old, new) = (one("a"), one("b"));
    let mut told =
        Change { current: Some(header(1, &old)), proposed: Some(header(2, &new)), ..change(Operation::Write) };
    let chain = Chain::new(vec![counting("p", Uncounted::Deny), entry(&module, "q", "echo")]).unwrap();
    let judgement = chain.review(&told, Some(&old), Some(&new)).await;
    let reason = |judgement: &Judgement, n: usize| judgement.reviews[n].reason.clone().unwrap();
    assert!(reason(&judgement, 0).contains("x_a") && reason(&judgement, 0).contains("removed: 1"), "{judgement:?}");
    assert!(!reason(&judgement, 1).contains("x_a"), "it did not ask for them");
    assert!(!format!("{judgement:?}").contains("hunter2"));

    told.proposed.as_mut().unwrap().encrypted = true;
    let entries = [("deny", Uncounted::Deny), ("allow", Uncounted::Allow), ("ask", Uncounted::Ask)];
    let entries = entries.map(|(name, uncounted)| counting(name, uncounted)).into();
    let judgement = Chain::new(entries).unwrap().review(&told, Some(&old), Some(&new)).await;
    assert_eq!(words(&judgement), [("deny", Word::Deny), ("allow", Word::Allow), ("ask", Word::Deny)]);
    assert!(reason(&judgement, 0).contains("cannot be counted") && reason(&judgement, 2).contains("None"));
    let told = Change { current: Some(header(1, &old)), ..change(Operation::Delete) };
    let judgement = chain.review(&told, Some(&old), None).await;
    assert!(reason(&judgement, 0).contains("None"), "only a write has counts");
}

/// As many requests as there are permits, each with three policies: none waits for another's instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_requests_as_permits_with_three_policies_each_come_to_an_end() {
    use crate::common::{nothing, request_with, text};
    const PERMITS: u32 = 8;
    let engine = Engine::new(Limits { concurrency: PERMITS, ..small_limits() }).unwrap();
    let protocol = engine.load(BUILT_IN).unwrap();
    let module = engine.load_policy(FAULTY_POLICY).unwrap();
    let names = ["one", "two", "three"];
    let chain = Arc::new(Chain::new(names.map(|name| entry(&module, name, "allow")).into()).unwrap());
    let state = Bytes::from_static(br#"{"version":4,"serial":1,"lineage":"L"}"#);
    let requests: Vec<_> = (0..10 * PERMITS)
        .map(|n| {
            let (protocol, chain, state) = (protocol.clone(), Arc::clone(&chain), state.clone());
            tokio::spawn(async move {
                let mut request = request_with(&format!("group/p{n}"), state);
                request.method = "POST".to_owned();
                let mut around = nothing();
                around.policies = chain;
                protocol.handle(request, around).await
            })
        })
        .collect();
    for request in requests {
        let answer = request.await.unwrap();
        let words: Vec<Word> = answer.as_ref().unwrap().reviews.iter().map(|review| review.verdict).collect();
        assert_eq!(words, [Word::Allow; 3]);
        assert_eq!(text(answer).0, 200);
    }
    engine.drain().await;
}

/// Policies that misbehave cost their own requests and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_policy_leaves_other_requests_alone() {
    use crate::common::{nothing, request_with, text};
    let engine = engine();
    let protocol = engine.load(BUILT_IN).unwrap();
    let module = engine.load_policy(FAULTY_POLICY).unwrap();
    let state = Bytes::from_static(br#"{"version":4,"serial":1,"lineage":"L"}"#);
    let send = |path: String, chain: Arc<Chain>| {
        let (protocol, state) = (protocol.clone(), state.clone());
        tokio::spawn(async move {
            let mut request = request_with(&path, state);
            request.method = "POST".to_owned();
            let mut around = nothing();
            around.policies = chain;
            text(protocol.handle(request, around).await)
        })
    };
    let faults = ["panic", "loop", "recurse", "eat", "giant-reason 2000000", "labels 100000"];
    let hostile: Vec<_> = (0..24)
        .map(|n| {
            let chain = Chain::new(vec![entry(&module, "hostile", faults[n % faults.len()])]).unwrap();
            send(format!("hostile/p{n}"), Arc::new(chain))
        })
        .collect();
    let good = Arc::new(Chain::new(vec![entry(&module, "good", "allow")]).unwrap());
    for n in 0..50 {
        assert_eq!(send(format!("good/p{n}"), Arc::clone(&good)).await.unwrap().0, 200);
    }
    for request in hostile {
        let (status, body) = request.await.unwrap();
        assert_eq!(status, 422, "{body}");
        assert!(body.contains("hostile") && body.contains(".quarantine/hostile/p"), "{body}");
    }
}
