//! Digests of what really was there, which a recording tells, and those of what stands in its place.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use tofu_state_store::Blob;

use super::super::format::{Meta, Recording};

/// The digests that are told, and those of the contents that stand in their place.
#[derive(Clone)]
pub(super) struct Translation(Vec<(String, String)>);

impl Translation {
    pub(super) fn of(recording: &Recording) -> Self {
        let pairs = recording.contents.iter().flat_map(|content| {
            let digests = Blob::new(Bytes::from(content.text.clone())).digests();
            [
                (content.sha256.clone(), hex::encode(digests.sha256)),
                (content.md5.clone(), BASE64_STANDARD.encode(digests.md5)),
            ]
        });
        Self(pairs.collect())
    }

    /// For the component.
    pub(super) fn to(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (told, made)| text.replace(told, made))
    }

    /// From the component.
    pub(super) fn back(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (told, made)| text.replace(made, told))
    }

    pub(super) fn meta(&self, meta: &Meta) -> Bytes {
        match meta {
            Meta::String(text) => self.to(text).into(),
            other => self.to(&other.to_string()).into(),
        }
    }

    pub(super) fn meta_back(&self, meta: &[u8]) -> Meta {
        let text = self.back(&String::from_utf8_lossy(meta));
        serde_json::from_str(&text).unwrap_or(Meta::String(text))
    }
}
