//! A module that is not written in Rust: `guest/policies/examples/typescript`, built by `make policy-example`.

use std::path::Path;
use std::time::Duration;

use tofu_state_component::Engine;
use tofu_state_component::policies::contract::{Context, Operation, Verdict};
use tofu_state_component::policies::{Limits, Needs, PolicyModule, World};

use crate::common::small_limits;
use crate::shipped::change;

/// An interpreter takes longer to start than a shipped module takes in all, and this is a build without optimisation.
fn limits() -> Limits {
    Limits { computing: Duration::from_secs(5), ..Limits::default() }
}

fn owners() -> PolicyModule {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policy-example/owners.wasm");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: run `make policy-example`"));
    Engine::new(small_limits()).unwrap().load_policy(&bytes).unwrap()
}

#[test]
fn it_is_loaded_and_proven_like_any_other() {
    let owners = owners();
    assert_eq!(owners.world(), World::Policy);
    assert_eq!(owners.prove("{ \"platform/\": [\"release\"] }", Needs::default(), &limits()).unwrap(), 3);
    for (configuration, why) in
        [("nonsense", "is not JSON"), ("[]", "no JSON object"), ("{\"a\":1}", "callers of \"a\"")]
    {
        let refused = owners.prove(configuration, Needs::default(), &limits()).unwrap_err().to_string();
        assert!(refused.contains(why), "{configuration}: {refused}");
    }
}

#[tokio::test]
async fn it_judges() {
    let owners = owners();
    let judge = async |configuration: &str, operation| {
        let context = Context { configuration: configuration.to_owned(), resources: None };
        owners.review(&change(operation), &context, &limits(), None, None).await.unwrap()
    };
    let mine = r#"{ "group/": ["somebody"], "group/project": ["ada"] }"#;
    let Verdict::Allow(labels) = judge(mine, Operation::Lock).await else { panic!("refused") };
    assert_eq!((labels[0].name.as_str(), labels[0].value.as_str()), ("owner", "group/project"));
    let Verdict::Deny(denial) = judge(r#"{ "group/": ["somebody"] }"#, Operation::Lock).await else {
        panic!("allowed")
    };
    assert_eq!(denial.reason, "group/ is applied by somebody; a plan passes");
    assert!(denial.keep);
    assert!(matches!(judge(r#"{ "group/": ["somebody"] }"#, Operation::Write).await, Verdict::Allow(_)));
}
