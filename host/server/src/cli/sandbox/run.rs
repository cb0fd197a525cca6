//! `tofu-state sandbox run`.

use std::io::Write;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use tofu_state_sandbox::{Ran, StepRan};

use super::under_test::{self, Read};
use super::{Format, Run, Verdict};
use crate::cli::say;

/// Makes the steps of all scenarios.
///
/// # Errors
/// Which file is wrong, and why.
pub(super) fn run(task: &Run, out: &mut impl Write) -> Result<Verdict, String> {
    let scenarios = under_test::scenarios(&task.scenarios)?;
    let sandbox = under_test::sandbox(&task.given)?;
    let mut all = Vec::new();
    for read in scenarios {
        let ran = sandbox.run(&read.scenario).map_err(|error| read.wrong(&error))?;
        all.push((read, ran));
    }
    match task.format {
        Format::Text => print(&all, task.calls, out),
        Format::Json => print_json(&all, out),
        Format::Junit => print_junit(&all, out)?,
    }
    Ok(if all.iter().all(|(_, ran)| ran.passed()) { Verdict::Fine } else { Verdict::Broken })
}

fn print(all: &[(Read, Ran)], calls: bool, out: &mut impl Write) {
    let (mut steps, mut wrong, mut skipped) = (0, 0, 0);
    for (read, ran) in all {
        steps += ran.steps.len();
        if ran.steps.is_empty() {
            skipped += 1;
            say(out, &format!("-    {}: no [[step]]s, for explore only", read.short()));
            continue;
        }
        say(out, &format!("{} {}: {}", if ran.passed() { "ok  " } else { "FAIL" }, read.short(), ran.name));
        for (number, step) in ran.steps.iter().enumerate() {
            wrong += usize::from(!step.wrong.is_empty());
            if !step.wrong.is_empty() || calls {
                say(out, &format!("     {}. {} → {}", number + 1, step.text, answered(step)));
            }
            if !step.wrong.is_empty() || calls {
                step.calls.iter().for_each(|call| say(out, &format!("          {call}")));
            }
            step.wrong.iter().for_each(|what| say(out, &format!("        ✗ {what}")));
        }
    }
    let skipped = if skipped == 0 { String::new() } else { format!("; {skipped} for explore only") };
    say(out, &format!("{} scenarios, {steps} steps, {wrong} not as expected{skipped}", all.len()));
}

fn answered(step: &StepRan) -> &str {
    step.reply.as_deref().unwrap_or("no reply")
}

fn print_json(all: &[(Read, Ran)], out: &mut impl Write) {
    let scenarios: Vec<_> = all
        .iter()
        .map(|(read, ran)| {
            let steps: Vec<_> = ran
                .steps
                .iter()
                .map(|step| {
                    json!({ "request": step.text, "reply": step.reply, "calls": step.calls, "wrong": step.wrong })
                })
                .collect();
            json!({ "file": read.file, "name": ran.name, "passed": ran.passed(), "steps": steps })
        })
        .collect();
    say(out, &json!({ "scenarios": scenarios }).to_string());
}

fn print_junit(all: &[(Read, Ran)], out: &mut impl Write) -> Result<(), String> {
    let mut report = Report::new("tofu-state sandbox run");
    for (read, ran) in all {
        let mut suite = TestSuite::new(read.short());
        for (number, step) in ran.steps.iter().enumerate() {
            let status = if step.wrong.is_empty() {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(step.wrong.join("; ")).set_description(step.calls.join("\n"));
                status
            };
            let mut case = TestCase::new(format!("{}. {}", number + 1, step.text), status);
            case.set_classname(read.short());
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    say(out, report.to_string().map_err(|error| error.to_string())?.trim_end());
    Ok(())
}
