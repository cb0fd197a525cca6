//! Calls that only the active node answers.
//!
//! Since 2.5 a standby answers what it can from its own copy, which lags: a read of what was just written
//! is a 404 that looks like "never written", a compare-and-set with the right revision is refused, and a
//! deletion does nothing and says that it did (all measured, 100 of 100 times on three nodes).
//!
//! What helps everywhere, behind a balancer and a Kubernetes Service too, is a demand that the node which
//! takes the call can judge by itself: an `X-Vault-Index` that no node has reached, with
//! `X-Vault-Inconsistent: forward-active-node`. A standby then forwards the call to the active node, and
//! answers 307 or 500 where there is none. But an index that names another cluster is ignored without a
//! word. So the cluster's ID has to be right, and to stay right (a restored snapshot brings another):
//!
//! - it is taken from `sys/health`, which needs no token, before the first call;
//! - an answer names the cluster it comes from, and is not believed if that is another;
//! - "never written" names none, so a second look at the mount follows it, which does: it also shows that
//!   the mount is still KV version 2, without which everything looks never written.
//!
//! One node is left that believes itself active and is not: a leader that was stopped (a frozen virtual
//! machine), replaced, and goes on. It answers from its old copy until it notices, for up to 31 ms (measured on
//! a busy machine; from then on it holds calls back until it forwards them). So
//!
//! - an answer is not believed if its node is not as far as one was that this store has heard before: who has
//!   locked a state reads nothing older than its lock;
//! - a slow answer may have lain in a stopped node: the call is made again;
//! - "never written" has to be said twice, [`STEP_DOWN`] apart.
//!
//! A server without raft is one node, or has standbys that forward everything. A cluster that answers from
//! standbys and does not know this demand (2.5 and 2.6) is refused.

use std::sync::{Arc, Mutex as Lock, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{self, Words};
use super::client::{Answer, Client, INCONSISTENT, INDEX, Index};
use crate::Error;

/// An index that no cluster reaches: 2^62. (2^64 - 1 works too, but a sum with it would overflow.)
const UNREACHED: &str = "4611686018427387904";

/// The first version whose standbys answer reads.
const STANDBY_READS: (u32, u32) = (2, 5);

/// How long a leader that was replaced may take to notice, with some to spare.
pub(super) const STEP_DOWN: Duration = Duration::from_millis(200);

/// An answer that took longer may come from a leader that was stopped meanwhile: with OpenBao's own timing raft
/// replaces none that is away for less than 5 s. No shorter, so that a busy OpenBao is not asked twice.
pub(super) const SLOW: Duration = Duration::from_secs(3);

/// For how long nodes that are behind are taken for late. After that the cluster's history itself is another:
/// a snapshot was restored into a new cluster, which keeps the ID and counts from the beginning.
const LATE: Duration = Duration::from_secs(30);

/// What a call must say so that only the active node answers it.
pub(super) struct Demand {
    /// The cluster it is for; none where any node that answers is the active one.
    cluster: Option<String>,
    /// What to send.
    pub(super) headers: HeaderMap,
    /// How far the cluster was when it was last heard of.
    heard: Lock<Heard>,
}

#[derive(Default)]
struct Heard {
    index: u64,
    /// Since when all answers are from nodes that are behind.
    behind_since: Option<Instant>,
}

/// What is known of a node that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It understood the demand.
    Current,
    /// It belongs to another cluster than the demand is for.
    Elsewhere,
    /// It is behind what was heard before the call: it has lost its lead and not noticed.
    Behind,
}

impl Demand {
    fn new(cluster: Option<String>) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(cluster) = &cluster {
            let index = serde_json::json!({"cluster": cluster, "value": UNREACHED}).to_string();
            // Base64 is always a header value.
            if let Ok(index) = HeaderValue::from_str(&STANDARD.encode(index)) {
                headers.insert(INDEX, index);
                headers.insert(INCONSISTENT, HeaderValue::from_static("forward-active-node"));
            }
        }
        Self { cluster, headers, heard: Lock::default() }
    }

    /// Whether there can be several nodes.
    pub(super) fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// How far an answer has to be to a call that is made now.
    pub(super) fn heard(&self) -> u64 {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).index
    }

    /// Judges the node that gave an answer to a call made when `heard` was [`Demand::heard`]. Only for answers
    /// that carry an index wherever there is one: successes, and what says that a revision was removed.
    pub(super) fn judge(&self, answer: &Answer, heard: u64) -> Standing {
        if self.cluster.as_ref() != answer.index.as_ref().map(|index| &index.cluster) {
            return Standing::Elsewhere;
        }
        let Some(reached) = answer.index.as_ref().and_then(Index::reached) else {
            return Standing::Current;
        };
        let mut known = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if reached >= heard {
            *known = Heard { index: known.index.max(reached), behind_since: None };
            return Standing::Current;
        }
        let since = *known.behind_since.get_or_insert_with(Instant::now);
        if since.elapsed() < LATE {
            return Standing::Behind;
        }
        *known = Heard { index: reached, behind_since: None };
        Standing::Current
    }
}

/// The demand that is right for the cluster behind the address, as far as is known.
#[derive(Default)]
pub(super) struct Current {
    known: RwLock<Option<Arc<Demand>>>,
    /// Held while the demand is found out, so that a hundred calls do not ask at once.
    asking: Mutex<()>,
}

impl Current {
    /// What calls must say, found out first if nobody knows.
    pub(super) async fn demand(&self, client: &Client, mount: &str) -> Result<Arc<Demand>, Error> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let find_out = async {
            let _asking = self.asking.lock().await;
            if let Some(known) = self.known() {
                return Ok(known);
            }
            let demand = Arc::new(ask(client, mount).await?);
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&demand));
            Ok(demand)
        };
        // Whoever waits behind others that ask in vain waits no longer than for a call of its own.
        tokio::time::timeout(client.timeout, find_out).await.unwrap_or(Err(Error::Timeout))
    }

    /// Drops what turned out to be wrong; what somebody else has found out since stays.
    pub(super) fn forget(&self, wrong: &Arc<Demand>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, wrong)) {
            *known = None;
        }
    }

    /// What calls must say as far as is known; nothing else if nobody has found out yet.
    pub(super) fn known_headers(&self) -> HeaderMap {
        self.known().map(|known| known.headers.clone()).unwrap_or_default()
    }

    fn known(&self) -> Option<Arc<Demand>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the mount is there and KV version 2, and the demand still right.
pub(super) async fn confirm(client: &Client, mount: &str, demand: &Demand) -> Result<Standing, Error> {
    let heard = demand.heard();
    Ok(demand.judge(&mount_of(client, mount, &demand.headers).await?, heard))
}

async fn ask(client: &Client, mount: &str) -> Result<Demand, Error> {
    let health = health(client).await?;
    if let Some(id) = health.cluster_id.filter(|id| !id.is_empty()) {
        let demand = Demand::new(Some(id));
        if confirm(client, mount, &demand).await? == Standing::Current {
            return Ok(demand);
        }
    }
    // The mount's answer names no cluster: the server has no raft, or is too old to.
    let alone = Demand::new(None);
    if confirm(client, mount, &alone).await? != Standing::Current {
        return Err(Error::Unavailable("the nodes behind OpenBao's address name different clusters".to_owned()));
    }
    // A version that cannot be read may be any.
    if version(&health.version).is_none_or(|version| version >= STANDBY_READS) && has_standbys(client).await? {
        return Err(Error::Denied(format!(
            "OpenBao {} answers reads from standby nodes, whose copy may lag, and cannot be told not to: upgrade it to 2.7",
            health.version
        )));
    }
    Ok(alone)
}

/// What `sys/health` says of the node that answers.
#[derive(Deserialize)]
struct NodeHealth {
    initialized: bool,
    sealed: bool,
    #[serde(default)]
    version: String,
    cluster_id: Option<String>,
}

async fn health(client: &Client) -> Result<NodeHealth, Error> {
    let answer = client.call_openly("sys/health").await?;
    // The status tells the same as the body: active, standby, sealed …
    let Ok(health) = serde_json::from_slice::<NodeHealth>(&answer.body) else {
        return Err(answer::failure(answer.status, &answer.body, Words::Quotable));
    };
    match health {
        NodeHealth { initialized: false, .. } => Err(Error::Unavailable("OpenBao is not initialised".to_owned())),
        NodeHealth { sealed: true, .. } => Err(Error::Sealed),
        health => Ok(health),
    }
}

async fn has_standbys(client: &Client) -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct Leader {
        ha_enabled: bool,
    }
    let answer = client.call_openly("sys/leader").await?;
    match serde_json::from_slice::<Leader>(&answer.body) {
        Ok(leader) => Ok(leader.ha_enabled),
        Err(_) => Err(answer::failure(answer.status, &answer.body, Words::Quotable)),
    }
}

/// Major and minor version of `2.7.2`, `1.15.0+ent` and the like.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Looks at the mount; an error if it is not one of KV version 2. Any token with a right below the mount
/// may look.
pub(super) async fn mount_of(client: &Client, mount: &str, headers: &HeaderMap) -> Result<Answer, Error> {
    let answer = client.call(Method::GET, &format!("sys/internal/ui/mounts/{mount}"), headers, None).await?;
    match answer.status {
        StatusCode::OK => is_kv2(mount, &answer.body).map(|()| answer),
        StatusCode::FORBIDDEN if answer::is_no_such_mount(&answer.body) => Err(Error::Denied(format!(
            "nothing is mounted at `{mount}/`, or the token has no right there: mount KV version 2 \
             (`bao secrets enable -path={mount} -version=2 kv`), give the token's policy rights on `{mount}/data/*` \
             and `{mount}/metadata/*`, or set `BAO_MOUNT`"
        ))),
        status => Err(answer::failure(status, &answer.body, Words::Quotable)),
    }
}

fn is_kv2(mount: &str, body: &Bytes) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Body {
        data: Mount,
    }
    #[derive(Deserialize)]
    struct Mount {
        path: String,
        r#type: String,
        options: Option<Options>,
    }
    #[derive(Deserialize)]
    struct Options {
        version: Option<String>,
    }
    let Ok(Body { data }) = serde_json::from_slice(body) else {
        return Err(Error::Corrupt("the answer to a look at the mount is not OpenBao's".to_owned()));
    };
    if data.path.trim_end_matches('/') != mount {
        return Err(Error::Denied(format!(
            "`{mount}` is not a mount, but lies in the mount `{}`: set `BAO_MOUNT` to that",
            data.path.trim_end_matches('/')
        )));
    }
    if data.r#type != "kv" {
        return Err(Error::Denied(format!("`{mount}/` is a mount of type {}, and has to be `kv`", data.r#type)));
    }
    match data.options.and_then(|options| options.version).as_deref() {
        Some("2") => Ok(()),
        _ => Err(Error::Denied(format!(
            "`{mount}/` is KV version 1, and has to be version 2: `bao kv enable-versioning {mount}/`, or set \
             `BAO_MOUNT` to another mount"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("2.7.2"), Some((2, 7)));
        assert_eq!(version("1.15.0+ent"), Some((1, 15)));
        assert_eq!(version("v2.5.0-beta1"), Some((2, 5)));
        assert_eq!(version(""), None);
        assert!(version("1.18.3") < Some(STANDBY_READS) && version("2.4.4") < Some(STANDBY_READS));
    }

    #[test]
    fn the_demand_is_for_one_cluster() {
        let demand = Demand::new(Some("abc".to_owned()));
        let index = STANDARD.decode(demand.headers[INDEX].as_bytes()).unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&index).unwrap(),
            serde_json::json!({"cluster": "abc", "value": UNREACHED})
        );
        assert_eq!(demand.judge(&answer(Some(("abc", 7))), 0), Standing::Current);
        assert_eq!(demand.judge(&answer(Some(("other", 7))), 0), Standing::Elsewhere);
        assert_eq!(demand.judge(&answer(None), 0), Standing::Elsewhere);
        let alone = Demand::new(None);
        assert!(alone.headers.is_empty());
        assert_eq!(alone.judge(&answer(None), 0), Standing::Current);
        assert_eq!(alone.judge(&answer(Some(("abc", 7))), 0), Standing::Elsewhere);
    }

    fn answer(index: Option<(&str, u64)>) -> Answer {
        let index = index.map(|(cluster, value)| {
            serde_json::from_value(serde_json::json!({"cluster": cluster, "value": value.to_string()})).unwrap()
        });
        Answer { status: StatusCode::OK, index, body: Bytes::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_behind_is_not_believed_unless_all_stay_so() {
        let demand = Demand::new(Some("abc".to_owned()));
        let hear = |value| demand.judge(&answer(Some(("abc", value))), demand.heard());
        assert_eq!(hear(10), Standing::Current);
        // The answer to a call that was made before the other was heard of.
        assert_eq!(demand.judge(&answer(Some(("abc", 9))), 9), Standing::Current);
        assert_eq!(demand.heard(), 10);
        assert_eq!(hear(9), Standing::Behind);
        tokio::time::advance(LATE / 2).await;
        assert_eq!(hear(10), Standing::Current);
        assert_eq!(hear(3), Standing::Behind);
        tokio::time::advance(LATE).await;
        assert_eq!(hear(3), Standing::Current);
        assert_eq!(demand.heard(), 3);
    }

    #[test]
    fn mounts() {
        let check = |path: &str, kind: &str, options: &str| {
            let body = format!(r#"{{"data":{{"path":"{path}","type":"{kind}","options":{options}}}}}"#);
            is_kv2("states", &Bytes::from(body))
        };
        assert_eq!(check("states/", "kv", r#"{"version":"2"}"#), Ok(()));
        for (path, kind, options) in [
            ("states/", "kv", r#"{"version":"1"}"#),
            ("states/", "kv", "null"),
            ("states/", "kv", "{}"),
            ("states/", "transit", "{}"),
            ("stat/", "kv", r#"{"version":"2"}"#),
        ] {
            assert!(matches!(check(path, kind, options), Err(Error::Denied(_))), "{path} {kind} {options}");
        }
        assert!(matches!(is_kv2("states", &Bytes::from("<html>")), Err(Error::Corrupt(_))));
    }
}
