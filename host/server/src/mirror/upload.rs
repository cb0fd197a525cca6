//! Uploads: a package is written to disk while it comes.

use http::{Response, StatusCode};
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
use crate::listener::body::{BodyError, Pieces};
use crate::listener::outgoing::Outgoing;

/// The largest package that is taken.
const MOST: u64 = 2 << 30;

/// How many come at once. Each takes a place on the disk, and time on a processor to be hashed.
pub(super) const AT_ONCE: usize = 8;

/// Why an upload is not taken now.
pub(super) fn busy() -> Refused {
    let message = format!("{AT_ONCE} uploads are under way, as many as there may be. Try again in a moment.");
    Refused::busy("too-many-uploads", &message)
}

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
pub(super) async fn receive(mirror: &Mirror, limits: &Limits, body: &mut Incoming) -> Result<Fetched, Refused> {
    let disk = |error| Refused::from(MirrorError::Disk(error));
    let mut pieces = Pieces::of(body, MOST, limits)?;
    let (named, mut file) = incoming::opened(mirror.incoming()).await.map_err(disk)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    while let Some(piece) = pieces.next(body).await? {
        bytes = bytes.saturating_add(piece.len() as u64);
        hasher.update(&piece);
        file.write_all(&piece).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    Ok(Fetched { file: named, sha256: Sha256Sum::from_hasher(hasher), bytes })
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => {
                let message = format!("The package has more than {MOST} bytes, the most that is taken.");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &message)
            }
            BodyError::Overloaded => busy(),
            BodyError::Slow => {
                let message = "The package came too slowly; nothing was done.";
                Self::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", message)
            }
            BodyError::Broken => {
                Self::new(StatusCode::BAD_REQUEST, "body-broken", "The body ended early; nothing was done.")
            }
        }
    }
}
