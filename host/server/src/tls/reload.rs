//! Follows the files of certificate and key.

use std::sync::Arc;

use time::OffsetDateTime;

use super::pair::Contents;
use super::{Files, Pair, Tls};
use crate::config::{Mistake, Wrong, settings};
use crate::following::{Fingerprint, Followed, Follower, Found, Rhythm};

/// A certificate that ends sooner than this, and has lived three quarters of its life, should have been
/// renewed.
const SOON: time::Duration = time::Duration::days(14);

/// Reads the files again and again, and takes what has changed. A pair that is wrong changes nothing: the one before
/// stays, and log, metrics and `/readyz` say what is wrong. Never returns.
pub async fn follow(files: Files, tls: Tls, rhythm: Rhythm) {
    Follower::new(Watched::new(files, tls)).follow(rhythm).await;
}

/// How much longer the certificate in use is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    Old,
    Expired,
}

struct Watched {
    files: Arc<Files>,
    tls: Tls,
    /// What was last told of the certificate's age; the start has told of one that has expired.
    age: Age,
}

impl Watched {
    fn new(files: Files, tls: Tls) -> Self {
        let expired = !tls.pair().is_valid(OffsetDateTime::now_utc());
        let age = if expired { Age::Expired } else { Age::Fresh };
        Self { files: Arc::new(files), tls, age }
    }

    fn not_valid(&self, pair: &Pair, now: OffsetDateTime) -> Mistake {
        Mistake {
            setting: settings::TLS_CERT_FILE.name.to_owned(),
            value: Some(self.files.certificate.display().to_string()),
            wrong: Wrong::new(pair.validity(now), "put a certificate there that is valid now"),
        }
    }
}

impl Followed for Watched {
    type Files = Arc<Files>;
    type Made = Pair;
    const NAME: &'static str = "the certificate and its key";

    fn files(&self) -> &Arc<Files> {
        &self.files
    }

    fn read(files: &Arc<Files>, taken: Option<Fingerprint>) -> Found<Pair> {
        let contents = match Contents::read(files) {
            Ok(contents) => contents,
            Err(mistakes) => return Found::Wrong(mistakes),
        };
        let fingerprint = contents.fingerprint();
        if taken == Some(fingerprint) {
            return Found::Taken;
        }
        match Pair::parse(files, &contents) {
            Ok(pair) => Found::Other(pair, fingerprint),
            Err(mistakes) => Found::Wrong(mistakes),
        }
    }

    fn take(&mut self, pair: Pair, now: OffsetDateTime) -> Result<(), Vec<Mistake>> {
        if !pair.is_valid(now) && self.tls.pair().is_valid(now) {
            // The one in use still serves everybody, and this one nobody.
            return Err(vec![self.not_valid(&pair, now)]);
        }
        self.tls.replace(pair);
        Ok(())
    }

    fn note(&mut self, wrong: &[Mistake]) {
        let text = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        self.tls.note(text);
    }

    fn looked(&mut self, now: OffsetDateTime) {
        let pair = self.tls.pair();
        let age = age(&pair, now);
        if age == self.age {
            return;
        }
        let validity = pair.validity(now);
        match age {
            Age::Fresh => tracing::info!(validity, "the certificate is good for long"),
            Age::Old => tracing::warn!(validity, "the certificate should be renewed"),
            Age::Expired => tracing::error!(validity, "clients refuse the certificate"),
        }
        self.age = age;
    }
}

fn age(pair: &Pair, now: OffsetDateTime) -> Age {
    let left = pair.expires() - now;
    if !pair.is_valid(now) {
        Age::Expired
    } else if left < SOON && left < pair.lifetime() / 4 {
        Age::Old
    } else {
        Age::Fresh
    }
}

#[cfg(test)]
mod tests;
