//! Lists of versions.

use super::pull::missing;
use super::records::Seen;
use super::{Mirror, MirrorError, count};
use crate::cache::now;
use crate::sources::Source;
use crate::spans;
use crate::{Address, Version};

/// What is known of a provider's versions.
struct Known {
    /// The list that the registry gave last, and when.
    seen: Option<(Vec<Version>, u64)>,
    /// Those that have a record.
    recorded: Vec<Version>,
}

impl Mirror {
    /// The versions of a provider, lowest first.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn versions(&self, provider: &Address) -> Result<Vec<Version>, MirrorError> {
        self.check_allowed(provider)?;
        let mut known = self.known(provider).await?;
        if self.is_uploaded(provider) {
            return if known.recorded.is_empty() { Err(missing(provider)) } else { Ok(known.recorded) };
        }
        if let Some(fresh) = self.fresh(&mut known) {
            return Ok(fresh);
        }
        let asking = {
            let (mirror, provider) = (self.clone(), provider.clone());
            async move { mirror.asked_for_versions(&provider).await }
        };
        match self.in_time(format!("the versions of {provider}"), asking).await {
            Err(error) if !matches!(error.cause(), MirrorError::Disk(_)) => {
                let known = known.seen.map_or(known.recorded, |(versions, _)| versions);
                if known.is_empty() {
                    return Err(error);
                }
                count(&self.inner.counters.stale);
                tracing::warn!(%provider, %error, "an old list of versions is given");
                Ok(known)
            }
            asked => asked,
        }
    }

    async fn asked_for_versions(&self, provider: &Address) -> Result<Vec<Version>, MirrorError> {
        // Whoever had the turn before may have asked.
        let mut known = self.known(provider).await?;
        if let Some(fresh) = self.fresh(&mut known) {
            return Ok(fresh);
        }
        let asking = async { self.inner.registry.versions(provider).await.map_err(|error| self.upstream(error)) };
        let asking = spans::recorded(spans::versions(provider), asking);
        let mut versions = self.ask(&format!("versions {provider}"), asking).await?;
        // A release that was seen stays, also when its registry no longer lists it.
        versions.extend(known.recorded);
        versions.sort();
        versions.dedup();
        let (owner, seen) = (provider.clone(), Seen { versions: texts(&versions), at: now() });
        let kept = self.on_disk(move |mirror| Ok(mirror.inner.records.put_seen(&owner, &seen)?)).await;
        if let Err(error) = kept {
            // The list is good all the same.
            tracing::warn!(%provider, %error, "a list of versions cannot be kept");
        }
        Ok(versions)
    }

    async fn known(&self, provider: &Address) -> Result<Known, MirrorError> {
        let provider = provider.clone();
        self.on_disk(move |mirror| {
            let records = &mirror.inner.records;
            let parsed = |seen: Seen| (seen.versions.iter().filter_map(|it| it.parse().ok()).collect(), seen.at);
            Ok(Known { seen: records.seen(&provider)?.map(parsed), recorded: records.versions(&provider)? })
        })
        .await
    }

    fn fresh(&self, known: &mut Known) -> Option<Vec<Version>> {
        let fresh = self.inner.settings.fresh.as_secs();
        known.seen.take_if(|(_, at)| now().saturating_sub(*at) < fresh).map(|(versions, _)| versions)
    }
}

fn texts(versions: &[Version]) -> Vec<String> {
    versions.iter().map(Version::to_string).collect()
}
