//! How registries are asked: once for all who want to know, no longer than a client waits, and not again at once
//! after a failure.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use super::{Mirror, MirrorError, count};
use crate::sources::SourceError;
use crate::{Address, Platform, Version};

impl Mirror {
    /// Does what blocks where it may.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let (mirror, span) = (self.clone(), tracing::Span::current());
        let done = tokio::task::spawn_blocking(move || span.in_scope(|| work(&mirror)));
        done.await.map_err(io::Error::from)?
    }

    /// One at a time does the work for `what`; it should first look whether it is done. It goes on when nobody waits
    /// for it any longer: the next who asks will find it done.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = Result<T, MirrorError>> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let turn = self.inner.flights.turn(what).await;
        let going = async move {
            let _turn = turn;
            work.await
        };
        tokio::spawn(going.in_current_span()).await.map_err(io::Error::from)?
    }

    /// The same, for a document: clients soon give up waiting for one.
    pub(super) async fn in_time<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = Result<T, MirrorError>> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let answer_in = self.inner.settings.answer_in;
        let late = || MirrorError::Late(format!("{what}: {}", told(answer_in)));
        let done = timeout(answer_in, self.in_turn(what.clone(), work)).await;
        done.unwrap_or_else(|_| Err(late()))
    }

    /// Asks for `what`, unless that failed a moment ago.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        asking: impl Future<Output = Result<T, MirrorError>>,
    ) -> Result<T, MirrorError> {
        let failures = &self.inner.failures;
        if let Some(error) = failures.of(what) {
            return Err(error);
        }
        let asked = asking.await;
        match &asked {
            Ok(_) => failures.forget(what),
            Err(error) => failures.keep(what.to_owned(), error),
        }
        asked
    }

    pub(super) fn upstream(&self, error: SourceError) -> MirrorError {
        match error {
            SourceError::NoProvider { provider, .. } => missing(&provider),
            SourceError::NoPlatform { provider, version, platform } => missing_platform(&provider, &version, &platform),
            error => {
                count(&self.inner.counters.failed);
                if matches!(error, SourceError::Untrusted { .. }) {
                    tracing::error!(%error, "a registry is not to be trusted");
                }
                MirrorError::Upstream(error)
            }
        }
    }

    pub(super) fn changed(&self, what: String) -> MirrorError {
        count(&self.inner.counters.changed);
        tracing::error!(what, "a release has changed upstream: what was first seen stays");
        MirrorError::Changed(what)
    }
}

fn told(time: Duration) -> String {
    format!(
        "the registry has not answered within {} s. It is still being asked: try again in a moment",
        time.as_secs_f32()
    )
}

pub(super) fn missing(provider: &Address) -> MirrorError {
    MirrorError::NotFound(format!("there is no provider {provider}"))
}

pub(super) fn missing_version(provider: &Address, version: &Version) -> MirrorError {
    MirrorError::NotFound(format!("there is no {provider} {version}"))
}

pub(super) fn missing_platform(provider: &Address, version: &Version, platform: &Platform) -> MirrorError {
    MirrorError::NotFound(format!("there is no package of {provider} {version} for {platform}"))
}
