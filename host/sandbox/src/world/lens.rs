//! What can be seen of the store at a moment: the component itself is asked, on a copy that nothing changes.

use std::sync::Arc;

use futures_util::FutureExt;
use tofu_state_component::policies::Chain;
use tofu_state_component::{Granted, ReplyBody, Surroundings};
use tofu_state_store::History;
use tofu_state_store::layout::{self, Layout};

use super::World;
use super::history::{Holder, Sight, Visible};
use crate::machine::Machine;
use crate::machine::execute::{Laying, Prepared, Serving, component_request, moment};
use crate::scenario::request::BEGINNING;
use crate::store::contents::{self, Contents};
use crate::store::snapshot::Snapshot;
use crate::store::tables::Tables;

/// What the component says, before it is put into the world's names.
pub(crate) struct Looked {
    pub(crate) states: Vec<Result<Option<bytes::Bytes>, u16>>,
    /// Whether all kept revisions can be read, of each path.
    pub(crate) whole: Vec<bool>,
    /// Path and ID of the locks that are held; none: it cannot tell.
    pub(crate) held: Option<Vec<(String, String)>>,
}

/// Looks at `contents`. It neither writes nor waits.
pub(crate) fn look(machine: &Machine, gets: &[Prepared], contents: &Contents) -> Looked {
    let Some(serving) = machine.servers.first() else {
        return Looked { states: Vec::new(), whole: Vec::new(), held: None };
    };
    let get = |request: &Prepared| get(serving, &machine.tables, machine.laying, contents, request);
    let snapshot = Snapshot::of(contents, &machine.tables);
    let keys = snapshot.keys();
    let held = serving.protocol.holders(&keys, layout(snapshot, machine.laying)).now_or_never();
    let held = held.and_then(Result::ok).map(|held| held.into_iter().map(|lock| (lock.path, lock.id)).collect());
    let whole = gets.iter().map(|request| is_whole(&machine.tables, machine.laying, contents, &request.path.join("/")));
    Looked { states: gets.iter().map(get).collect(), whole: whole.collect(), held }
}

/// Whether every revision of a state that is kept can be read, with its chunks.
fn is_whole(tables: &Tables, laying: Laying, contents: &Contents, path: &str) -> bool {
    // A path that is refused has no revisions.
    let Some(key) = contents::key(path) else { return true };
    let layout = layout(Snapshot::of(contents, tables), laying);
    let Some(Ok(revisions)) = layout.revisions(&key).now_or_never() else { return false };
    let is_readable = |revision| matches!(layout.revision(&key, revision).now_or_never(), Some(Ok(_)));
    revisions.into_iter().all(is_readable)
}

fn get(
    serving: &Serving,
    tables: &Tables,
    laying: Laying,
    contents: &Contents,
    request: &Prepared,
) -> Result<Option<bytes::Bytes>, u16> {
    let store = layout(Snapshot::of(contents, tables), laying);
    let around =
        Surroundings { store, store_wait: None, policies: Arc::new(Chain::default()), rights: Granted::default() };
    let reply = serving.protocol.answer(component_request(request), around).now_or_never();
    let reply = reply.and_then(Result::ok).ok_or(500_u16)?;
    match (reply.status, reply.body) {
        (200, ReplyBody::State(bytes) | ReplyBody::Bytes(bytes)) if !bytes.is_empty() => Ok(Some(bytes)),
        (200 | 204 | 404, _) => Ok(None),
        (status, _) => Err(status),
    }
}

fn layout(snapshot: Snapshot, laying: Laying) -> Arc<Layout> {
    let now = moment(BEGINNING);
    let around =
        layout::Surroundings { clock: Arc::new(move || now), background: Arc::new(drop), chance: Arc::new(|| [0; 10]) };
    let settings = layout::Settings { entry_bytes: laying.entry_bytes, garbage_age: laying.garbage_age, around };
    Arc::new(Layout::new(Arc::new(snapshot), settings))
}

impl World {
    /// What was looked at, in this world's names, one sight for each path.
    pub(super) fn sights(&mut self, looked: &Looked) -> Vec<Sight> {
        let paths: Vec<String> = self.names.paths().map(|(_, path)| path.to_owned()).collect();
        let states = looked.states.iter().chain(std::iter::repeat(&Err(500)));
        let whole = looked.whole.iter().copied().chain(std::iter::repeat(true));
        paths
            .iter()
            .zip(states.zip(whole))
            .map(|(path, (state, whole))| {
                let state = match state {
                    Ok(Some(bytes)) => Visible::State(self.names.state(bytes.clone())),
                    Ok(None) => Visible::Nothing,
                    Err(status) => Visible::Unreadable(*status),
                };
                let holder = match &looked.held {
                    None => Holder::Unknown,
                    Some(held) => match held.iter().find(|(of, _)| of == path) {
                        None => Holder::Nobody,
                        Some((_, id)) => self.names.find_lock(id).map_or(Holder::Unknown, Holder::Held),
                    },
                };
                Sight { state, holder, whole }
            })
            .collect()
    }
}
