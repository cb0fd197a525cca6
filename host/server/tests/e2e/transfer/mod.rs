//! `tofu-state import` and `tofu-state export`: a thousand states from each source, compared byte by byte.

mod consul;
mod gitlab;
mod killed;
mod sources;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tofu_state_testing::server::Server;

use crate::states::run;

/// States by name, such as `group-1/project-2`.
type States = BTreeMap<String, Vec<u8>>;

/// So many states, no two alike, some large, none written as a program would write it.
fn states(count: usize) -> States {
    let state = |number: usize| {
        let large = if number.is_multiple_of(100) { 200_000 } else { 200 };
        let value = format!("{number} é ").repeat(large / 8);
        let state = json!({
            "version": 4, "terraform_version": "1.12.6", "serial": number + 1, "lineage": format!("lineage-{number}"),
            "outputs": {"value": {"value": value, "type": "string"}}, "resources": [], "check_results": null,
        });
        let text = if number.is_multiple_of(2) { format!("{state:#}\n") } else { state.to_string() };
        (format!("group-{}/project-{number}", number % 7), text.into_bytes())
    };
    (0..count).map(state).collect()
}

/// Writes each state into a file.
fn write(states: &States, folder: &Path, suffix: &str) {
    for (name, bytes) in states {
        let file = folder.join(format!("{name}{suffix}"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// That the server holds these states below `into`, byte by byte, and as many as there are.
async fn holds(server: &Server, states: &States, into: &str) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("export");
    let mut arguments = vec!["export", "folder", to.to_str().unwrap(), "--json"];
    if !into.is_empty() {
        arguments.extend(["--prefix", into]);
    }
    let report = run(server, &arguments).await.success().json();
    assert_eq!(report["states"].as_array().unwrap().len(), states.len());
    let below = if into.is_empty() { String::new() } else { format!("{into}/") };
    for (name, bytes) in states {
        let found = std::fs::read(to.join(format!("{below}{name}.tfstate"))).unwrap();
        assert!(found == *bytes, "{name} is another");
    }
}

/// How many states of a report had this outcome.
fn count(report: &Value, outcome: &str) -> usize {
    report["states"].as_array().unwrap().iter().filter(|state| state["outcome"] == outcome).count()
}
