//! Spans that several kinds of work have.

use tracing::{Span, field};

use crate::{Address, Platform, Version};

/// Work on one package. What fails is recorded as its `error`.
pub(crate) fn package(provider: &Address, version: &Version, platform: &Platform) -> Span {
    tracing::info_span!(
        "package",
        tofu_state.provider = %provider,
        tofu_state.version = %version,
        tofu_state.platform = %platform,
        error = field::Empty,
    )
}
