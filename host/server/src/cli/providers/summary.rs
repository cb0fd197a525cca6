//! What a run has done, in lines for people.

use std::collections::BTreeMap;
use std::io::Write;

use bytesize::ByteSize;
use tofu_state_client::table::count;
use tofu_state_providers::lock::{Locked, Outcome, Report, Root};
use tofu_state_providers::{Platform, lockfile};

use crate::cli::say;

/// Tells what was written or is different on standard output, and what is wrong on standard error.
pub(super) fn tell(report: &Report, pruned: bool, out: &mut impl Write, err: &mut impl Write) {
    let shared = shared(report);
    for root in &report.roots {
        let file = root.folder.join(lockfile::NAME);
        let file = file.display();
        match &root.outcome {
            Outcome::Unchanged => {}
            Outcome::Written => {
                say(out, &format!("{file}: written"));
                root.providers.iter().for_each(|locked| say(out, &format!("  {}", line(locked))));
                let removed = root.not_required.iter().filter(|_| pruned);
                removed.for_each(|provider| say(out, &format!("  {provider}: removed, nothing requires it")));
            }
            Outcome::Differs(diff) => say(out, diff.trim_end()),
            Outcome::Failed(problems) => {
                say(err, &format!("{file}: left as it is"));
                let own = problems.iter().filter(|problem| !shared.contains_key(problem.message.as_str()));
                own.for_each(|problem| say(err, &format!("  {problem}")));
            }
        }
        notes(root, err);
    }
    for (message, roots) in &shared {
        say(err, &format!("in {}: {message}", count(*roots, "root module")));
    }
    let with = |is: &dyn Fn(&Root) -> bool| report.roots.iter().filter(|root| is(root)).count();
    let stale = with(&|root| !root.not_required.is_empty());
    if stale > 0 && !pruned {
        let files = count(stale, "lock file");
        say(
            err,
            &format!(
                "{files} with entries of providers that nothing requires: `init` would remove them, as --prune does"
            ),
        );
    }
    let unsigned = with(&|root| root.providers.iter().any(Locked::is_unsigned));
    if unsigned > 0 {
        let files = count(unsigned, "lock file");
        say(
            err,
            &format!(
                "{files} with hashes from a mirror or a folder alone: `init` from the registry would add the signed ones"
            ),
        );
    }
    let (unchanged, written, differ, failed) = report.counts();
    let counts = [(written, "written"), (unchanged, "unchanged"), (differ, "not up to date"), (failed, "failed")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    say(out, &format!("{}: {}", count(report.roots.len(), "root module"), counts.join(", ")));
    let saved = (report.zips_alone.saturating_sub(report.zips), report.bytes_alone.saturating_sub(report.bytes));
    say(
        out,
        &format!(
            "{}: {} zips downloaded ({}); locking each root module alone would have taken {} more ({})",
            count(report.packages, "package"),
            report.zips,
            ByteSize(report.bytes),
            saved.0,
            ByteSize(saved.1)
        ),
    );
}

/// What is wrong with several root modules and not in a file of theirs, such as a registry that does not answer: it is
/// told once, with their number.
fn shared(report: &Report) -> BTreeMap<&str, usize> {
    let mut roots = BTreeMap::new();
    for root in &report.roots {
        if let Outcome::Failed(problems) = &root.outcome {
            let outside = problems.iter().filter(|problem| problem.file == root.folder && problem.position.is_none());
            outside.for_each(|problem| *roots.entry(problem.message.as_str()).or_insert(0) += 1);
        }
    }
    roots.retain(|_, roots| *roots > 1);
    roots
}

fn line(locked: &Locked) -> String {
    let Locked { provider, version, before, platforms, hashes_added, .. } = locked;
    let was = match before {
        None => " (new)".to_owned(),
        Some(before) if before == version => String::new(),
        Some(before) => format!(" (was {before})"),
    };
    let platforms: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    let added = if *hashes_added == 1 { "1 hash".to_owned() } else { format!("{hashes_added} hashes") };
    format!("{provider} {version}{was}: {added} added, for {}", platforms.join(", "))
}

fn notes(root: &Root, err: &mut impl Write) {
    for locked in &root.providers {
        for note in &locked.notes {
            say(err, &format!("{}: {} {}: {note}", root.folder.display(), locked.provider, locked.version));
        }
    }
}
