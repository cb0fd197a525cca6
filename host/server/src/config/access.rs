//! Settings of who may connect, and how: the address, the callers' tokens, the certificate.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::source::Reading;
use super::{Bind, Options, Wrong, settings, values};
use crate::access::sources::Sources as TokenSources;
use crate::access::tokens::Tokens;
use crate::tls;

/// A shared token shorter than this can be guessed.
const SHORT_TOKEN: usize = 16;

/// Where the callers' tokens come from.
#[derive(Debug)]
pub enum Callers {
    /// From the configuration, where they can change, and as they are at the moment.
    Configured(TokenSources, Tokens),
    /// A shared token is made in this folder, `DATA_DIR` (`--make-token`).
    Make(PathBuf),
}

/// Certificate and key.
#[derive(Debug)]
pub struct ServeTls {
    /// Where they lie, and can change.
    pub files: tls::Files,
    /// As they are at the moment.
    pub pair: tls::Pair,
}

/// With a token just made, only this machine may connect: so that is the default then.
pub(super) fn listen(r: &mut Reading<'_>, options: &Options) -> Option<Bind> {
    if options.make_token && r.given(&settings::LISTEN_ADDR).is_none() {
        return Some(Bind { host: Some("127.0.0.1".to_owned()), port: 8080 });
    }
    r.value(&settings::LISTEN_ADDR, values::bind)
}

/// Who is let in.
pub(super) fn callers(r: &mut Reading<'_>, options: &Options, listen: Option<&Bind>) -> Option<Callers> {
    let token_given = [settings::API_TOKEN.name.to_owned(), settings::API_TOKEN.file_variable()]
        .iter()
        .any(|name| r.variable(name).is_some());
    let file_given = r.given(&settings::TOKENS_FILE).is_some();
    if options.make_token {
        if token_given || file_given {
            let wrong = Wrong::new("a token is configured already", "leave --make-token out, or the tokens");
            r.mistake("--make-token", None, wrong);
            return None;
        }
        if listen.is_some_and(|listen| !listen.is_loopback()) {
            let wrong = Wrong::new(
                "LISTEN_ADDR can be reached from other machines",
                "listen on 127.0.0.1 or [::1], or configure a token of your own",
            );
            r.mistake("--make-token", None, wrong);
            return None;
        }
        return r.value(&settings::DATA_DIR, values::path).map(Callers::Make);
    }
    if !token_given && !file_given {
        let wrong = Wrong::new(
            "neither it nor TOKENS_FILE is set, and the server does not serve states to everybody",
            "set one of them, for instance API_TOKEN to what `openssl rand -hex 32` prints",
        );
        r.mistake(settings::API_TOKEN.name, None, wrong);
        return None;
    }
    let shared = r.secret(&settings::API_TOKEN);
    if let Some(secret) = &shared
        && secrecy::ExposeSecret::expose_secret(&secret.value).len() < SHORT_TOKEN
    {
        r.warnings.push(format!("API_TOKEN has fewer than {SHORT_TOKEN} characters and can be guessed"));
    }
    let tokens_file = r.value(&settings::TOKENS_FILE, values::path);
    let sources = TokenSources { shared, tokens_file };
    match sources.read() {
        Ok(tokens) => {
            let expired: Vec<_> = tokens.expired(OffsetDateTime::now_utc()).collect();
            if !expired.is_empty() {
                r.warnings
                    .push(format!("TOKENS_FILE has expired entries, which let nobody in: {}", expired.join(", ")));
            }
            Some(Callers::Configured(sources, tokens))
        }
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| r.mistake(&mistake.setting, mistake.value, mistake.wrong));
            None
        }
    }
}

/// What states are served with over TLS.
pub(super) fn tls(r: &mut Reading<'_>) -> Option<ServeTls> {
    let certificate = r.value(&settings::TLS_CERT_FILE, values::path);
    let key = r.value(&settings::TLS_KEY_FILE, values::path);
    let (certificate, key) = match (certificate, key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (certificate, _) => {
            let (missing, given) = match certificate {
                Some(_) => (&settings::TLS_KEY_FILE, &settings::TLS_CERT_FILE),
                None => (&settings::TLS_CERT_FILE, &settings::TLS_KEY_FILE),
            };
            let wrong = Wrong::new(format!("not set, but {} is", given.name), "set both or neither");
            r.mistake(missing.name, None, wrong);
            return None;
        }
    };
    let files = tls::Files { certificate, key };
    match tls::Pair::read(&files) {
        Ok(pair) => {
            let now = OffsetDateTime::now_utc();
            if !pair.is_valid(now) {
                r.warnings.push(format!("TLS_CERT_FILE: {}: clients will refuse it", pair.validity(now)));
            }
            Some(ServeTls { files, pair })
        }
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| r.mistake(&mistake.setting, mistake.value, mistake.wrong));
            None
        }
    }
}
