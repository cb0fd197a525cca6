//! Opens OpenBao: checked at the start, or in the background until it can be reached; has its token renewed, and
//! follows the token's file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tofu_state_store::openbao::{self, OpenBao, StartError};
use tofu_state_store::{Error, layout};
use tokio::time::Instant;

use super::gate::Gate;
use super::{Opened, stacked};
use crate::config::source::{read_secret, sendable};
use crate::config::{self, Secret};

/// How long the check at start may take before the server starts without its result.
const FIRST_CHECK: Duration = Duration::from_secs(10);

/// How long to wait before an unreachable OpenBao is checked again; it doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// See [`SHORTEST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How often the token's file is looked at.
const TOKEN_INTERVAL: Duration = Duration::from_secs(2);

/// Opens OpenBao.
///
/// # Errors
/// A sentence for the operator: what is wrong will not pass by itself.
pub(super) async fn open(bao: &config::OpenBao, keep_versions: u32) -> Result<Opened, String> {
    let ca_certificate = match &bao.ca {
        Some(file) => Some(
            std::fs::read(file).map_err(|error| format!("BAO_CACERT {} cannot be read: {error}", file.display()))?,
        ),
        None => None,
    };
    let settings = openbao::Settings {
        address: bao.address.clone(),
        namespace: bao.namespace.clone(),
        login: login(&bao.login),
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
    if let config::Login::Token(Secret { value, file: Some(file) }) = &bao.login {
        background.push(Box::pin(follow_token(Arc::clone(&store), file.clone(), value.clone())));
    }
    Ok(Opened { store: gate, layout, openbao: Some(store), background })
}

fn login(login: &config::Login) -> openbao::Login {
    match login {
        config::Login::Token(token) => openbao::Login::Token(token.value.clone()),
        config::Login::AppRole { mount, role_id, secret_id } => openbao::Login::AppRole {
            mount: mount.clone(),
            role_id: role_id.clone(),
            secret_id: match &secret_id.file {
                Some(file) => openbao::Secret::File(file.clone()),
                None => openbao::Secret::Value(secret_id.value.clone()),
            },
        },
        config::Login::Kubernetes { mount, role, token_file } => {
            openbao::Login::Kubernetes { mount: mount.clone(), role: role.clone(), token_file: token_file.clone() }
        }
    }
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

/// Takes the token from its file again whenever it changes: whoever renews it (an agent, a Kubernetes
/// secret) writes a new one there.
async fn follow_token(store: Arc<OpenBao>, file: PathBuf, mut current: SecretString) {
    let mut ticks = tokio::time::interval(TOKEN_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        let path = file.clone();
        let read = tokio::task::spawn_blocking(move || {
            read_secret(&path).and_then(|text| sendable(&text).map(|()| SecretString::from(text)))
        });
        let wrong = match read.await {
            Ok(Ok(token)) if token.expose_secret() == current.expose_secret() => None,
            Ok(Ok(token)) => match store.replace_token(&token) {
                Ok(()) => {
                    tracing::info!("BAO_TOKEN_FILE has changed: the new token is used from now on");
                    current = token;
                    None
                }
                Err(error) => Some(error.to_string()),
            },
            Ok(Err(wrong)) => Some(wrong.what),
            Err(error) => Some(error.to_string()),
        };
        if wrong != told {
            if let Some(what) = &wrong {
                tracing::error!(what, "BAO_TOKEN_FILE is wrong: the old token stays");
            }
            told = wrong;
        }
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(warning, "OpenBao");
    }
}
