//! What a run has done, in lines for people.

use std::io::Write;

use bytesize::ByteSize;
use tofu_state_providers::lock::{Locked, Outcome, Report, Root};
use tofu_state_providers::{Platform, lockfile};

use crate::cli::say;

/// Tells what was written or is different on standard output, and what is wrong on standard error.
pub(super) fn tell(report: &Report, pruned: bool, out: &mut impl Write, err: &mut impl Write) {
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
                problems.iter().for_each(|problem| say(err, &format!("  {problem}")));
            }
        }
        notes(root, err);
    }
    let stale = report.roots.iter().filter(|root| !root.not_required.is_empty()).count();
    if stale > 0 && !pruned {
        say(
            err,
            &format!(
                "{stale} lock files have entries of providers that nothing requires: `init` would remove them, as --prune does"
            ),
        );
    }
    let unsigned = report.roots.iter().filter(|root| root.providers.iter().any(Locked::is_unsigned)).count();
    if unsigned > 0 {
        say(
            err,
            &format!(
                "{unsigned} lock files got the hashes that a mirror or a folder has, without the registry's signed ones: `init` \
                 from the registry would add those"
            ),
        );
    }
    let (unchanged, written, differ, failed) = report.counts();
    let counts = [(written, "written"), (unchanged, "unchanged"), (differ, "not up to date"), (failed, "failed")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    say(out, &format!("{} root modules: {}", report.roots.len(), counts.join(", ")));
    let saved = (report.zips_alone.saturating_sub(report.zips), report.bytes_alone.saturating_sub(report.bytes));
    say(
        out,
        &format!(
            "{} packages: {} zips downloaded ({}); locking each root module alone would have taken {} more ({})",
            report.packages,
            report.zips,
            ByteSize(report.bytes),
            saved.0,
            ByteSize(saved.1)
        ),
    );
}

fn line(locked: &Locked) -> String {
    let Locked { provider, version, before, platforms, hashes_added, .. } = locked;
    let was = match before {
        None => " (new)".to_owned(),
        Some(before) if before == version => String::new(),
        Some(before) => format!(" (was {before})"),
    };
    let platforms: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    format!("{provider} {version}{was}: {hashes_added} hashes added, for {}", platforms.join(", "))
}

fn notes(root: &Root, err: &mut impl Write) {
    for locked in &root.providers {
        for note in &locked.notes {
            say(err, &format!("{}: {} {}: {note}", root.folder.display(), locked.provider, locked.version));
        }
    }
}
