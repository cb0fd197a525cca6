//! Spans that several kinds of work have. What fails is recorded as a span's `error`.

use std::fmt::Display;

use tracing::{Instrument, Span, field};

use crate::{Address, Platform, Version};

/// Work on one package.
pub(crate) fn package(provider: &Address, version: &Version, platform: &Platform) -> Span {
    tracing::info_span!(
        "package",
        tofu_state.provider = %provider,
        tofu_state.version = %version,
        tofu_state.platform = %platform,
        error = field::Empty,
    )
}

/// Asking for a release.
pub(crate) fn release(provider: &Address, version: &Version) -> Span {
    tracing::info_span!(
        "release",
        tofu_state.provider = %provider,
        tofu_state.version = %version,
        error = field::Empty,
    )
}

/// Asking for a provider's versions.
pub(crate) fn versions(provider: &Address) -> Span {
    tracing::info_span!("versions", tofu_state.provider = %provider, error = field::Empty)
}

/// Fetching and hashing packages of a release before anybody asks for them.
pub(crate) fn hash_behind(provider: &Address, version: &Version) -> Span {
    tracing::info_span!("hash in the background", tofu_state.provider = %provider, tofu_state.version = %version)
}

/// Does the work within the span, and records there what failed.
pub(crate) async fn recorded<T, E: Display>(span: Span, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let done = work.instrument(span.clone()).await;
    if let Err(error) = &done {
        span.record("error", error.to_string());
    }
    done
}
