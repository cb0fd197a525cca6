//! Opens the chosen store, and watches how it is.

pub mod gate;
pub mod locks;
mod openbao;
pub mod watch;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use tofu_state_store::Remembering;
use tofu_state_store::embedded::{self, Embedded};
use tofu_state_store::history::History;
use tofu_state_store::layout::{self, Layout};
use tofu_state_store::openbao::OpenBao;
use tokio::sync::watch::Receiver;
use tokio_util::task::TaskTracker;

use crate::config::{Config, StoreChoice};
use gate::Gate;

/// Work that goes on for as long as the store is used.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An open store.
pub struct Opened {
    /// The store; until its check has passed, every call says that it is unavailable.
    pub store: Arc<Gate>,
    /// What lays states out in it: compressed, or in chunks. It is to settle before the process ends.
    pub layout: Arc<Layout>,
    /// OpenBao, if it is that: to ask how long its token lasts.
    pub openbao: Option<Arc<OpenBao>>,
    /// What is to run beside it.
    pub background: Vec<Background>,
}

/// Opens the store that was chosen. `calls` are those that will use it; files that belong to it are looked at at once
/// when `reload` changes.
///
/// # Errors
/// A sentence for the operator: what is wrong will not pass by itself.
pub async fn open(config: &Config, calls: &TaskTracker, reload: &Receiver<()>) -> Result<Opened, String> {
    match &config.store {
        StoreChoice::Embedded(folder) => embedded(folder, config.keep_versions, calls).await,
        StoreChoice::OpenBao(bao) => openbao::open(bao, config.keep_versions, reload).await,
    }
}

async fn embedded(folder: &Path, keep_versions: u32, calls: &TaskTracker) -> Result<Opened, String> {
    let settings = embedded::Settings { keep_versions, calls: calls.clone(), ..embedded::Settings::new(folder) };
    let failed = |what: String| format!("the embedded store in {} cannot be opened: {what}", folder.display());
    let store = tokio::task::spawn_blocking(move || Embedded::open(settings))
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))?;
    Ok(stacked(Arc::new(store), layout::Settings::for_embedded()))
}

/// A driver with all that stands on it, an open gate at the top.
fn stacked(driver: Arc<dyn History>, settings: layout::Settings) -> Opened {
    let layout = Arc::new(Layout::new(driver, settings));
    let store = Arc::new(Gate::open(Arc::new(Remembering::new(Arc::<Layout>::clone(&layout)))));
    Opened { store, layout, openbao: None, background: Vec::new() }
}
