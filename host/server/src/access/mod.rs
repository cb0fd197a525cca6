//! Who asks, and what they may: decided before a request's body is read and before the protocol sees it.
//!
//! It knows tokens, names, and globs over states' paths; it knows no method and no lock. What right a
//! request needs is the component's own statement.

pub mod credentials;
pub mod paths;
pub mod reload;
pub mod sources;
pub mod tokens;
pub mod tokens_file;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use time::OffsetDateTime;

pub use tokens::{Identity, Tokens};

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It carries no credentials.
    #[error("no credentials")]
    NoCredentials,
    /// Its credentials are unknown, expired, or cannot be understood. Which of them stays untold.
    #[error("wrong or expired credentials")]
    WrongCredentials,
}

/// The callers' tokens as they are at the moment. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Access {
    tokens: Arc<ArcSwap<Tokens>>,
}

impl Access {
    /// Starts with these tokens.
    #[must_use]
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens: Arc::new(ArcSwap::from_pointee(tokens)) }
    }

    /// Takes other tokens from now on.
    pub fn replace(&self, tokens: Tokens) {
        self.tokens.store(Arc::new(tokens));
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// Why it is not let in.
    pub fn authenticate(&self, headers: &HeaderMap, now: OffsetDateTime) -> Result<Identity, Refusal> {
        let presented = credentials::presented(headers)?;
        self.tokens.load().identify(&presented, now).ok_or(Refusal::WrongCredentials)
    }
}
