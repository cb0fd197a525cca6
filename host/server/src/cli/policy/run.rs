//! `tofu-state policy test`.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use tofu_state_component::policies::contract::{Expectation, Verdict};
use tofu_state_component::policies::{Limits, PolicyModule, built_in};

use super::Format;
use super::cases::{Case, Cases};
use super::check::engine;
use crate::cli::say;
use crate::config::file;
use crate::policies::make;

/// How a case ended.
struct Outcome<'a> {
    case: &'a Case,
    /// The verdict, and its reason.
    found: String,
    /// What is wrong with it.
    wrong: Option<String>,
}

/// Lets the module judge every case. Returns whether all verdicts are those expected.
///
/// # Errors
/// Why no case can be judged.
pub(super) fn test(path: &Path, format: Format, out: &mut impl Write) -> Result<bool, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = file::read(path).map_err(|error| failed(&error))?;
    let cases: Cases = toml::from_str(&text).map_err(|error| failed(&file::toml_mistake(&text, &error)))?;
    if cases.case.is_empty() {
        return Err(failed(&"there is no [[case]]"));
    }
    let module = module(&cases, path.parent().unwrap_or(Path::new(""))).map_err(|error| failed(&error))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| failed(&error))?;
    let judge = |case| runtime.block_on(judge(&module, case, &cases.configuration));
    let outcomes: Vec<_> = cases.case.iter().map(judge).collect();
    match format {
        Format::Text => print(&outcomes, out),
        Format::Json => print_json(&module, &outcomes, out),
    }
    Ok(outcomes.iter().all(|outcome| outcome.wrong.is_none()))
}

fn module(cases: &Cases, folder: &Path) -> Result<PolicyModule, String> {
    let bytes = match (&cases.module, &cases.builtin) {
        (Some(module), None) => make::read_module(&folder.join(module))?.into(),
        (None, Some(name)) => match built_in().iter().find(|(known, _)| known == name) {
            Some((_, bytes)) => std::borrow::Cow::Borrowed(*bytes),
            None => {
                let names: Vec<_> = built_in().iter().map(|(name, _)| *name).collect();
                return Err(format!("no module {name:?} is built in; there is {}", names.join(", ")));
            }
        },
        _ => return Err("write one of `module` and `builtin`: which module judges".to_owned()),
    };
    engine()?.load_policy(&bytes).map_err(|error| error.to_string())
}

async fn judge<'a>(module: &PolicyModule, case: &'a Case, configuration: &str) -> Outcome<'a> {
    let (change, context) = match case.question(configuration) {
        Ok(question) => question,
        Err(wrong) => return Outcome { case, found: String::new(), wrong: Some(wrong) },
    };
    let verdict = match module.review(&change, &context, &Limits::default(), None, None).await {
        Ok(verdict) => verdict,
        Err(failure) => {
            return Outcome { case, found: String::new(), wrong: Some(format!("the module failed: {failure}")) };
        }
    };
    let (found, reason) = match verdict {
        Verdict::Allow(labels) => {
            let labels: Vec<_> = labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
            (Expectation::Allow, labels.join(" "))
        }
        Verdict::Warn(reason) => (Expectation::Warn, reason),
        Verdict::Deny(denial) => (Expectation::Deny, denial.reason),
    };
    let told = if reason.is_empty() { word(found).to_owned() } else { format!("{}: {reason}", word(found)) };
    let wrong = if found != case.expected() {
        Some(format!("expected {}\n     was      {told}", word(case.expected())))
    } else {
        let missing = case.reason.as_ref().filter(|text| !reason.contains(text.as_str()));
        missing.map(|text| format!("expected a reason with {text:?}\n     was      {told}"))
    };
    Outcome { case, found: told, wrong }
}

fn word(expectation: Expectation) -> &'static str {
    match expectation {
        Expectation::Allow => "allow",
        Expectation::Warn => "warn",
        Expectation::Deny => "deny",
    }
}

fn print(outcomes: &[Outcome<'_>], out: &mut impl Write) {
    for Outcome { case, found, wrong } in outcomes {
        match wrong {
            None => say(out, &format!("ok   {} ({found})", case.name)),
            Some(wrong) => say(out, &format!("FAIL {}\n     {wrong}", case.name)),
        }
    }
    let wrong = outcomes.iter().filter(|outcome| outcome.wrong.is_some()).count();
    say(out, &format!("{} cases, {wrong} wrong", outcomes.len()));
}

fn print_json(module: &PolicyModule, outcomes: &[Outcome<'_>], out: &mut impl Write) {
    let cases: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            json!({ "name": outcome.case.name, "passed": outcome.wrong.is_none(),
                    "expected": word(outcome.case.expected()), "verdict": outcome.found, "wrong": outcome.wrong })
        })
        .collect();
    say(out, &json!({ "module": module.digest().as_ref(), "cases": cases }).to_string());
}
