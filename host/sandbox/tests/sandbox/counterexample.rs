//! A rule that is broken: how it is told, saved and made again.
//!
//! That somebody without a lock comes between another's LOCK and its first write is a limit of the protocol that is
//! known; here it is not tolerated.

use tofu_state_sandbox::{Bounds, Counterexample, Outcome, Replay, Sandbox, SandboxError, Scenario};

const SCENARIO: &str = r#"
name = "somebody without a lock"
client = [
    { name = "a", requests = ["LOCK a"] },
    { name = "b", requests = ["POST - 1 b1"] },
]
"#;

fn found(sandbox: &Sandbox) -> Result<Option<Counterexample>, SandboxError> {
    Ok(sandbox.explore(&Scenario::parse(SCENARIO)?, &Bounds::default(), |_| {})?.counterexample)
}

#[test]
fn it_is_short_told_and_saved_and_made_again() {
    let sandbox = Sandbox::built_in().unwrap();
    let found = found(&sandbox).unwrap().unwrap();
    assert_eq!(found.violation.rule, "written-under-anothers-lock");
    assert!(found.steps() <= 8, "{} steps", found.steps());

    let text = found.diagram.text();
    assert!(text.contains("LOCK a") && text.contains("POST - 1 b1") && text.contains("held by a"), "{text}");
    assert!(text.contains("✗ `POST - 1 b1` wrote while a held the lock"), "{text}");
    let svg = found.diagram.svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("POST - 1 b1"), "{svg}");

    let saved = found.replay.write().unwrap();
    let replay = Replay::read(saved.as_bytes()).unwrap();
    let replayed = sandbox.replay(&replay).unwrap();
    assert_eq!(replayed.outcome, Outcome::Same);
    assert_eq!(replayed.diagram, found.diagram);

    // The same steps where it is tolerated break nothing; and a step that cannot be made is told.
    let tolerated = saved.replace(r#""name": "somebody"#, r#""tolerate": ["unlocked-writers"], "name": "somebody"#);
    let replayed = sandbox.replay(&Replay::read(tolerated.as_bytes()).unwrap()).unwrap();
    assert_eq!(replayed.outcome, Outcome::Nothing);
    let fewer = saved.replacen("LOCK a", "GET", 1);
    let replayed = sandbox.replay(&Replay::read(fewer.as_bytes()).unwrap()).unwrap();
    assert!(matches!(replayed.outcome, Outcome::Parted(_)), "{:?}", replayed.outcome);
}

#[test]
fn other_files_are_refused() {
    for (file, why) in [
        ("", "EOF"),
        ("{}", "tofu-state-replay"),
        (r#"{"tofu-state-replay":2}"#, "its format is 2"),
        (r#"{"tofu-state-replay":1,"x":1}"#, "unknown field"),
    ] {
        let error = Replay::read(file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn bounds_are_told() {
    let sandbox = Sandbox::built_in().unwrap();
    let scenario = Scenario::parse(&SCENARIO.replace("POST - 1 b1", "GET")).unwrap();
    let bounds = Bounds { states: Some(3), ..Bounds::default() };
    let explored = sandbox.explore(&scenario, &bounds, |_| {}).unwrap();
    assert!(!explored.complete && explored.counterexample.is_none());
    assert_eq!(explored.stopped_by, Some("the number of states"));
    assert!(explored.waiting > 0);
}
