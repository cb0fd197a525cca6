//! What may stand in no log, span, metric, audit record or error: the secrets and states of all tests of this
//! process. Whatever a server that a test started leaves behind is searched for them.
//!
//! A secret is known from the moment at which a test gives it to a server or sends it to one; states have
//! [`IN_A_STATE`] in them. Where something is found in a place of which no test hears (a collector's task), it is
//! kept until a server ends, whose test then fails.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Stands in the states that tests write.
pub const IN_A_STATE: &str = "content-of-a-state-7d1f0c93";

/// Shorter texts stand in a log for other reasons.
const SHORTEST: usize = 12;

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on nothing may show `secret`, nor what Basic authentication or a gRPC header makes of it. One of less
/// than 12 bytes is not looked for.
pub fn keep(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut known = locked(&KNOWN);
    known.insert(secret.to_owned());
    // Where it begins within three bytes decides how base64 writes it; its first and last signs depend on what
    // stands around it.
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&b"xx"[..before], secret.as_bytes()].concat());
        let inner = encoded.get(if before == 0 { 0 } else { 4 }..encoded.len() - 1).unwrap_or_default();
        known.insert(inner.to_owned());
    }
}

/// Notes what a request's `Authorization` holds, see [`keep`].
pub fn keep_authorization(value: &str) {
    match value.split_once(' ') {
        Some(("Basic", encoded)) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
            if let Some((_, password)) = String::from_utf8_lossy(&decoded).split_once(':') {
                keep(password);
            }
        }
        Some((_, token)) => keep(token),
        None => {}
    }
}

/// The first line of `text` that shows something it may not; what it shows is not repeated.
#[must_use]
pub fn shown(text: &str) -> Option<String> {
    let known = locked(&KNOWN);
    let all = || std::iter::once(IN_A_STATE).chain(known.iter().map(String::as_str));
    // One look for all of it: nearly always nothing is found.
    let secret = all().find(|secret| text.contains(*secret))?;
    let line = text.lines().find(|line| line.contains(secret)).unwrap_or(text);
    Some(all().fold(line.to_owned(), |line, secret| line.replace(secret, "<secret>")))
}

/// Checks that `text`, from `place`, shows nothing that it may not.
///
/// # Panics
/// If it does.
#[track_caller]
pub fn look_in(place: &str, text: &str) {
    if let Some(line) = shown(text) {
        panic!("{place} shows a secret: {line}");
    }
}

/// The same where no test would hear of a panic: [`none_was_found`] tells.
pub fn note_in(place: &str, text: &str) {
    if let Some(line) = shown(text) {
        locked(&FOUND).push(format!("{place} shows a secret: {line}"));
    }
}

/// Checks that [`note_in`] has found nothing so far.
///
/// # Panics
/// If it has.
#[track_caller]
pub fn none_was_found() {
    let found = locked(&FOUND).clone();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// From now on what this process itself logs is searched and thrown away: whatever ours say, and what others say
/// that matters.
pub fn search_own_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ours = "tofu_state=debug,tofu_state_server=debug,tofu_state_component=debug,tofu_state_store=debug";
        let log = tracing_subscriber::fmt().with_env_filter(format!("info,{ours}")).with_ansi(false);
        // A test that has set up a log of its own has it searched by itself.
        let _ = log.with_writer(|| SearchedLog).try_init();
    });
}

/// A log's writer that keeps nothing, and notes where it is told a secret.
struct SearchedLog;

impl io::Write for SearchedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        note_in("the log", &String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_secret_is_found_as_it_is_and_in_base64_wherever_it_stands() {
        keep("a-secret-of-this-test");
        for user in ["", "u", "us", "use", "user"] {
            let header = STANDARD.encode(format!("{user}:a-secret-of-this-test"));
            let line = shown(&format!("fine\nauthorization={header}\nfine")).unwrap();
            assert!(line.starts_with("authorization=") && line.contains("<secret>"), "{line}");
            keep_authorization(&format!("Basic {header}"));
        }
        assert_eq!(shown("x a-secret-of-this-test y").unwrap(), "x <secret> y");
        assert_eq!(shown("a-secret-of-this-tes"), None);
        assert!(shown(&format!("{{\"value\":\"{IN_A_STATE}\"}}")).is_some());
        keep("short");
        assert_eq!(shown("short"), None);
        keep_authorization("Bearer another-secret-of-this-test");
        assert!(shown("another-secret-of-this-test").is_some());
    }
}
