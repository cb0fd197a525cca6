//! Loading a module: what it must be before anything of it runs.

use std::sync::Arc;

use wasmtime::component::Component;

use super::bindings::policy::PolicyModulePre;
use super::bindings::state_policy::StatePolicyModulePre;
use super::module::{Kind, Loaded, PolicyModule};
use crate::compile::memories;
use crate::engine::Engine;
use crate::form::{self, FormError};
use crate::guest::MAX_MEMORIES;
use crate::imports::{self, World};

/// Why a module was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no component.
    #[error("this is no component: {0}")]
    Form(#[from] FormError),
    /// It does not validate, or exceeds a limit of the engine.
    #[error("the module cannot be compiled: {0}")]
    Compile(String),
    /// It wants more of the world than a policy gets; the names of those imports.
    #[error("the module imports what no policy gets: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// It exports neither interface, or both.
    #[error("the module is of neither world of tofu-state:policy: it exports {found}, and must export {expected}")]
    World {
        /// What it exports.
        found: String,
        /// What it would have to.
        expected: &'static str,
    },
    /// It is of another version of the contract.
    #[error("the module does not fit the contract: {0}")]
    Contract(String),
}

const POLICY: &str = "tofu-state:policy/policy@0.1.0";
const STATE_POLICY: &str = "tofu-state:policy/state-policy@0.1.0";

impl Engine {
    /// Makes a policy module ready to be asked. Nothing of it runs yet, see [`PolicyModule::prove`]. Compiling
    /// takes tens of milliseconds and more: call it on a thread that may block.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_policy(&self, bytes: &[u8]) -> Result<PolicyModule, LoadError> {
        form::check(bytes)?;
        let shared = &self.shared;
        let digest = crate::digest(bytes);
        let component = shared.compile(bytes, &digest, MAX_MEMORIES).map_err(LoadError::Compile)?;
        let exports = exports(&component);
        let reads_states = match (exports.iter().any(|n| n == POLICY), exports.iter().any(|n| n == STATE_POLICY)) {
            (true, false) => false,
            (false, true) => true,
            _ => return Err(wrong_world(&exports)),
        };
        let world = if reads_states { World::StatePolicy } else { World::Policy };
        let forbidden = imports::forbidden(&component, world);
        if !forbidden.is_empty() {
            return Err(LoadError::Imports(forbidden));
        }
        let contract = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let pre = shared.policy_linker.instantiate_pre(&component).map_err(contract)?;
        let kind = if reads_states {
            Kind::StatePolicy(StatePolicyModulePre::new(pre).map_err(contract)?)
        } else {
            Kind::Policy(PolicyModulePre::new(pre).map_err(contract)?)
        };
        let loaded = Loaded {
            shared: Arc::clone(shared),
            kind,
            digest: digest.into(),
            size: bytes.len(),
            spare_memories: memories(&component).saturating_sub(1),
        };
        Ok(PolicyModule { loaded: Arc::new(loaded) })
    }
}

fn exports(component: &Component) -> Vec<String> {
    let engine = component.engine();
    component.component_type().exports(engine).map(|(name, _)| name.to_owned()).collect()
}

fn wrong_world(exports: &[String]) -> LoadError {
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    LoadError::World {
        found,
        expected: "tofu-state:policy/module@0.1.0 and one of tofu-state:policy/policy@0.1.0 and tofu-state:policy/state-policy@0.1.0",
    }
}
