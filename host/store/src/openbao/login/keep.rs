//! Keeps the token: looks how long it lasts, renews it when half of that is over, and where it can be renewed
//! no further logs in again, or says so while there is time to put another one there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::session::Token;
use crate::openbao::{OpenBao, answer};

/// The longest time between two looks: a token can be revoked, or exchanged.
const LONGEST: Duration = Duration::from_secs(60);
/// The shortest.
const SHORTEST: Duration = Duration::from_millis(500);

/// What is to be told of a token that is about to end, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// OpenBao does not know it any more.
    Unknown,
    /// It could be renewed, but not beyond its maximum.
    Maximum,
    /// It is of a kind that cannot be renewed.
    Fixed,
    /// The token's policy does not let it renew itself.
    Denied,
}

/// How long the token in use lasts, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is no token yet, or OpenBao does not tell.
    Unknown,
    /// Never.
    Never,
    /// After this time, unless it is renewed; zero: it has ended.
    After(Duration),
}

/// What OpenBao says of a token.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::openbao) struct Facts {
    /// Seconds left; 0: it never ends.
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    renewable: bool,
    /// Seconds that it was made for.
    #[serde(default)]
    creation_ttl: u64,
    /// Seconds that each renewal gives, where it is periodic.
    #[serde(default)]
    period: u64,
}

impl Facts {
    /// How long it lasts; none: for ever.
    pub(in crate::openbao) fn left(&self) -> Option<Duration> {
        (self.ttl > 0).then(|| Duration::from_secs(self.ttl))
    }

    /// Whether it will be renewed.
    pub(in crate::openbao) fn is_renewable(&self) -> bool {
        self.renewable
    }

    fn whole(&self) -> Duration {
        Duration::from_secs(if self.period > 0 { self.period } else { self.creation_ttl })
    }
}

/// What came of looking at a token.
enum Looked {
    Facts(Facts),
    /// OpenBao does not know it.
    Unknown,
    /// OpenBao does not let it look, or could not be asked.
    Nothing,
}

impl OpenBao {
    /// Keeps the token for as long as the store is used: renews it, or logs in again. Never returns.
    pub async fn keep_token(self: Arc<Self>) {
        let mut told = None;
        loop {
            let (trouble, pause) = self.tend().await;
            if trouble.is_some() && trouble != told {
                self.tell(trouble);
            }
            told = trouble;
            tokio::time::sleep(pause.clamp(SHORTEST, LONGEST)).await;
        }
    }

    /// How long the token in use lasts.
    #[must_use]
    pub fn token_ending(&self) -> Ending {
        let Some(token) = self.client.session().current() else { return Ending::Unknown };
        let lease = token.lease();
        match lease.ends {
            Some(ends) => Ending::After(ends.saturating_duration_since(tokio::time::Instant::now())),
            None if lease.whole.is_zero() => Ending::Unknown,
            None => Ending::Never,
        }
    }

    /// How long the token in use lasted when it was given or renewed; zero: nobody knows.
    #[must_use]
    pub fn token_lifetime(&self) -> Duration {
        self.client.session().current().map_or(Duration::ZERO, |token| token.lease().whole)
    }

    /// Looks at the token and does what is due; when to look again, and what is wrong.
    async fn tend(&self) -> (Option<Trouble>, Duration) {
        let session = self.client.session();
        let Ok(token) = session.token(self.client.http()).await else { return (None, LONGEST / 12) };
        let facts = match self.look_at(&token).await {
            Looked::Facts(facts) => facts,
            Looked::Unknown if session.can_log_in() => return self.log_in_again(&token).await,
            Looked::Unknown => {
                // It has no time left, and that is known.
                token.lasts(SHORTEST, LONGEST);
                return (Some(Trouble::Unknown), LONGEST / 12);
            }
            Looked::Nothing => return self.tend_blindly(&token).await,
        };
        let Some(left) = facts.left() else { return (None, LONGEST) };
        let whole = facts.whole().max(token.lease().whole).max(left);
        if left > whole / 2 {
            return (None, left - whole / 2);
        }
        let trouble = match self.renew(&token).await {
            Ok(Some(renewed)) if renewed > whole / 2 => return (None, renewed / 2),
            _ if !facts.renewable => Trouble::Fixed,
            Ok(Some(_)) => Trouble::Maximum,
            Ok(None) => Trouble::Denied,
            // It will be tried again soon; there is time.
            Err(_) => return (None, left / 8),
        };
        if session.can_log_in() { self.log_in_again(&token).await } else { (Some(trouble), left / 8) }
    }

    /// A login has told how long its token lasts; the token itself may not look.
    async fn tend_blindly(&self, token: &Arc<Token>) -> (Option<Trouble>, Duration) {
        let lease = token.lease();
        let Some(ends) = lease.ends.filter(|_| self.client.session().can_log_in()) else { return (None, LONGEST) };
        let left = ends.saturating_duration_since(tokio::time::Instant::now());
        if left > lease.whole / 2 { (None, left - lease.whole / 2) } else { self.log_in_again(token).await }
    }

    async fn log_in_again(&self, token: &Arc<Token>) -> (Option<Trouble>, Duration) {
        match self.client.session().log_in(self.client.http(), Some(token)).await {
            Ok(token) => (None, token.lease().whole / 2),
            // The session has told why. The token at hand may last a while.
            Err(_) => (None, LONGEST / 12),
        }
    }

    /// How far a renewal brings the token; none if that is refused.
    async fn renew(&self, token: &Token) -> Result<Option<Duration>, crate::Error> {
        #[derive(Deserialize)]
        struct Body {
            auth: Auth,
        }
        #[derive(Deserialize)]
        struct Auth {
            lease_duration: u64,
        }
        let body = Some(Bytes::from_static(b"{}"));
        let header = Some(&token.header);
        let answer =
            self.client.http().call(Method::POST, "auth/token/renew-self", &HeaderMap::new(), body, header).await?;
        match answer.status {
            status if status.is_success() => {
                let lease = serde_json::from_slice::<Body>(&answer.body).map(|body| body.auth.lease_duration);
                let lease = Duration::from_secs(lease.unwrap_or_default());
                token.lasts(lease, token.lease().whole.max(lease));
                tracing::info!(lasts_seconds = lease.as_secs(), "the OpenBao token was renewed");
                Ok(Some(lease))
            }
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => Ok(None),
            status => Err(answer::failure(status, &answer.body, answer::Words::Quotable)),
        }
    }

    async fn look_at(&self, token: &Token) -> Looked {
        let headers = self.current.known_headers();
        let call = self.client.http().call(Method::GET, "auth/token/lookup-self", &headers, None, Some(&token.header));
        let Ok(answer) = call.await else { return Looked::Nothing };
        if answer::is_unknown_token(answer.status, &answer.body) {
            return Looked::Unknown;
        }
        match facts(answer.status, &answer.body) {
            Some(facts) => {
                token.lasts(facts.left().unwrap_or_default(), facts.whole().max(token.lease().whole).max(SHORTEST));
                Looked::Facts(facts)
            }
            None => Looked::Nothing,
        }
    }

    /// What OpenBao says of the token in use, if it says anything.
    pub(in crate::openbao) async fn token_facts(&self) -> Option<Facts> {
        let token = self.client.session().current()?;
        match self.look_at(&token).await {
            Looked::Facts(facts) => Some(facts),
            Looked::Unknown | Looked::Nothing => None,
        }
    }

    fn tell(&self, trouble: Option<Trouble>) {
        let Some(trouble) = trouble else { return };
        let left = match self.token_ending() {
            Ending::After(left) => left.as_secs(),
            Ending::Unknown | Ending::Never => 0,
        };
        let why = match trouble {
            Trouble::Unknown => {
                tracing::error!(
                    "OpenBao does not know the token any more (it has ended, or was revoked): put another one into \
                     BAO_TOKEN_FILE, or restart the server with another BAO_TOKEN"
                );
                return;
            }
            Trouble::Maximum => "it has reached its max_ttl",
            Trouble::Fixed => "it is not renewable",
            Trouble::Denied => {
                "it may not renew itself (its policy lacks `update` on `auth/token/renew-self`, which the policy \
                 `default` gives)"
            }
        };
        tracing::warn!(
            left_seconds = left,
            why,
            "the OpenBao token cannot be renewed: put another one into BAO_TOKEN_FILE before it ends, best a periodic one"
        );
    }
}

fn facts(status: StatusCode, body: &[u8]) -> Option<Facts> {
    #[derive(Deserialize)]
    struct Body {
        data: Facts,
    }
    serde_json::from_slice::<Body>(body).ok().filter(|_| status.is_success()).map(|body| body.data)
}
