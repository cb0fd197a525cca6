//! Versions, locks and differences, for people.

use serde_json::Value;

use crate::api::{Comparison, Lock, Version};
use crate::table::one_line;

/// The longest value that is shown whole, in characters.
const LONGEST_VALUE: usize = 120;

/// What differs between two versions, a line for each thing.
pub(super) fn comparison(comparison: &Comparison) -> String {
    let difference = &comparison.difference;
    let mut text = format!("{}: {} -> {}\n", comparison.path, version(&comparison.from), version(&comparison.to));
    for resource in &difference.resources {
        text.push_str(&format!("  {} {}\n", sign(&resource.change), one_line(&resource.address)));
        for attribute in &resource.attributes {
            let values = values(attribute.sensitive, attribute.from.as_ref(), attribute.to.as_ref());
            text.push_str(&format!("      {}: {values}\n", one_line(&attribute.path)));
        }
        if !resource.also.is_empty() {
            text.push_str(&format!("      also: {}\n", one_line(&resource.also.join(", "))));
        }
    }
    for output in &difference.outputs {
        let values = values(output.sensitive, output.from.as_ref(), output.to.as_ref());
        text.push_str(&format!("  {} output {}: {values}\n", sign(&output.change), one_line(&output.name)));
    }
    if difference.truncated {
        text.push_str("  … and more than one answer holds\n");
    }
    let summary = difference.summary;
    text.push_str(&format!(
        "Resources: {} added, {} removed, {} changed, {} unchanged. Outputs: {} differ.",
        summary.added,
        summary.removed,
        summary.changed,
        summary.unchanged,
        difference.outputs.len()
    ));
    text
}

/// A version in a few words.
pub(super) fn version(version: &Version) -> String {
    match (version.kind.as_str(), version.serial) {
        ("state", Some(serial)) => format!("revision {} (serial {serial})", version.revision),
        (kind, _) => format!("revision {} ({kind})", version.revision),
    }
}

/// A lock in a few words.
pub(super) fn lock(lock: &Lock) -> String {
    let who = lock.who.as_deref().filter(|who| !who.is_empty()).unwrap_or(&lock.by);
    let operation = lock.operation.as_deref().unwrap_or_default();
    format!("{who} {operation} since {}", lock.since)
}

fn sign(change: &str) -> char {
    match change {
        "added" => '+',
        "removed" => '-',
        _ => '~',
    }
}

fn values(sensitive: bool, from: Option<&Value>, to: Option<&Value>) -> String {
    match (from, to) {
        (None, None) if sensitive => "(sensitive)".to_owned(),
        (from, to) => format!("{} -> {}", value(from), value(to)),
    }
}

fn value(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(none)".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    let begin: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{begin}… ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_reads_like_a_plan() {
        let answer = serde_json::json!({
            "path": "team/app",
            "from": {"revision": 10, "kind": "state", "serial": 10},
            "to": {"revision": 4, "kind": "state", "serial": 4},
            "difference": {
                "summary": {"added": 1, "removed": 2, "changed": 1, "unchanged": 0},
                "resources": [
                    {"address": "a.b[\"x\"]", "change": "added"},
                    {"address": "a.c", "change": "changed", "attributes": [
                        {"path": "input", "sensitive": false, "from": "ten", "to": null},
                        {"path": "secret", "sensitive": true}], "also": ["private"]},
                ],
                "outputs": [{"name": "o", "change": "removed", "sensitive": false, "from": 1}],
                "truncated": false,
            },
        });
        let text = comparison(&serde_json::from_value(answer).unwrap());
        assert_eq!(
            text,
            "team/app: revision 10 (serial 10) -> revision 4 (serial 4)\n  + a.b[\"x\"]\n  ~ a.c\n      \
             input: \"ten\" -> null\n      secret: (sensitive)\n      also: private\n  - output o: 1 -> (none)\n\
             Resources: 1 added, 2 removed, 1 changed, 0 unchanged. Outputs: 1 differ."
        );
    }
}
