//! Opens OpenBao: checked at the start, or in the background until it can be reached; has its token renewed, and
//! follows the token's file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use time::OffsetDateTime;
use tofu_state_store::openbao::{self, OpenBao, StartError};
use tofu_state_store::{Error, layout};
use tokio::sync::watch;
use tokio::time::Instant;

use super::gate::Gate;
use super::{Opened, stacked};
use crate::access::tokens::digest;
use crate::config::source::{read_secret, sendable};
use crate::config::{self, Mistake, Wrong, settings};
use crate::following::{Fingerprint, Followed, Follower, Found, Rhythm};

/// How long the check at start may take before the server starts without its result.
const FIRST_CHECK: Duration = Duration::from_secs(10);

/// How long to wait before an unreachable OpenBao is checked again; it doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// See [`SHORTEST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Opens OpenBao.
///
/// # Errors
/// A sentence for the operator: what is wrong will not pass by itself.
pub(super) async fn open(
    bao: &config::OpenBao,
    keep_versions: u32,
    reload: &watch::Receiver<()>,
) -> Result<Opened, String> {
    let ca_certificate = match &bao.ca {
        Some(file) => Some(
            std::fs::read(file).map_err(|error| format!("BAO_CACERT {} cannot be read: {error}", file.display()))?,
        ),
        None => None,
    };
    let settings = openbao::Settings {
        address: bao.address.clone(),
        namespace: bao.namespace.clone(),
        login: bao.login.clone(),
        mount: bao.mount.clone(),
        ca_certificate,
        keep_versions,
        call_timeout: openbao::DEFAULT_CALL_TIMEOUT,
    };
    let store =
        OpenBao::new(settings).map_err(|error| format!("OpenBao at {} cannot be used: {error}", bao.address))?;
    let store = Arc::new(store);
    let Opened { store: gate, layout, mut background, .. } =
        stacked(Arc::<OpenBao>::clone(&store), layout::Settings::for_openbao());

    let checked = tokio::time::timeout(FIRST_CHECK, store.check()).await;
    match checked.unwrap_or_else(|_| Err(StartError::Passing("no answer in time".to_owned()))) {
        Ok(warnings) => warn(&warnings),
        Err(StartError::Fatal(what)) => return Err(format!("OpenBao at {}: {what}", bao.address)),
        Err(StartError::Passing(what)) => {
            tracing::warn!(address = bao.address, what, "OpenBao cannot be used yet: starting without it");
            gate.close(Error::Unavailable(what));
            background.push(Box::pin(check_until_it_passes(Arc::clone(&store), Arc::clone(&gate))));
        }
    }
    background.push(Box::pin(Arc::clone(&store).keep_token()));
    if let (openbao::Login::Token(token), Some(file)) = (&bao.login, &bao.token_file) {
        let followed = TokenFile { file: file.clone(), store: Arc::clone(&store) };
        let follower = Follower::knowing(followed, digest(token));
        background.push(Box::pin(follower.follow(Rhythm::new(reload.clone()))));
    }
    Ok(Opened { store: gate, layout, openbao: Some(store), background })
}

async fn check_until_it_passes(store: Arc<OpenBao>, gate: Arc<Gate>) {
    let began = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        match store.check().await {
            Ok(warnings) => {
                warn(&warnings);
                gate.unlock();
                tracing::info!(after_seconds = began.elapsed().as_secs(), "OpenBao can be used now");
                return;
            }
            Err(StartError::Passing(what)) => {
                tracing::debug!(what, "OpenBao cannot be used yet");
                gate.close(Error::Unavailable(what));
            }
            // At start this ended the server. Now that it serves, it says what is wrong and goes on looking:
            // ending would take the explanation away from the callers.
            Err(StartError::Fatal(what)) => {
                tracing::error!(what, "OpenBao can be reached but not used");
                gate.close(Error::Denied(what));
            }
        }
    }
}

/// The server's own token, which whoever renews it (an agent, a Kubernetes secret) writes into a file.
struct TokenFile {
    file: PathBuf,
    store: Arc<OpenBao>,
}

impl TokenFile {
    fn mistake(file: &Path, wrong: Wrong) -> Mistake {
        Mistake { setting: settings::BAO_TOKEN.file_variable(), value: Some(file.display().to_string()), wrong }
    }
}

impl Followed for TokenFile {
    type Files = PathBuf;
    type Made = SecretString;
    const NAME: &'static str = "the contents of BAO_TOKEN_FILE";

    fn files(&self) -> &PathBuf {
        &self.file
    }

    fn read(file: &PathBuf, taken: Option<Fingerprint>) -> Found<SecretString> {
        match read_secret(file).and_then(|text| sendable(&text).map(|()| SecretString::from(text))) {
            Ok(token) if taken == Some(digest(&token)) => Found::Taken,
            Ok(token) => {
                let fingerprint = digest(&token);
                Found::Other(token, fingerprint)
            }
            Err(wrong) => Found::Wrong(vec![Self::mistake(file, wrong)]),
        }
    }

    fn take(&mut self, token: SecretString, _: OffsetDateTime) -> Result<(), Vec<Mistake>> {
        let wrong = |error: openbao::InvalidSettings| Wrong::new(error.to_string(), "write a token into it");
        self.store.replace_token(&token).map_err(|error| vec![Self::mistake(&self.file, wrong(error))])
    }

    /// What is wrong with the token shows in the store's own state.
    fn note(&mut self, _: &[Mistake]) {}
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(warning, "OpenBao");
    }
}
