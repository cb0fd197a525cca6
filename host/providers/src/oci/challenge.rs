//! How a registry asks who somebody is (RFC 9110 section 11.6.1), and the distribution project's token authentication:
//! <https://distribution.github.io/distribution/spec/auth/token/>

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::docker::Credentials;

/// The longest answer of a token service that need be read, in bytes.
pub const MAX_TOKEN: usize = 64 << 10;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User and password.
    Basic,
    /// A token that somebody gives out.
    Bearer {
        /// The URL of the token service.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// What it allows.
        scope: Option<String>,
    },
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// The first challenge of an answer's headers that is understood.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| Self::parse(value.to_str().ok()?)).next()
    }

    /// One challenge of a `WWW-Authenticate` header.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest.trim();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            let slot = match name.trim() {
                "realm" => &mut realm,
                "service" => &mut service,
                "scope" => &mut scope,
                _ => &mut None,
            };
            *slot = Some(value.to_owned());
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// The URL at which a token service is asked for a token.
#[must_use]
pub fn token_url(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Url> {
    let mut url = Url::parse(realm).ok()?;
    for (name, value) in [("service", service), ("scope", scope)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    Some(url)
}

/// The token in a token service's answer. Errors of the parser would quote it, so that there are none.
#[must_use]
pub fn token_in(body: &[u8]) -> Option<SecretString> {
    let TokenAnswer { token, access_token } = serde_json::from_slice(body).ok()?;
    token.or(access_token).map(SecretString::from)
}

/// The header's value that shows user and password.
#[must_use]
pub fn basic(Credentials { user, password }: &Credentials) -> HeaderValue {
    let text = BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    // Base64 is always a header's value.
    secret(&format!("Basic {text}")).unwrap_or_else(|| HeaderValue::from_static(""))
}

/// The header's value that shows a token; none for what cannot be one.
#[must_use]
pub fn bearer(token: &SecretString) -> Option<HeaderValue> {
    secret(&format!("Bearer {}", token.expose_secret()))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood() {
        let bearer = r#"Bearer realm="https://auth.io/token?a=b",service="registry.io",scope="repository:a/b:pull,push",error="x""#;
        let Some(Challenge::Bearer { realm, service, scope }) = Challenge::parse(bearer) else { panic!() };
        assert_eq!(realm, "https://auth.io/token?a=b");
        assert_eq!(service.as_deref(), Some("registry.io"));
        assert_eq!(scope.as_deref(), Some("repository:a/b:pull,push"));
        let url = token_url(&realm, service.as_deref(), scope.as_deref()).unwrap();
        assert_eq!(url.query(), Some("a=b&service=registry.io&scope=repository%3Aa%2Fb%3Apull%2Cpush"));
        assert!(matches!(Challenge::parse("bearer realm=https://a, service=b"), Some(Challenge::Bearer { .. })));
        assert_eq!(Challenge::parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        for bad in ["Negotiate", "Bearer", r#"Bearer realm="x"#, "Bearer service=x", ""] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_is_found_under_both_its_names() {
        for body in [r#"{"token":"t"}"#, r#"{"access_token":"t","expires_in":60}"#] {
            assert_eq!(token_in(body.as_bytes()).unwrap().expose_secret(), "t");
        }
        assert!(token_in(b"{}").is_none() && token_in(b"t").is_none());
        assert!(bearer(&"a\nb".into()).is_none());
    }
}
