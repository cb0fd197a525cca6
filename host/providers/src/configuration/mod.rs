//! Configuration: which root modules there are, and which providers they need.
//!
//! Read from `.tf`, `.tofu` and their JSON forms, as both command lines read them before anything is installed:
//! `required_providers`, `provider` blocks (with their old `version`), resources and `import` blocks that imply a
//! provider, override files, and the modules that are called. Nothing is evaluated.

mod content;
mod files;
mod json;
mod module;
mod native;
mod roots;
mod tree;

use std::collections::BTreeMap;

pub use roots::{find, style_of};
pub use tree::Loader;

use crate::{Address, Constraints};

/// The providers that are needed, with the constraints of all modules.
pub type Requirements = BTreeMap<Address, Constraints>;

#[cfg(test)]
mod tests;
