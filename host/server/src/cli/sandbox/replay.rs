//! `tofu-state sandbox replay`.

use std::io::Write;

use tofu_state_sandbox::recording::Recording;
use tofu_state_sandbox::{Outcome, Replay as Saved, Replayed};

use super::{Replay, Verdict};
use super::{recorded, under_test};
use crate::cli::say;

/// The largest file that is read.
const LARGEST: u64 = 64 << 20;

/// Makes what a file holds again.
///
/// # Errors
/// Why it cannot be.
pub(super) fn replay(task: &Replay, out: &mut impl Write, err: &mut impl Write) -> Result<Verdict, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", task.file.display());
    let about = std::fs::metadata(&task.file).map_err(|error| failed(&error))?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(failed(&"not a regular file of at most 64 MiB"));
    }
    let text = std::fs::read(&task.file).map_err(|error| failed(&error))?;
    if Recording::is_one(&text) {
        return recorded::replay(&text, &task.given, out, err).map_err(|error| failed(&error));
    }
    let saved = Saved::read(&text).map_err(|error| failed(&error))?;
    let sandbox = under_test::sandbox(&task.given)?;
    if sandbox.digests() != saved.components {
        say(err, "note: this is not the component that it was found with");
    }
    let Replayed { diagram, outcome } = sandbox.replay(&saved).map_err(|error| failed(&error))?;
    say(out, &diagram.text());
    if let Some(file) = &task.svg {
        under_test::write(file, &diagram.svg())?;
        say(out, &format!("written: {}", file.display()));
    }
    Ok(match outcome {
        Outcome::Same => {
            say(out, &format!("the same again: {}, after {} steps: {}", saved.rule, saved.steps(), saved.what));
            Verdict::Fine
        }
        Outcome::Nothing => {
            say(out, &format!("all {} steps were made, and no rule is broken (it was {})", saved.steps(), saved.rule));
            Verdict::Broken
        }
        Outcome::Other(violation) => {
            say(out, &format!("it was {}, and is {}: {}", saved.rule, violation.rule, violation.what));
            Verdict::Broken
        }
        Outcome::Parted(step) => {
            say(
                out,
                &format!(
                    "step {step} cannot be made: this component does something else than the one it was found with"
                ),
            );
            Verdict::Broken
        }
    })
}
