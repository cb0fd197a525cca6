//! Steps one after the other, with faults at chosen calls.

use std::sync::LazyLock;

use tofu_state_sandbox::{Ran, Sandbox, SandboxError, Scenario};

/// The component takes a second to compile: once for all tests.
static SANDBOX: LazyLock<Option<Sandbox>> = LazyLock::new(|| Sandbox::built_in().ok());

fn run(text: &str) -> Result<Ran, SandboxError> {
    let scenario = Scenario::parse(text)?;
    match &*SANDBOX {
        Some(sandbox) => sandbox.run(&scenario),
        None => Sandbox::built_in()?.run(&scenario),
    }
}

#[test]
fn faults_happen_where_they_are_set_and_the_virtual_clock_goes_on() {
    let ran = run(r#"
        name = "faults"
        settings = { lock-ttl = 600 }
        step = [
            { do = "LOCK a", expect = { status = 200, holder = "a" } },
            { do = "POST a 1", faults = [{ call = 2, kind = "unavailable" }], expect = { status = 503, state = "" } },
            { do = "POST a 1", faults = [{ call = 3, kind = "lost-acknowledgement" }], expect = { state = "a1" } },
            { do = "POST a 1", expect = { status = 200, state = "a1" } },
            { do = "POST a 2", faults = [{ call = 2, kind = "crash" }], expect = { status = 0, state = "a2" } },
            { do = "GET", faults = [{ call = 1, kind = "denied" }], expect = 502 },
            { do = "LOCK b", expect = { status = 409, holder-told = "a" } },
            { do = "GET", faults = [{ call = 1, kind = "latency", seconds = 700 }], expect = 200 },
            { do = "LOCK b", expect = { status = 200, holder = "b", state = "a2" } },
        ]
        "#)
    .unwrap();
    assert!(ran.passed(), "{ran:#?}");
    assert_eq!(ran.steps.len(), 9);
}

#[test]
fn what_is_not_as_expected_is_told() {
    let ran = run(r#"
        name = "wrong"
        step = [
            { do = "LOCK a", expect = { status = 409, holder = "b", holder-told = "b", contains = "nobody", state = "a1" } },
            { do = "GET", faults = [{ call = 9, kind = "conflict" }], expect = 404 },
        ]
        "#)
    .unwrap();
    let mut wrong: Vec<_> = ran.steps.iter().flat_map(|step| &step.wrong).map(String::as_str).collect();
    let body = wrong.remove(1);
    assert!(body.starts_with("body: expected \"nobody\" in it, was \"{"), "{body}");
    assert_eq!(
        wrong,
        [
            "status: expected 409, was 200",
            "the body's ID: expected \"b\", was \"a\"",
            "state afterwards: expected a1, was none",
            "holder afterwards: expected b, was a",
            "a fault was to happen at call 9 (counted from 1), and the request made 1",
        ]
    );
}

#[test]
fn mistakes_in_scenarios_are_told() {
    for (text, why) in [
        ("name = 1", "name"),
        ("name = \"x\"\nstep = [\"LUCK a\"]", "step 1: `LUCK a` is no request"),
        ("name = \"x\"\nstep = [\"POST a one\"]", "\"one\" is no serial"),
        ("name = \"x\"\nstep = [{ do = \"GET\", server = \"two\" }]", "there is no server \"two\""),
        ("name = \"x\"\nservers = []", "`servers` is empty"),
        ("name = \"x\"\nclient = [{ name = \"a\", requests = [] }]", "1 to 64 requests"),
    ] {
        let error = run(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
