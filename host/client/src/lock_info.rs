//! LockInfo, as this client sends it: the fields that the CLIs send.
//! (OpenTofu, `internal/states/statemgr/locker.go`)

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// A LockInfo to take a lock with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewLock {
    /// The lock's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it is taken for.
    pub operation: String,
    /// More about that, for people, and for this client to know its own lock again.
    pub info: String,
    /// Who takes it: `user@host`.
    pub who: String,
    /// This client's version.
    pub version: String,
    /// When, by this machine's clock (RFC 3339).
    pub created: String,
    /// Empty, as the CLIs have it.
    pub path: String,
}

impl NewLock {
    /// A lock with a new ID, taken now, by whoever runs this.
    #[must_use]
    pub fn now(operation: &str, info: &str) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            operation: operation.to_owned(),
            info: info.to_owned(),
            who: me(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            path: String::new(),
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn text(&self) -> String {
        // A struct of strings always has a JSON text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Whoever runs this, as the CLIs say it: `user@host`.
#[must_use]
pub fn me() -> String {
    let user =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tofu_state_protocol::lock_info::LockInfo;

    #[test]
    fn the_server_reads_what_is_sent_and_takes_it_for_no_forced_unlock() {
        let lock = NewLock::now("restore", "version 4");
        let read = LockInfo::parse(lock.text().as_bytes()).unwrap();
        assert_eq!((read.id, read.operation, read.info), (lock.id, "restore".to_owned(), "version 4".to_owned()));
        assert_eq!(read.who, Some(me()));
        assert!(!read.only_id && read.created.contains('T'));
    }
}
