//! What one configuration file says about providers and modules, whichever syntax it has.

use std::path::Path;

use crate::Constraints;
use crate::problem::Problem;

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// A list for each `required_providers` block.
    pub(super) requirements: Vec<Vec<Requirement>>,
    pub(super) providers: Vec<ProviderBlock>,
    pub(super) resources: Vec<Resource>,
    pub(super) calls: Vec<Call>,
    /// The local names of the providers that `import` blocks use.
    pub(super) imports: Vec<String>,
    /// Whether it has a `backend` or `cloud` block, as only a root module has.
    pub(super) stores_state: bool,
    pub(super) problems: Vec<Problem>,
}

/// An entry of `required_providers`.
#[derive(Debug, Clone)]
pub(super) struct Requirement {
    pub(super) name: String,
    /// The provider's address as written; without one the name says which it is.
    pub(super) source: Option<String>,
    pub(super) constraints: Constraints,
    /// The place of the source, or of the whole entry.
    pub(super) place: Problem,
}

/// A `provider` block.
#[derive(Debug, Clone)]
pub(super) struct ProviderBlock {
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) version: Option<Constraints>,
}

/// A resource of any kind: managed, data or ephemeral.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// `resource`, `data` or `ephemeral`.
    pub(super) mode: &'static str,
    pub(super) kind: String,
    pub(super) name: String,
    /// The local name of its provider, if it says so.
    pub(super) provider: Option<String>,
}

/// The block types whose blocks are resources.
pub(super) const MODES: [&str; 3] = ["resource", "data", "ephemeral"];

/// A `module` block.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) source: Source,
    /// The block's place.
    pub(super) place: Problem,
}

/// A module's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// None is written; an override file may leave it out.
    Missing,
    /// A text.
    Text(String),
    /// Something to be evaluated, as OpenTofu allows.
    Expression,
}

/// The local name of the provider that a resource type belongs to where it does not say.
pub(super) fn implied_name(kind: &str) -> &str {
    kind.split_once('_').map_or(kind, |(first, _)| first)
}

/// Reads constraints.
///
/// # Errors
/// What is wrong with them.
pub(super) fn constraints(text: &str) -> Result<Constraints, String> {
    text.parse::<Constraints>().map_err(|error| error.to_string())
}

/// Reads a file in the syntax that its name says.
pub(super) fn read(file: &Path) -> Content {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) => {
            let problems = vec![Problem::new(file, format!("cannot be read: {error}"))];
            return Content { problems, ..Content::default() };
        }
    };
    let text = match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
            let problems = vec![Problem::at(file, &text, Some(valid..valid), "is not UTF-8 text from here on")];
            return Content { problems, ..Content::default() };
        }
    };
    // Both command lines pass over a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if file.extension().is_some_and(|extension| extension == "json") {
        super::json::read(file, text)
    } else {
        super::native::read(file, text)
    }
}
