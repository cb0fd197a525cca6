//! `tofu-state sandbox explore`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use tofu_state_sandbox::{Bounds, Explored, Progress};

use super::under_test::{self, Read};
use super::{Explore, Format, Verdict};
use crate::cli::say;

/// How often the bar is drawn again.
const DRAWN_EVERY: Duration = Duration::from_millis(250);

/// What came of a scenario.
struct Done {
    read: Read,
    explored: Explored,
    /// What was written: the replay file, and the drawing.
    written: Vec<PathBuf>,
}

/// Explores all scenarios that have clients.
///
/// # Errors
/// Which file is wrong, and why.
pub(super) fn explore(task: &Explore, out: &mut impl Write, err: &mut impl Write) -> Result<Verdict, String> {
    let scenarios = under_test::scenarios(&task.scenarios)?;
    let sandbox = under_test::sandbox(&task.given)?;
    let bounds = Bounds {
        states: task.max_states,
        time: task.time,
        schedules: task.max_schedules.map(u128::from),
        every_order: task.every_order,
    };
    let mut all = Vec::new();
    for mut read in scenarios {
        if read.scenario.clients.is_empty() {
            say(err, &format!("{}: no [[client]]s, for run only", read.short()));
            continue;
        }
        if let Some(faults) = task.faults {
            read.scenario.faults.up_to = faults;
        }
        let bar = bar(&read, task.max_states);
        let explored = sandbox.explore(&read.scenario, &bounds, |progress| show(&bar, progress));
        bar.finish_and_clear();
        let explored = explored.map_err(|error| read.wrong(&error))?;
        let written = save(task, &read, &explored)?;
        let done = Done { read, explored, written };
        if task.format == Format::Text {
            print(&done, out);
        }
        all.push(done);
    }
    match task.format {
        Format::Text => print_sum(&all, out),
        Format::Json => print_json(&all, out),
        Format::Junit => print_junit(task, &all, out)?,
    }
    let broken = all.iter().any(|done| done.explored.counterexample.is_some() || (task.all && !done.explored.complete));
    Ok(if broken { Verdict::Broken } else { Verdict::Fine })
}

fn bar(read: &Read, most: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(most, ProgressDrawTarget::stderr());
    let template = if most.is_some() {
        "{prefix} {bar:30} {percent:>3} %  {elapsed}  {msg}"
    } else {
        "{prefix} {spinner}  {elapsed}  {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(read.short());
    bar.enable_steady_tick(DRAWN_EVERY);
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let Progress { states, transitions, executions, waiting, depth } = progress;
    bar.set_position(*states);
    bar.set_message(format!(
        "{} states, {} steps, {} instances; {} wait at depth {depth}",
        HumanCount(*states),
        HumanCount(*transitions),
        HumanCount(*executions),
        HumanCount(*waiting)
    ));
}

/// Writes what is to be kept of a schedule that breaks a rule.
fn save(task: &Explore, read: &Read, explored: &Explored) -> Result<Vec<PathBuf>, String> {
    let Some(found) = &explored.counterexample else { return Ok(Vec::new()) };
    let replay = task.folder.join(format!("{}.replay.json", read.short()));
    under_test::write(&replay, &found.replay.write().map_err(|error| error.to_string())?)?;
    let mut written = vec![replay];
    if task.svg {
        let drawing = task.folder.join(format!("{}.svg", read.short()));
        under_test::write(&drawing, &found.diagram.svg())?;
        written.push(drawing);
    }
    Ok(written)
}

fn numbers(explored: &Explored) -> String {
    let Explored { states, transitions, executions, schedules, longest, time, .. } = explored;
    format!(
        "{} states, {} steps, {} schedules of at most {longest} steps, {} instances, {:.1} s",
        HumanCount(*states),
        HumanCount(*transitions),
        grouped(*schedules),
        HumanCount(*executions),
        time.as_secs_f64()
    )
}

/// A number that may be larger than what is grouped elsewhere.
fn grouped(number: u128) -> String {
    match u64::try_from(number) {
        Ok(number) => HumanCount(number).to_string(),
        #[expect(clippy::cast_precision_loss, reason = "the first digits are told")]
        Err(_) => format!("{:.2e}", number as f64),
    }
}

/// What was left out.
fn left_out(explored: &Explored) -> Option<String> {
    let bound = explored.stopped_by?;
    Some(format!(
        "NOT all was covered: {bound} ran out; {} states were found and not gone on from",
        HumanCount(explored.waiting)
    ))
}

fn print(done: &Done, out: &mut impl Write) {
    let Done { read, explored, written } = done;
    let word = match (&explored.counterexample, explored.complete) {
        (Some(_), _) => "FAIL",
        (None, true) => "ok  ",
        (None, false) => "part",
    };
    say(out, &format!("{word} {}: {}", read.short(), numbers(explored)));
    left_out(explored).iter().for_each(|what| say(out, &format!("     {what}")));
    let Some(found) = &explored.counterexample else { return };
    say(out, &format!("     {}, after {} steps: {}\n", found.violation.rule, found.steps(), found.violation.what));
    say(out, &found.diagram.text());
    written.iter().for_each(|file| say(out, &format!("     written: {}", file.display())));
}

fn print_sum(all: &[Done], out: &mut impl Write) {
    let count = |has: &dyn Fn(&Explored) -> bool| all.iter().filter(|done| has(&done.explored)).count();
    let broken = count(&|explored| explored.counterexample.is_some());
    let complete = count(&|explored| explored.complete);
    say(
        out,
        &format!(
            "{} scenarios: {complete} covered to the end, {} in part, {broken} with a broken rule",
            all.len(),
            all.len() - complete - broken
        ),
    );
}

fn print_json(all: &[Done], out: &mut impl Write) {
    let scenarios: Vec<_> = all
        .iter()
        .map(|Done { read, explored, written }| {
            let broken = explored.counterexample.as_ref().map(|found| {
                json!({ "rule": found.violation.rule, "what": found.violation.what, "steps": found.steps(),
                        "diagram": found.diagram.text() })
            });
            json!({ "file": read.file, "name": read.scenario.name, "complete": explored.complete,
                    "stopped-by": explored.stopped_by, "states": explored.states, "steps": explored.transitions,
                    "schedules": explored.schedules.to_string(), "instances": explored.executions,
                    "waiting": explored.waiting, "longest": explored.longest,
                    "seconds": explored.time.as_secs_f64(), "broken": broken, "written": written })
        })
        .collect();
    say(out, &json!({ "scenarios": scenarios }).to_string());
}

fn print_junit(task: &Explore, all: &[Done], out: &mut impl Write) -> Result<(), String> {
    let mut report = Report::new("tofu-state sandbox explore");
    let mut suite = TestSuite::new("explore");
    for Done { read, explored, .. } in all {
        let failed = |message: String, description: String| {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message).set_description(description);
            status
        };
        let status = match (&explored.counterexample, left_out(explored)) {
            (Some(found), _) => {
                failed(format!("{}: {}", found.violation.rule, found.violation.what), found.diagram.text())
            }
            (None, Some(what)) if task.all => failed(what, String::new()),
            (None, _) => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(read.short(), status);
        case.set_classname("explore").set_time(explored.time);
        let left_out = left_out(explored).map(|what| format!("\n{what}")).unwrap_or_default();
        case.set_system_out(format!("{}{left_out}", numbers(explored)));
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    say(out, report.to_string().map_err(|error| error.to_string())?.trim_end());
    Ok(())
}
