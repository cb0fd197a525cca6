//! The token that a request carries: as a Bearer token (RFC 6750), or as the password of Basic
//! authentication (RFC 7617). A Basic user name is only a claim and is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};

use super::Refusal;

/// The token in `Authorization`.
///
/// # Errors
/// [`Refusal::NoCredentials`] without the header, or with a scheme that asks for another kind of
/// credentials; [`Refusal::WrongCredentials`] if it cannot be understood, or the token is empty.
pub fn presented(headers: &HeaderMap) -> Result<SecretString, Refusal> {
    let token = token(headers)?;
    if token.expose_secret().is_empty() { Err(Refusal::WrongCredentials) } else { Ok(token) }
}

fn token(headers: &HeaderMap) -> Result<SecretString, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoCredentials)?;
    if values.next().is_some() {
        return Err(Refusal::WrongCredentials);
    }
    let text = value.to_str().map_err(|_| Refusal::WrongCredentials)?.trim();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(rest.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::NoCredentials);
    }
    let decoded = STANDARD.decode(rest).map_err(|_| Refusal::WrongCredentials)?;
    let decoded = SecretString::from(String::from_utf8(decoded).map_err(|_| Refusal::WrongCredentials)?);
    let (_, password) = decoded.expose_secret().split_once(':').ok_or(Refusal::WrongCredentials)?;
    Ok(password.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        presented(&headers).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn both_schemes() {
        assert_eq!(of(&["Bearer abc"]).unwrap(), "abc");
        assert_eq!(of(&["bearer  abc "]).unwrap(), "abc");
        assert_eq!(of(&[&format!("Basic {}", STANDARD.encode("anyone:a:b"))]).unwrap(), "a:b");
        assert_eq!(of(&[&format!("BASIC {}", STANDARD.encode(":abc"))]).unwrap(), "abc");
    }

    #[test]
    fn what_is_none_and_what_is_wrong() {
        assert_eq!(of(&[]), Err(Refusal::NoCredentials));
        assert_eq!(of(&["Digest username=x"]), Err(Refusal::NoCredentials));
        assert_eq!(of(&["Basic ###"]), Err(Refusal::WrongCredentials));
        assert_eq!(of(&[&format!("Basic {}", STANDARD.encode("no colon"))]), Err(Refusal::WrongCredentials));
        assert_eq!(of(&["Bearer"]), Err(Refusal::WrongCredentials));
        assert_eq!(of(&["Bearer  "]), Err(Refusal::WrongCredentials));
        assert_eq!(of(&[&format!("Basic {}", STANDARD.encode("anyone:"))]), Err(Refusal::WrongCredentials));
        assert_eq!(of(&["Bearer a", "Bearer b"]), Err(Refusal::WrongCredentials));
    }
}
