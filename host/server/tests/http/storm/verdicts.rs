//! Audit records and spans of the storm: each request's verdicts are those of exactly one generation, the one that
//! it tells, and that one served at the time.
//!
//! The policies of each generation know the round that made it, and say so: in a label when they allow, in the
//! reason when they deny. So what a record says of its generation is compared with what the policies said
//! themselves, and with what the client was told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Weak;

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tofu_state_server::generations::Generation;
use tofu_state_testing::otlp::Span;

/// A generation that was published.
pub(super) struct Published {
    /// The round whose files it was made of.
    pub(super) round: usize,
    /// Between these it was published.
    pub(super) between: (OffsetDateTime, OffsetDateTime),
    pub(super) generation: Weak<Generation>,
}

/// All of them, by number.
pub(super) type History = BTreeMap<u64, Published>;

/// How many requests the audit tells of, by what became of them.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) allowed: usize,
    pub(super) denied: usize,
    pub(super) failed: usize,
}

/// Checks every record. `denials`: of each request that a policy denied, the round that its reason named.
pub(super) fn check_records(records: &[Value], history: &History, denials: &HashMap<String, usize>) -> Told {
    let mut told = Told::default();
    for record in records {
        let number = record["generation"].as_u64().unwrap();
        let its = history.get(&number).unwrap_or_else(|| panic!("there was no such generation: {record}"));
        served_at_the_time(record, number, history);
        let policies = record["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = policies.iter().map(|policy| policy["name"].as_str().unwrap()).collect();
        let words: Vec<&str> = policies.iter().map(|policy| policy["verdict"].as_str().unwrap()).collect();
        let group = record["state"].as_str().unwrap().split('/').next().unwrap();
        let judged = ["lock", "write"].contains(&record["operation"].as_str().unwrap());
        match (group, judged) {
            (_, false) => assert_eq!(names, [""; 0], "{record}"),
            ("team", true) => {
                assert_eq!((&names[..], &words[..]), (&["first", "last"][..], &["allow"; 2][..]), "{record}");
                for policy in policies {
                    assert_eq!(policy["labels"][0]["value"], its.round.to_string(), "{record}");
                }
                told.allowed += 1;
            }
            ("denied", true) => {
                assert_eq!((&names[..], &words[..]), (&["denied"][..], &["deny"][..]), "{record}");
                let round = denials.get(record["request_id"].as_str().unwrap());
                assert_eq!(round, Some(&its.round), "the client was told of another generation: {record}");
                told.denied += 1;
            }
            ("hostile", true) => {
                assert_eq!((&names[..], &words[..]), (&["hostile"][..], &["error"][..]), "{record}");
                assert_eq!((&record["denied_by"], &record["status"]), (&"hostile".into(), &423.into()), "{record}");
                told.failed += 1;
            }
            _ => panic!("{record}"),
        }
    }
    told
}

/// A request takes its generation after it has come and before it ends; each serves from when it is published until
/// the next one is.
fn served_at_the_time(record: &Value, number: u64, history: &History) {
    let received = OffsetDateTime::parse(record["time"].as_str().unwrap(), &Rfc3339).unwrap();
    // What it took is rounded.
    let ended = received + Duration::seconds_f64(record["duration_ms"].as_f64().unwrap() / 1e3 + 1e-3);
    let from = history[&number].between.0;
    assert!(from <= ended, "it was published later, at {from}: {record}");
    if let Some(next) = history.get(&(number + 1)) {
        assert!(received <= next.between.1, "the next one served already, at {}: {record}", next.between.1);
    }
}

/// Checks the spans of policies: their generation is that of the round that they name, and of their request. How many
/// there are.
pub(super) fn check_spans(spans: &[Span], history: &History) -> usize {
    let by_id: HashMap<(&str, &str), &Span> = spans.iter().map(|span| ((&*span.trace, &*span.id), span)).collect();
    let policies: Vec<&Span> = spans.iter().filter(|span| span.name.starts_with("policy ")).collect();
    for policy in &policies {
        let number: u64 = policy.attribute("tofu_state.generation").parse().unwrap();
        let round = policy.attribute("tofu_state.policy.label.round");
        assert!(round.is_empty() || round == history[&number].round.to_string(), "{policy:?}");
        // All spans of a request are sent at once, or none.
        let parent = |span: &Span| by_id[&(&*span.trace, span.parent.as_deref().unwrap())];
        let request = parent(parent(policy));
        assert_eq!(request.attribute("tofu_state.generation"), number.to_string(), "{policy:?} of {request:?}");
    }
    policies.len()
}
