//! What can go wrong between a command and a server.

use tofu_state_protocol::lock_info::LockInfo;

use crate::table::one_line;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer came, so whether it was done is unknown.
    #[error("no answer from {place}: {why}")]
    NoAnswer {
        /// Who was asked.
        place: String,
        /// What kept the answer away.
        why: String,
    },
    /// Somebody else holds the lock, or a policy denies it: then its `Who` is the policy.
    #[error("{path} is locked{}", told(.info))]
    Locked {
        /// The state's path.
        path: String,
        /// The holder's LockInfo.
        info: Box<LockInfo>,
    },
    /// The server says no.
    #[error("{place}: {} (status {status}{}){}", one_line(.message), code_of(.code), hint(*.status))]
    Refused {
        /// What was asked for.
        place: String,
        /// The HTTP status.
        status: u16,
        /// The server's own code for the error; empty if it gave none.
        code: String,
        /// What the server says.
        message: String,
    },
    /// The command cannot go on.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// A sentence of our own.
    pub fn other(what: impl Into<String>) -> Self {
        Self::Other(what.into())
    }
}

fn told(info: &LockInfo) -> String {
    let mut text = format!(" (ID {}", info.id);
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!(", {name} {value}"));
        }
    };
    add("by", info.who.as_deref().unwrap_or_default());
    add("for", &info.operation);
    add("since", &info.created);
    text.push(')');
    if !info.info.is_empty() {
        text.push_str(&format!(": {}", info.info));
    }
    // Whoever took it wrote this.
    one_line(&text)
}

fn code_of(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(", {code}") }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => {
            ". Are TF_HTTP_USERNAME and TF_HTTP_PASSWORD set and right; at a source, SOURCE_USERNAME and SOURCE_PASSWORD?"
        }
        403 => ". Is it the right token, and may it do this here?",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_neither_moves_the_cursor_nor_begins_a_line() {
        let text =
            r#"{"ID":"x","Who":"eve\u001b[2K","Operation":"a\nb","Info":"\u0007Done.\r\n","Created":"\u009b1A"}"#;
        let info = Box::new(LockInfo::parse(text.as_bytes()).unwrap());
        let locked = Error::Locked { path: "a/b".to_owned(), info }.to_string();
        let (place, code) = ("a/b".to_owned(), "denied".to_owned());
        let refused = Error::Refused { place, status: 422, code, message: "no\u{1b}[1A\n".to_owned() }.to_string();
        for said in [locked, refused] {
            assert!(!said.contains(char::is_control), "{said:?}");
        }
    }
}
