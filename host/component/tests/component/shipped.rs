//! The modules that are shipped, as components: each is proven as the host proves it, and judges as its crate's own
//! tests say. What each rule is in detail is tested natively, in `guest/policies`.

use std::sync::LazyLock;

use tofu_state_component::Engine;
use tofu_state_component::policies::contract::{
    Caller, Change, Context, LockInfo, Operation, ResourceChanges, StateHeader, TypeChanges, Verdict,
};
use tofu_state_component::policies::{Limits, Needs, PolicyModule, World, built_in, judged_by};

use crate::common::small_limits;

/// A configuration that each takes; those that are not named take none at all.
const CONFIGURED: &[(&str, &str)] = &[
    ("version-pin", "versions = [\">=1.9, <2\"]"),
    ("deletion-guard", "max-removed = 2"),
    ("freeze", "time-zone = \"Europe/Berlin\"\n[[weekly]]\nfrom = \"Thu 12:00\"\nto = \"Fri 08:00\"\n"),
];

const NAMES: &[&str] = &["lineage-guard", "version-pin", "deletion-guard", "freeze", "require-lock", "encrypted-only"];

fn module(name: &str) -> PolicyModule {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(small_limits()).unwrap());
    let (_, bytes) = built_in().iter().find(|(known, _)| *known == name).unwrap();
    ENGINE.load_policy(bytes).unwrap()
}

fn configuration(name: &str) -> &'static str {
    CONFIGURED.iter().find(|(known, _)| *known == name).map_or("", |(_, configuration)| configuration)
}

fn granted() -> Needs {
    Needs { resources: true, ..Needs::default() }
}

fn state(serial: u64, lineage: &str) -> StateHeader {
    StateHeader {
        serial,
        lineage: lineage.to_owned(),
        size: 100,
        tool_version: Some("1.12.6".to_owned()),
        encrypted: false,
        empty: false,
        sha256: vec![0; 32],
    }
}

/// 2026-01-15T12:00:00Z, a Thursday.
const NOON: u64 = 1_768_478_400_000;

fn change(operation: Operation) -> Change {
    let lock = LockInfo {
        id: "7".to_owned(),
        operation: "OperationTypeApply".to_owned(),
        who: "ada@host".to_owned(),
        version: "1.12.6".to_owned(),
        info: String::new(),
        created: String::new(),
    };
    Change {
        operation,
        path: "group/project".to_owned(),
        caller: Caller { name: "ada".to_owned(), named: true },
        lock: Some(lock),
        current: None,
        proposed: None,
        overwrite: None,
        received: NOON,
    }
}

async fn denied(name: &str, change: Change, resources: Option<ResourceChanges>) -> bool {
    let context = Context { configuration: configuration(name).to_owned(), resources };
    let verdict = module(name).review(&change, &context, &Limits::default(), None, None).await.unwrap();
    matches!(verdict, Verdict::Deny(_))
}

#[test]
fn all_are_built_in_and_prove_themselves() {
    let names: Vec<_> = built_in().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, NAMES);
    for name in NAMES {
        let module = module(name);
        assert_eq!(module.world(), World::Policy);
        let examples = module.prove(configuration(name), granted(), &Limits::default());
        assert!(examples.unwrap() > 0, "{name} brings no examples");
    }
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_place() {
    for name in NAMES {
        let wrong = format!("{}\nnonsense = 1", configuration(name).lines().take(1).collect::<String>());
        let error = module(name).prove(&wrong, granted(), &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("nonsense"), "{name}: {error}");
    }
}

#[test]
fn a_module_says_what_its_entry_has_to_grant() {
    let module = module("deletion-guard");
    let refused = module.prove("max-removed = 2", Needs::default(), &Limits::default()).unwrap_err().to_string();
    assert!(refused.contains("needs = [\"resources\"]"), "{refused}");
}

#[tokio::test]
async fn each_denies_what_it_is_for_and_lets_the_rest_pass() {
    let write = |current, proposed| Change { current, proposed: Some(proposed), ..change(Operation::Write) };
    assert!(denied("lineage-guard", write(Some(state(5, "a")), state(6, "b")), None).await);
    assert!(!denied("lineage-guard", write(Some(state(5, "a")), state(6, "a")), None).await);

    let mut old = change(Operation::Lock);
    assert!(!denied("version-pin", old.clone(), None).await);
    old.lock.as_mut().unwrap().version = "1.5.7".to_owned();
    assert!(denied("version-pin", old, None).await);

    let removed = |removed| ResourceChanges {
        before: 9,
        after: 9 - removed,
        added: 0,
        changed: 0,
        removed,
        by_type: vec![TypeChanges { resource_type: "a".to_owned(), added: 0, changed: 0, removed }],
        outputs: Vec::new(),
    };
    assert!(denied("deletion-guard", write(None, state(1, "a")), Some(removed(3))).await);
    assert!(!denied("deletion-guard", write(None, state(1, "a")), Some(removed(2))).await);

    assert!(denied("freeze", change(Operation::Lock), None).await);
    assert!(!denied("freeze", Change { received: NOON + 24 * 3_600_000, ..change(Operation::Lock) }, None).await);

    assert!(denied("require-lock", Change { lock: None, ..write(None, state(1, "a")) }, None).await);
    assert!(!denied("require-lock", write(None, state(1, "a")), None).await);

    assert!(denied("encrypted-only", write(None, state(1, "a")), None).await);
    let encrypted = StateHeader { encrypted: true, ..state(1, "a") };
    assert!(!denied("encrypted-only", write(None, encrypted), None).await);
}

/// What is not asked would have been allowed.
#[tokio::test]
async fn what_a_module_does_not_judge_it_allows() {
    for name in NAMES {
        let context = Context { configuration: configuration(name).to_owned(), resources: None };
        for operation in [Operation::Lock, Operation::Write, Operation::ForceUnlock, Operation::Delete] {
            if judged_by(name).contains(operation) {
                continue;
            }
            let mut whole = change(operation);
            whole.caller.named = false;
            whole.lock.as_mut().unwrap().version = "0.1.0".to_owned();
            whole.current = Some(state(7, "a"));
            for lock in [whole.lock.clone(), None] {
                for current in [whole.current.clone(), None] {
                    let told = Change { lock: lock.clone(), current, ..whole.clone() };
                    let verdict = module(name).review(&told, &context, &Limits::default(), None, None).await.unwrap();
                    assert!(matches!(&verdict, Verdict::Allow(labels) if labels.is_empty()), "{name} {told:?}");
                }
            }
        }
    }
}
