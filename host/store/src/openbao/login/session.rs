//! The token in use. Where there is a login, a token that OpenBao does not know any more is replaced by one
//! login, however many calls have been refused, and a login that fails is not repeated at once.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Login;
use crate::Error;
use crate::openbao::client::{Http, token_header};
use crate::openbao::{InvalidSettings, answer};

/// How long after a login, or the attempt at one, no other is made because of a refused call.
const PAUSE: Duration = Duration::from_secs(1);

/// The token in use, and how to come by another.
pub(in crate::openbao) struct Session {
    login: Login,
    current: RwLock<Option<Arc<Token>>>,
    /// Whoever holds it logs in; the others wait and take what came of it.
    turn: Mutex<Option<Failed>>,
}

/// A token.
pub(in crate::openbao) struct Token {
    pub(in crate::openbao) header: HeaderValue,
    since: Instant,
    lease: RwLock<Lease>,
}

/// How long a token lasts, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    /// When it ends; none: never, or nobody has said.
    pub(super) ends: Option<Instant>,
    /// How long it lasted when it was given or renewed; zero: unknown.
    pub(super) whole: Duration,
}

/// A login that failed.
struct Failed {
    at: Instant,
    error: Error,
}

impl Token {
    fn new(secret: &SecretString) -> Result<Self, InvalidSettings> {
        Ok(Self { header: token_header(secret)?, since: Instant::now(), lease: RwLock::default() })
    }

    pub(super) fn lease(&self) -> Lease {
        *self.lease.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// It lasts this long from now on; zero: for ever.
    pub(super) fn lasts(&self, left: Duration, whole: Duration) {
        let ends = if left.is_zero() { None } else { Instant::now().checked_add(left) };
        *self.lease.write().unwrap_or_else(PoisonError::into_inner) = Lease { ends, whole };
    }
}

impl Session {
    /// Begins with the token, if that is what there is, or without one: the first call logs in.
    pub(in crate::openbao) fn new(login: Login) -> Result<Self, InvalidSettings> {
        let current = match &login {
            Login::Token(token) => Some(Arc::new(Token::new(token)?)),
            Login::AppRole { .. } | Login::Kubernetes { .. } => None,
        };
        Ok(Self { login, current: RwLock::new(current), turn: Mutex::default() })
    }

    /// Uses another token from now on: the operator has exchanged it.
    pub(in crate::openbao) fn replace(&self, secret: &SecretString) -> Result<(), InvalidSettings> {
        self.set(Arc::new(Token::new(secret)?));
        Ok(())
    }

    /// Whether it can log in by itself.
    pub(in crate::openbao) fn can_log_in(&self) -> bool {
        !matches!(self.login, Login::Token(_))
    }

    /// The token in use, if there is one yet.
    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, token: Arc<Token>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// A token for a call; logs in if there is none yet.
    pub(in crate::openbao) async fn token(&self, http: &Http) -> Result<Arc<Token>, Error> {
        match self.current() {
            Some(token) => Ok(token),
            None => self.log_in(http, None).await,
        }
    }

    /// The token to repeat a call with that OpenBao has refused with 403; none if the token is not to blame,
    /// or nobody can help.
    pub(in crate::openbao) async fn instead_of(
        &self,
        refused: &Arc<Token>,
        http: &Http,
        headers: &HeaderMap,
    ) -> Option<Arc<Token>> {
        if let Some(current) = self.current().filter(|current| !Arc::ptr_eq(current, refused)) {
            return Some(current);
        }
        if !self.can_log_in() || refused.since.elapsed() < PAUSE || self.knows(refused, http, headers).await {
            return None;
        }
        match self.log_in(http, Some(refused)).await {
            Ok(token) => Some(token),
            Err(error) => {
                tracing::debug!(%error, "the token for OpenBao has ended, and no login gave another");
                None
            }
        }
    }

    /// Whether OpenBao still knows a token. Where it cannot be asked, it is taken to.
    async fn knows(&self, token: &Token, http: &Http, headers: &HeaderMap) -> bool {
        let looked = http.call(Method::GET, "auth/token/lookup-self", headers, None, Some(&token.header)).await;
        !looked.is_ok_and(|looked| answer::is_unknown_token(looked.status, &looked.body))
    }

    /// Logs in, once for all who ask at the same time. `known` is the token that is to be replaced: if there is
    /// another by now, that one is the answer.
    pub(super) async fn log_in(&self, http: &Http, known: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        let mut turn = self.turn.lock().await;
        let other = |current: &Arc<Token>| known.is_none_or(|known| !Arc::ptr_eq(current, known));
        if let Some(current) = self.current().filter(other) {
            return Ok(current);
        }
        if let Some(failed) = turn.as_ref().filter(|failed| failed.at.elapsed() < PAUSE) {
            return Err(failed.error.clone());
        }
        match self.attempt(http).await {
            Ok(token) => {
                *turn = None;
                self.set(Arc::clone(&token));
                let seconds = token.lease().whole.as_secs();
                tracing::info!(mount = self.login.mount(), lasts_seconds = seconds, "logged in to OpenBao");
                Ok(token)
            }
            Err(error) => {
                // Who asks again hears the same: it is told once.
                if turn.as_ref().is_none_or(|failed| failed.error != error) {
                    tracing::warn!(mount = self.login.mount(), %error, "the login to OpenBao failed");
                }
                *turn = Some(Failed { at: Instant::now(), error: error.clone() });
                Err(error)
            }
        }
    }

    async fn attempt(&self, http: &Http) -> Result<Arc<Token>, Error> {
        #[derive(Deserialize)]
        struct Body {
            auth: Auth,
        }
        #[derive(Deserialize)]
        struct Auth {
            client_token: String,
            lease_duration: u64,
        }
        let Some(request) = self.login.request().await? else {
            return Err(Error::Denied("the token is not valid any more".to_owned()));
        };
        let body = Bytes::from(request.body.to_string());
        let answer = http.call(Method::POST, &request.path, &HeaderMap::new(), Some(body), None).await?;
        if !answer.status.is_success() {
            return Err(self.login.refused(answer.status, &answer.body));
        }
        let foreign = || Error::Corrupt("the answer to a login is not OpenBao's".to_owned());
        let Body { auth } = serde_json::from_slice(&answer.body).map_err(|_| foreign())?;
        let token = Token::new(&auth.client_token.into()).map_err(|_| foreign())?;
        let lease = Duration::from_secs(auth.lease_duration);
        token.lasts(lease, lease);
        Ok(Arc::new(token))
    }
}
