//! Uploads: a package is written to disk while it comes.

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use sha2::{Digest, Sha256};
use tofu_state_providers::fetch::{Fetched, incoming};
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::mirror::{Mirror, MirrorError};
use tofu_state_providers::{Address, Platform, Version};
use tokio::io::AsyncWriteExt;

use super::reply::{self, Refused};
use crate::listener::Limits;
use crate::listener::outgoing::Outgoing;

/// The largest package that is taken.
const MOST: u64 = 2 << 30;

/// Why a provider's packages are not taken.
pub(super) fn not_here(address: &Address) -> Refused {
    let message = format!("{address} is not one of the providers that are uploaded here (MIRROR_UPLOADS).");
    Refused::new(StatusCode::FORBIDDEN, "not-uploaded-here", &message)
}

/// Takes what was received in as that package. Whether it is new, and the answer that says so.
pub(super) async fn package(
    mirror: &Mirror,
    zip: Fetched,
    address: &Address,
    version: &Version,
    platform: &Platform,
    by: &str,
) -> Result<(bool, Response<Outgoing>), Refused> {
    let sha256 = zip.sha256;
    let new = mirror.upload(address, version, platform, zip, by).await.map_err(|error| match error {
        MirrorError::NotAllowed(_) => not_here(address),
        // Here it is the caller who sent what cannot be served.
        MirrorError::Unsound(what) => Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "unsound-package", &what),
        error => error.into(),
    })?;
    tracing::info!(provider = %address, %version, %platform, %sha256, by, new, "a provider's package was uploaded");
    let mut response = reply::json(&json!({"sha256": sha256, "new": new}))?;
    if new {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok((new, response))
}

/// Writes the body into the mirror's own folder, and hashes it on the way.
pub(super) async fn receive(mirror: &Mirror, limits: &Limits, incoming: &mut Incoming) -> Result<Fetched, Refused> {
    let disk = |error| Refused::from(MirrorError::Disk(error));
    let named = incoming::file(&mirror.incoming()).map_err(disk)?;
    let mut file = tokio::fs::File::from_std(named.reopen().map_err(disk)?);
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    loop {
        let slow = |_| {
            Refused::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly; nothing was done.")
        };
        let frame = match tokio::time::timeout(limits.body_span, incoming.frame()).await.map_err(slow)? {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                return Err(Refused::new(
                    StatusCode::BAD_REQUEST,
                    "body-broken",
                    "The body ended early; nothing was done.",
                ));
            }
        };
        let Some(data) = frame.data_ref() else { continue };
        bytes = bytes.saturating_add(data.len() as u64);
        if bytes > MOST {
            let message = format!("The package has more than {MOST} bytes.");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &message));
        }
        hasher.update(data);
        file.write_all(data).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    Ok(Fetched { file: named, sha256: Sha256Sum::from_hasher(hasher), bytes })
}
