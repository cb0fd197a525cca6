//! Looks through the store for locks that are held, so that somebody can be told of one that is held for
//! long, whichever server gave it and whether or not anybody meets it.
//!
//! What a lock is, the component says. Each look asks again about the locks that were held at the last one, and
//! goes on through the store from where that stopped, so a look takes a bounded number of calls however many
//! states there are. A server that has just started knows as much as any after one way through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tofu_state_component::{HeldLock, Protocol};
use tofu_state_store::history::{Child, History};
use tofu_state_store::{Key, Store};

use super::gate::Gate;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::HeldSince;

/// How often the store is looked at.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many keys are met in one look; a listing counts as one.
const KEYS_PER_LOOK: usize = 1000;

/// How many keys the component is asked about at once.
const KEYS_PER_CALL: usize = 64;

/// From which age on a held lock is worth a line in the log.
const LONG: Duration = Duration::from_secs(3600);

/// What it takes to look for locks.
pub struct Looker {
    /// The component as it is at the moment.
    pub protocol: Box<dyn Fn() -> Protocol + Send + Sync>,
    /// Where locks lie.
    pub store: Arc<Gate>,
    /// The same store, to list it.
    pub listed: Arc<dyn History>,
    /// What is told.
    pub metrics: Arc<Metrics>,
    /// Whether metrics may name groups.
    pub with_groups: bool,
}

/// Looks for ever.
pub async fn look(looker: Looker) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looking = Looking::new(looker);
    loop {
        ticks.tick().await;
        if let Err(why) = looking.look().await {
            tracing::debug!(why, "the store could not be looked through for locks");
        }
    }
}

/// How far it has come.
struct Looking {
    looker: Looker,
    /// The locks held, by their keys, when they were last looked at.
    held: BTreeMap<Key, HeldLock>,
    /// Those that the log has told of, by their IDs.
    told: BTreeSet<String>,
    way: Way,
}

/// What is left of one way through the store.
#[derive(Default)]
struct Way {
    begun: bool,
    folders: Vec<Key>,
    keys: Vec<Key>,
}

impl Looking {
    fn new(looker: Looker) -> Self {
        Self { looker, held: BTreeMap::new(), told: BTreeSet::new(), way: Way::default() }
    }

    async fn look(&mut self) -> Result<(), String> {
        if !self.looker.store.is_open() {
            return Err("it has not been checked yet".to_owned());
        }
        let known: Vec<Key> = self.held.keys().cloned().collect();
        for keys in known.chunks(KEYS_PER_CALL) {
            self.ask(keys).await?;
        }
        let mut left = KEYS_PER_LOOK.saturating_sub(known.len()).max(KEYS_PER_CALL);
        while left > 0 {
            left -= 1;
            if self.way.keys.is_empty() {
                if !self.list().await? {
                    self.way = Way::default();
                    self.looker.metrics.locks.looked(milliseconds() / 1000);
                    break;
                }
            } else {
                let next = self.way.keys.len().saturating_sub(KEYS_PER_CALL);
                // They are taken off only when they have been asked about.
                let keys: Vec<Key> = self.way.keys.iter().skip(next).cloned().collect();
                self.ask(&keys).await?;
                self.way.keys.truncate(next);
                left = left.saturating_sub(keys.len());
            }
        }
        self.tell();
        Ok(())
    }

    /// Lists the next folder; false if there is none.
    async fn list(&mut self) -> Result<bool, String> {
        let folder = if self.way.begun {
            match self.way.folders.last() {
                Some(folder) => Some(folder.clone()),
                None => return Ok(false),
            }
        } else {
            None
        };
        let children = match &folder {
            Some(folder) => self.looker.listed.list(folder).await,
            None => self.looker.listed.top().await,
        };
        let children = children.map_err(|error| error.to_string())?;
        self.way.begun = true;
        if folder.is_some() {
            self.way.folders.pop();
        }
        for child in children {
            let (Child::Document(name) | Child::Folder(name)) = &child;
            // What begins with a dot is not anybody's state, and can be large (`.chunks`).
            if name.starts_with('.') {
                continue;
            }
            let key = folder.as_ref().map_or_else(|| name.clone(), |folder| format!("{folder}/{name}"));
            let Ok(key) = Key::parse(&key) else { continue };
            match child {
                Child::Document(_) => self.way.keys.push(key),
                Child::Folder(_) => self.way.folders.push(key),
            }
        }
        Ok(true)
    }

    async fn ask(&mut self, keys: &[Key]) -> Result<(), String> {
        let store = Arc::<Gate>::clone(&self.looker.store) as Arc<dyn Store>;
        let locks = (self.looker.protocol)().held_locks(keys, store).await.map_err(|error| error.to_string())?;
        for key in keys {
            self.held.remove(key);
        }
        for lock in locks {
            if let Ok(key) = Key::parse(&lock.key) {
                self.held.insert(key, lock);
            }
        }
        Ok(())
    }

    fn tell(&mut self) {
        let now = milliseconds();
        for lock in self.held.values() {
            let seconds = now.saturating_sub(lock.since) / 1000;
            if seconds >= LONG.as_secs() && self.told.insert(lock.id.clone()) {
                let HeldLock { path, id, who, .. } = lock;
                tracing::warn!(path, lock_id = id, who, seconds, "a lock is held for long");
            }
        }
        self.told.retain(|id| self.held.values().any(|lock| lock.id == *id));
        let locks = self
            .held
            .values()
            .map(|lock| HeldSince { group: lock.path.split('/').next().unwrap_or_default(), since: lock.since });
        self.looker.metrics.locks.set_held(locks, self.looker.with_groups);
    }
}

fn milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tofu_state_component::{BUILT_IN, Engine, Limits};
    use tofu_state_store::memory::Memory;
    use tofu_state_store::{Retention, Write};

    async fn put(store: &Memory, key: &str, meta: &str) {
        let key = Key::parse(key).unwrap();
        let expected = match store.get(&key).await.unwrap() {
            tofu_state_store::Slot::Entry(entry) => entry.revision,
            _ => 0,
        };
        let meta = Bytes::from(meta.to_owned());
        store.put_cas(&key, Write { meta, content: None, expected, retention: Retention::Latest }).await.unwrap();
    }

    fn held(id: &str, since: u64) -> String {
        format!(
            r#"{{"format":1,"status":"held","id":"{id}","info":"{{}}","since":{since},"by":"shared","released":[]}}"#
        )
    }

    const FREE: &str = r#"{"format":1,"status":"free","released":["x"]}"#;

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.encode().unwrap().1).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn held_locks_are_found_wherever_they_lie_and_until_they_are_released() {
        let engine = Engine::new(Limits::default()).unwrap();
        let protocol = tokio::task::spawn_blocking(move || engine.load(BUILT_IN).unwrap()).await.unwrap();
        let memory = Arc::new(Memory::new());
        for number in 0..300 {
            put(&memory, &format!("team/p{number}"), "{}").await;
            put(&memory, &format!("team/p{number}.lock"), FREE).await;
        }
        put(&memory, "alone.lock", &held("a", 5_000)).await;
        put(&memory, "deep/er/p.lock", &held("b", 9_000)).await;
        put(&memory, ".chunks/team/x.lock", &held("c", 1_000)).await;
        put(&memory, "team/foreign.lock", r#"{"format":9}"#).await;
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut looking = Looking::new(Looker {
            protocol: Box::new(move || protocol.clone()),
            store: Arc::new(Gate::open(Arc::<Memory>::clone(&memory))),
            listed: Arc::<Memory>::clone(&memory),
            metrics: Arc::clone(&metrics),
            with_groups: true,
        });
        looking.look().await.unwrap();
        let told = text(&metrics);
        assert!(told.contains("tofu_state_locks_held 2\n"), "{told}");
        assert!(told.contains("tofu_state_oldest_lock_timestamp_seconds 5\n"), "{told}");
        assert!(told.contains("tofu_state_group_locks_held{group=\"deep\"} 1\n"), "{told}");
        assert!(!told.contains("tofu_state_locks_looked_timestamp_seconds 0\n"), "{told}");

        // Another server releases it.
        put(&memory, "alone.lock", FREE).await;
        put(&memory, "deep/er/p.lock", FREE).await;
        looking.look().await.unwrap();
        let told = text(&metrics);
        assert!(told.contains("tofu_state_locks_held 0\n"), "{told}");
        assert!(!told.contains("tofu_state_oldest_lock_timestamp_seconds "), "{told}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_store_is_looked_through_bit_by_bit() {
        let engine = Engine::new(Limits::default()).unwrap();
        let protocol = tokio::task::spawn_blocking(move || engine.load(BUILT_IN).unwrap()).await.unwrap();
        let memory = Arc::new(Memory::new());
        for number in 0..1500 {
            put(&memory, &format!("team/p{number}"), "{}").await;
        }
        put(&memory, "team/p7.lock", &held("a", 5_000)).await;
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut looking = Looking::new(Looker {
            protocol: Box::new(move || protocol.clone()),
            store: Arc::new(Gate::open(Arc::<Memory>::clone(&memory))),
            listed: Arc::<Memory>::clone(&memory),
            metrics: Arc::clone(&metrics),
            with_groups: false,
        });
        looking.look().await.unwrap();
        assert!(text(&metrics).contains("tofu_state_locks_looked_timestamp_seconds 0\n"), "not through yet");
        looking.look().await.unwrap();
        let told = text(&metrics);
        assert!(told.contains("tofu_state_locks_held 1\n") && !told.contains("looked_timestamp_seconds 0\n"), "{told}");
        assert!(!told.contains("tofu_state_group_"), "{told}");
    }
}
