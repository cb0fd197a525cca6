//! What a manifest says: which layer is the component.

use std::collections::HashMap;

use serde::Deserialize;

/// The annotation that holds a component's minisign signature, as it stands in a `.minisig` file.
pub const SIGNATURE: &str = "org.tofu-state.minisig";

/// Manifests of images and artifacts, which are alike.
pub(super) const ACCEPTED: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Media types of a WebAssembly layer: the standard one, and the one from before there was a standard.
const WASM: &[&str] = &["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// What a manifest says of its component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The layer's SHA-256, in lower-case hex.
    pub layer: String,
    /// Its size in bytes, as the manifest claims.
    pub size: u64,
    /// The component's signature.
    pub signature: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

impl Manifest {
    /// Reads a manifest: of several layers the only one that is WebAssembly, or else the only one that there is.
    ///
    /// # Errors
    /// A sentence: what it is instead.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let Document { mut layers, manifests, mut annotations } =
            serde_json::from_slice(text).map_err(|error| format!("its manifest cannot be read: {error}"))?;
        if !manifests.is_empty() {
            return Err("it names an index of several manifests: name one of those".to_owned());
        }
        if layers.len() > 1 {
            layers.retain(|layer| WASM.contains(&layer.media_type.as_str()));
        }
        let (Some(mut layer), true) = (layers.pop(), layers.is_empty()) else {
            return Err("its manifest has no layer, or several, that may be the component".to_owned());
        };
        let signature = layer.annotations.remove(SIGNATURE).or_else(|| annotations.remove(SIGNATURE));
        match layer.digest.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
                Ok(Self { layer: hex.to_owned(), size: layer.size, signature })
            }
            _ => Err("the digest of its layer is no SHA-256".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(media_type: &str, digit: char) -> String {
        let digest = digit.to_string().repeat(64);
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{digest}","size":7}}"#)
    }

    fn parse(layers: &[String]) -> Result<String, String> {
        let text = format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, layers.join(","));
        Manifest::parse(text.as_bytes()).map(|manifest| manifest.layer)
    }

    #[test]
    fn finds_the_layer_or_says_why_not() {
        let (wasm, other) = (layer("application/wasm", 'a'), layer("application/octet-stream", 'b'));
        assert_eq!(parse(std::slice::from_ref(&wasm)).unwrap(), "a".repeat(64));
        assert_eq!(parse(std::slice::from_ref(&other)).unwrap(), "b".repeat(64), "a plain artifact");
        assert_eq!(parse(&[other.clone(), wasm.clone()]).unwrap(), "a".repeat(64));
        assert!(
            parse(&[]).is_err() && parse(&[wasm.clone(), wasm]).is_err() && parse(&[other.clone(), other]).is_err()
        );
        assert!(parse(&[layer("application/wasm", 'g')]).unwrap_err().contains("SHA-256"));
        assert!(Manifest::parse(br#"{"manifests":[{}]}"#).unwrap_err().contains("index"));
        assert!(Manifest::parse(b"<html>").unwrap_err().contains("cannot be read"));
        let signed =
            format!(r#"{{"layers":[{}],"annotations":{{"{SIGNATURE}":"s"}}}}"#, layer("application/wasm", 'a'));
        assert_eq!(Manifest::parse(signed.as_bytes()).unwrap().signature.as_deref(), Some("s"));
    }
}
