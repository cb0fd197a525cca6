//! `tofu-state sandbox replay` of a request that a server has recorded (`tofu-state serve --record`).

use std::io::Write;

use bytes::Bytes;
use tofu_state_component::policies::built_in;
use tofu_state_sandbox::Sandbox;
use tofu_state_sandbox::recording::{Recording, Replayed};

use super::under_test;
use super::{Given, Verdict};
use crate::cli::say;
use crate::policies::{file, make};

/// Gives the component the recorded request and answers, and tells whether it does the same again.
pub(super) fn replay(
    text: &[u8],
    given: &Given,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Verdict, String> {
    let recording = Recording::read(text).map_err(|error| error.to_string())?;
    let mut sandbox = under_test::sandbox(given)?;
    if given.policies.is_none() {
        sandbox = judged_by_default(sandbox)?;
    }
    if sandbox.digests().first() != Some(&recording.component) {
        say(err, &format!("note: this is not the component that was recorded, {}", recording.component));
    }
    let Replayed { calls, reply, differences } =
        sandbox.replay_recording(&recording).map_err(|error| error.to_string())?;
    say(out, &format!("{} /{}", recording.request.method, recording.request.path.join("/")));
    calls.iter().for_each(|call| say(out, &format!("  {call}")));
    match reply {
        Some((status, outcome)) => say(out, &format!("  reply: {status} ({outcome})")),
        None => say(out, "  no reply"),
    }
    if differences.is_empty() {
        say(out, "the same as was recorded");
        return Ok(Verdict::Fine);
    }
    differences.iter().for_each(|difference| say(out, &format!("different: {difference}")));
    Ok(Verdict::Broken)
}

/// With the policies that a server has that is given none.
fn judged_by_default(sandbox: Sandbox) -> Result<Sandbox, String> {
    let wanted = file::parse(&make::default_text()).map_err(|mistakes| mistakes.join("\n"))?;
    let modules = wanted.into_iter().filter_map(|wanted| {
        let (_, bytes) = built_in().iter().find(|(name, _)| *name == wanted.name)?;
        Some((wanted, Bytes::from_static(bytes)))
    });
    let chain = make::chain(sandbox.engine(), modules.collect(), &[]).map_err(|error| error.to_string())?;
    Ok(sandbox.judged_by(chain))
}
