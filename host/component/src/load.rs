//! Loading a component: check, compile, link, and ask it for its routes.

use std::sync::Arc;
use std::thread;

use sha2::{Digest, Sha256};
use tokio::time::timeout;
use wasmtime::component::{Component, ComponentExportIndex};

use crate::bindings::ProtocolPre;
use crate::engine::{Engine, Shared};
use crate::form::{self, FormError};
use crate::guest::{Allowance, Guest, MAX_BYTES_PER_HOST_CALL};
use crate::imports::World;
use crate::{Failure, Limits, Route, fault, imports, routes};

/// Memories of an instance. Calls count on finding one without waiting for it.
const MEMORIES: u32 = 1;

/// The interface that answers requests.
const HANDLER: &str = "tofu-state:backend/handler@0.1.0";

/// The most routes that are looked through for every request.
const MAX_ROUTES: usize = 256;

/// A component that is ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Protocol {
    pub(crate) loaded: Arc<Loaded>,
}

/// What is made of a component once.
pub(crate) struct Loaded {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pre: ProtocolPre<Guest>,
    /// Where `handle` is among the exports.
    pub(crate) handle: ComponentExportIndex,
    digest: String,
    routes: Vec<Route>,
}

impl Loaded {
    /// The SHA-256 of the component's bytes, in hex.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// What each of its instances may use.
    pub(crate) fn allowance(&self) -> Allowance {
        allowance(&self.shared.limits)
    }
}

fn allowance(limits: &Limits) -> Allowance {
    Allowance {
        memory_bytes: limits.memory_bytes,
        computing: limits.computing,
        host_call_bytes: MAX_BYTES_PER_HOST_CALL,
    }
}

/// Why a component was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not one.
    #[error("this is no component: {0}")]
    Form(#[from] FormError),
    /// It does not validate, or exceeds a limit of the engine.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// It wants more of the world than a component gets; the names of those imports.
    #[error("the component imports what no component gets: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// It is a component of another world, or of another version of the contract.
    #[error("the component does not fit the contract: {0}")]
    Contract(String),
    /// It failed when asked for its routes, or named nonsense.
    #[error("the component does not tell its routes: {0}")]
    Routes(String),
}

/// The SHA-256 of a component's bytes, in lower-case hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Engine {
    /// Makes a component ready to be called. Compiling takes tens of milliseconds, in builds without
    /// optimisation more, unless the component came with the program: call it on a thread that may block.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, bytes: &[u8]) -> Result<Protocol, LoadError> {
        form::check(bytes)?;
        let shared = &self.shared;
        let digest = digest(bytes);
        let component = shared.compile(bytes, &digest, MEMORIES).map_err(LoadError::Compile)?;
        let forbidden = imports::forbidden(&component, World::Protocol);
        if !forbidden.is_empty() {
            return Err(LoadError::Imports(forbidden));
        }
        let contract = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let pre = shared.linker.instantiate_pre(&component).map_err(contract)?;
        let pre = ProtocolPre::new(pre).map_err(contract)?;
        let routes = ask_routes(shared, &pre).map_err(LoadError::Routes)?;
        let handle = handle_of(&component).ok_or_else(|| LoadError::Contract("it exports no `handle`".to_owned()))?;
        Ok(Protocol { loaded: Arc::new(Loaded { shared: Arc::clone(shared), pre, handle, digest, routes }) })
    }
}

/// Where a component of the contract has the function `handle`.
fn handle_of(component: &Component) -> Option<ComponentExportIndex> {
    let handler = component.get_export_index(None, HANDLER)?;
    component.get_export_index(Some(&handler), "handle")
}

impl Protocol {
    /// The SHA-256 of the component's bytes, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// The routes that the component serves.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.loaded.routes
    }

    /// The route of a request, and how many leading segments of `path` belong to it; what follows
    /// them is the state's path. A request that fits none needs `read`, has a small body, and its
    /// store calls do not wait.
    #[must_use]
    pub fn route(&self, method: &str, path: &[String]) -> (Route, usize) {
        routes::find(&self.loaded.routes, method, path)
    }
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protocol").field("digest", &self.loaded.digest).finish_non_exhaustive()
    }
}

/// On a thread and a runtime of its own: this may be called inside another runtime, where nothing can
/// be waited for without blocking it, and no runtime may end.
fn ask_routes(shared: &Shared, pre: &ProtocolPre<Guest>) -> Result<Vec<Route>, String> {
    let ask = || -> Result<Vec<Route>, String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
        let asking = async { timeout(shared.limits.deadline, call_routes(shared, pre)).await };
        runtime.block_on(asking).unwrap_or(Err(Failure::Deadline)).map_err(|failure| failure.to_string())
    };
    let asked = thread::scope(|scope| scope.spawn(ask).join());
    let routes = asked.map_err(|_| "the host panicked".to_owned())??;
    if routes.len() > MAX_ROUTES {
        return Err(format!("{} routes, more than {MAX_ROUTES}", routes.len()));
    }
    Ok(routes)
}

async fn call_routes(shared: &Shared, pre: &ProtocolPre<Guest>) -> Result<Vec<Route>, Failure> {
    let mut store = Guest::fresh(shared, allowance(&shared.limits), None);
    let meter = Arc::clone(&store.data().meter);
    let asking = async {
        let instance = pre.instantiate_async(&mut store).await?;
        instance.tofu_state_backend_handler().call_routes(&mut store).await
    };
    let answer = meter.charge(asking).await;
    answer.map_err(|error| fault::diagnose(&error, store.data()))
}
