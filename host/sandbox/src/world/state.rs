//! A moment of a run: what lies in the store, and how far everybody got.

use super::history::{Flight, History};
use crate::machine::NodeId;
use crate::store::contents::Contents;
use crate::store::{BodyId, Call, KeyId};
use tofu_state_store::Revision;

/// What servers, clients and the store are at a moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) contents: Contents,
    /// What can be seen of the contents, in the world's table.
    pub(crate) view: u32,
    pub(crate) clients: Vec<Client>,
    /// Requests that nobody waits for any more, in a fixed order.
    pub(crate) strays: Vec<Stray>,
    /// Writes that were sent and have not reached the store.
    pub(crate) late: Vec<Late>,
    /// What each server remembers.
    pub(crate) memories: Vec<Vec<(KeyId, Revision, BodyId)>>,
    pub(crate) history: History,
    /// Faults that may still happen.
    pub(crate) faults: u8,
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Its request is not sent yet.
    Ready,
    /// It waits for a reply.
    Waiting,
    /// It is done.
    Done,
}

/// A client's position in its script.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) at: u8,
    pub(crate) attempt: u8,
    pub(crate) phase: Phase,
    pub(crate) node: NodeId,
    pub(crate) flight: Flight,
}

/// Which request of the scenario a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) client: u8,
    pub(crate) at: u8,
    pub(crate) attempt: u8,
}

/// A request that nobody waits for: its client has lost its connection, or has its reply already while the server
/// still tidies up.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stray {
    pub(crate) origin: Origin,
    pub(crate) node: NodeId,
    pub(crate) flight: Flight,
}

/// A write on its way, of a server that died.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Late {
    pub(crate) origin: Origin,
    pub(crate) call: Call,
    pub(crate) flight: Flight,
}
