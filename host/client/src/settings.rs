//! Where a server is and how to get in: flags, and the environment that the CLIs' `http` backend reads.
//! (<https://opentofu.org/docs/language/settings/backends/http/>)

use std::ffi::OsString;
use std::path::PathBuf;

use reqwest::{Method, Url};
use secrecy::SecretString;

use crate::error::Error;

/// The variable that names a server, as no CLI knows it: they know a state's address only.
pub const SERVER: &str = "TOFU_STATE_SERVER";
/// A state's address.
pub const ADDRESS: &str = "TF_HTTP_ADDRESS";
/// Where LOCK goes for that state.
pub const LOCK_ADDRESS: &str = "TF_HTTP_LOCK_ADDRESS";
/// Where UNLOCK goes for that state.
pub const UNLOCK_ADDRESS: &str = "TF_HTTP_UNLOCK_ADDRESS";
/// The method that locks.
pub const LOCK_METHOD: &str = "TF_HTTP_LOCK_METHOD";
/// The method that unlocks.
pub const UNLOCK_METHOD: &str = "TF_HTTP_UNLOCK_METHOD";
/// The user's name: any, for this server.
pub const USERNAME: &str = "TF_HTTP_USERNAME";
/// The token.
pub const PASSWORD: &str = "TF_HTTP_PASSWORD";
/// Certificates (PEM) of the authority that signed the server's.
pub const CA: &str = "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM";
/// The certificate (PEM) that is shown to the server.
pub const CERTIFICATE: &str = "TF_HTTP_CLIENT_CERTIFICATE_PEM";
/// Its key (PEM).
pub const KEY: &str = "TF_HTTP_CLIENT_PRIVATE_KEY_PEM";

/// The lock's face for proxies that let no LOCK through.
const LOCK_FACE: &str = "-/lock/";

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The server's address, without a state's path.
    pub server: Option<String>,
    /// The user's name.
    pub username: Option<String>,
    /// A file with the token.
    pub password_file: Option<PathBuf>,
    /// A file with the authority's certificates (PEM).
    pub ca_file: Option<PathBuf>,
}

/// How to get in.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password, or the token.
    pub password: Option<SecretString>,
}

/// What TLS is spoken with; nothing of it is needed where the system's authorities do.
#[derive(Clone, Default)]
pub struct Tls {
    /// The authority's certificates, PEM.
    pub ca: Option<String>,
    /// The client's certificate and key, PEM, one after the other.
    pub identity: Option<String>,
}

/// A server, and the one state that the environment names.
#[derive(Clone)]
pub struct Settings {
    /// The server's address, with a `/` at its end.
    server: Url,
    /// The state that the environment names.
    own: Option<Place>,
    /// Whether LOCK and UNLOCK go through the lock's face, as POST and DELETE.
    by_face: bool,
    /// How to get in.
    pub credentials: Credentials,
    /// What TLS is spoken with.
    pub tls: Tls,
}

/// Where one state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The state's path, for people.
    pub path: String,
    /// The state.
    pub state: Url,
    /// How to lock it.
    pub lock: (Method, Url),
    /// How to unlock it.
    pub unlock: (Method, Url),
}

impl Settings {
    /// Reads flags and the environment, in which `variable` looks.
    ///
    /// # Errors
    /// A sentence: what is missing, or wrong.
    pub fn read(flags: &Flags, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let text = |name: &str| text(name, variable);
        let address = text(ADDRESS)?.map(|address| url(ADDRESS, &address)).transpose()?;
        let server = match flags.server.clone().map_or_else(|| text(SERVER), |server| Ok(Some(server)))? {
            Some(server) => folder(url(SERVER, &server)?),
            // A server behind a path has to be named: nothing tells where its path ends.
            None => match &address {
                Some(address) => origin(address),
                None => {
                    return Err(Error::other(format!(
                        "which server? Give --server or {SERVER}, such as https://states.example.com, or {ADDRESS}"
                    )));
                }
            },
        };
        let method = |name: &str, default: &'static str| -> Result<Method, Error> {
            let named = text(name)?.unwrap_or_else(|| default.to_owned());
            Method::from_bytes(named.as_bytes()).map_err(|_| Error::other(format!("{name}: `{named}` is no method")))
        };
        let (lock_method, unlock_method) = (method(LOCK_METHOD, "LOCK")?, method(UNLOCK_METHOD, "UNLOCK")?);
        let by_face = lock_method.as_str() != "LOCK" && unlock_method.as_str() != "UNLOCK";
        let own = match address {
            Some(state) => {
                let at = |name: &str| text(name)?.map_or_else(|| Ok(state.clone()), |address| url(name, &address));
                let (lock, unlock) = ((lock_method, at(LOCK_ADDRESS)?), (unlock_method, at(UNLOCK_ADDRESS)?));
                let path = state.as_str().strip_prefix(server.as_str()).unwrap_or(state.path());
                let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/').to_owned();
                Some(Place { path, state, lock, unlock })
            }
            None => None,
        };
        let password = match &flags.password_file {
            Some(file) => Some(read_file("--password-file", file)?.trim_end().to_owned()),
            None => text(PASSWORD)?,
        };
        let username = flags.username.clone().map_or_else(|| text(USERNAME), |user| Ok(Some(user)))?;
        let ca = match &flags.ca_file {
            Some(file) => Some(read_file("--ca-file", file)?),
            None => text(CA)?,
        };
        let identity = match (text(CERTIFICATE)?, text(KEY)?) {
            (Some(certificate), Some(key)) => Some(format!("{certificate}\n{key}")),
            (None, None) => None,
            _ => return Err(Error::other(format!("{CERTIFICATE} and {KEY} belong together: one is missing"))),
        };
        Ok(Self {
            server,
            own,
            by_face,
            credentials: Credentials {
                username: username.unwrap_or_default(),
                password: password.map(SecretString::from),
            },
            tls: Tls { ca, identity },
        })
    }

    /// The server's address, with a `/` at its end.
    #[must_use]
    pub fn server(&self) -> &Url {
        &self.server
    }

    /// The state at `path`; none: the one that the environment names.
    ///
    /// # Errors
    /// A sentence: no state is named, or the path cannot be one.
    pub fn place(&self, path: Option<&str>) -> Result<Place, Error> {
        let Some(path) = path else {
            let missing =
                || Error::other(format!("which state? Name its path, such as platform/network, or set {ADDRESS}"));
            return self.own.clone().ok_or_else(missing);
        };
        let path = path.trim_matches('/');
        check_path(path).map_err(Error::Other)?;
        let join =
            |path: &str| self.server.join(path).map_err(|error| Error::other(format!("`{path}` is no path: {error}")));
        let state = join(path)?;
        let (lock, unlock) = if self.by_face {
            let face = join(&format!("{LOCK_FACE}{path}"))?;
            ((Method::POST, face.clone()), (Method::DELETE, face))
        } else {
            ((method("LOCK")?, state.clone()), (method("UNLOCK")?, state.clone()))
        };
        Ok(Place { path: path.to_owned(), state, lock, unlock })
    }
}

/// Whether a state may have this path, on a server that allows as many segments.
///
/// # Errors
/// A sentence: which segment breaks which rule.
pub fn check_path(path: &str) -> Result<(), String> {
    let segments: Vec<_> = path.split('/').map(str::to_owned).collect();
    let checked = tofu_state_protocol::path::StatePath::parse(&segments, MOST_SEGMENTS);
    checked.map(drop).map_err(|why| format!("`{path}` is no state's path: {why}"))
}

/// The most segments that any server allows; how many this one does, it says itself.
const MOST_SEGMENTS: u8 = 8;

fn method(name: &str) -> Result<Method, Error> {
    Method::from_bytes(name.as_bytes()).map_err(|_| Error::other(format!("`{name}` is no method")))
}

fn text(name: &str, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<String>, Error> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|_| Error::other(format!("{name} is not UTF-8")))
}

/// An address over HTTP, without credentials in it: they would end up in messages.
///
/// # Errors
/// A sentence that begins with `name`.
pub fn url(name: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::other(format!("{name}: this is no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(Error::other(format!("{name}: an address begins with http:// or https://")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::other(format!("{name}: credentials do not belong into an address, see {USERNAME}")));
    }
    Ok(url)
}

/// The same address as one that others are below.
#[must_use]
pub fn folder(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

fn origin(address: &Url) -> Url {
    let mut origin = address.clone();
    origin.set_path("/");
    folder(origin)
}

fn read_file(flag: &str, file: &PathBuf) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| Error::other(format!("{flag} {}: {error}", file.display())))
}

#[cfg(test)]
mod tests;
