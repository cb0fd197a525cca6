//! KV version 2 of OpenBao or Vault, in a layout of others: any mount, any prefix, the state in one field of a secret.
//! (<https://openbao.org/api-docs/secret/kv/kv-v2/>)

use async_trait::async_trait;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{Listing, Name, Source, left_out};
use crate::error::Error;
use crate::http::{Answer, Http, Redirects, place};
use crate::settings::{Credentials, Tls, folder};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// What a path keeps as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// How deep folders may be nested.
const DEEPEST: usize = 32;

/// Where secrets with states are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The server's address.
    pub address: Url,
    /// Its namespace.
    pub namespace: Option<String>,
    /// The mount.
    pub mount: String,
    /// The folder in the mount; empty: all of it.
    pub prefix: String,
    /// The field of a secret that holds the state; none: the only one there is.
    pub field: Option<String>,
}

/// A folder of a mount.
pub struct Kv {
    http: Http,
    place: Place,
}

#[derive(Deserialize)]
struct Keys {
    data: KeyList,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Secret {
    data: Version,
}

#[derive(Deserialize)]
struct Version {
    data: Option<serde_json::Map<String, Value>>,
}

/// What a refusal says.
#[derive(Deserialize)]
struct Faults {
    errors: Vec<String>,
}

impl Kv {
    /// A folder, read with `token`.
    ///
    /// # Errors
    /// A sentence: the token or the namespace cannot be sent.
    pub fn new(mut place: Place, token: &SecretString, tls: &Tls) -> Result<Self, Error> {
        place.address = folder(place.address);
        place.mount = place.mount.trim_matches('/').to_owned();
        place.prefix = place.prefix.trim_matches('/').to_owned();
        let value = |what: &str, text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Error::other(format!("the {what} has characters that a header cannot hold")))
        };
        let mut secret = value("token", token.expose_secret().trim_end())?;
        secret.set_sensitive(true);
        let mut http =
            Http::new(&place.address, Credentials::default(), tls, Redirects::Refused)?.with_header(TOKEN, secret);
        if let Some(namespace) =
            place.namespace.as_deref().map(|name| name.trim_matches('/')).filter(|name| !name.is_empty())
        {
            http = http.with_header(NAMESPACE, value("namespace", namespace)?);
        }
        Ok(Self { http, place })
    }

    fn url(&self, kind: &str, path: &str) -> Result<Url, Error> {
        let path = format!("v1/{}/{kind}/{path}", self.place.mount);
        let join = self.place.address.join(&utf8_percent_encode(&path, KEPT).to_string());
        join.map_err(|error| Error::other(format!("`{path}` is no path: {error}")))
    }

    async fn get(&self, address: &Url) -> Result<Answer, Error> {
        self.http.send(&Method::GET, address, &HeaderMap::new(), &Bytes::new()).await
    }

    /// The keys in a folder, those of folders with a `/` at their end; none: there is no such folder.
    async fn keys(&self, folder: &str) -> Result<Option<Vec<String>>, Error> {
        let mut address = self.url("metadata", folder)?;
        // A GET with this is a LIST, which not every proxy lets through.
        address.set_query(Some("list=true"));
        let answer = self.get(&address).await?;
        match answer.status {
            200 => {
                let keys: Keys = serde_json::from_slice(&answer.body).map_err(|_| odd(&address))?;
                Ok(Some(keys.data.keys))
            }
            // Nothing lies there. A mount that is missing, or of version 1, is told with a reason.
            404 if reasons(&answer).is_empty() => Ok(None),
            _ => Err(refused(&address, &answer)),
        }
    }

    /// The state in a secret, as text.
    fn state(&self, fields: &serde_json::Map<String, Value>) -> Result<Bytes, Error> {
        let failed = |why: &str| Error::other(why);
        let value = match &self.place.field {
            Some(field) => fields.get(field).ok_or_else(|| failed(&format!("there is no field `{field}`"))),
            None if fields.len() == 1 => fields.values().next().ok_or_else(|| failed("there is no field")),
            None => Err(failed("there are several fields: name the one with the state by --field")),
        }?;
        match value {
            Value::String(text) => Ok(Bytes::from(text.clone())),
            Value::Object(_) => Err(failed(
                "the field holds JSON and not a string: the store has changed its numbers, and they cannot be had as \
                 they were. Pull this state with the CLI, and import the file",
            )),
            _ => Err(failed("the field holds neither text nor a state")),
        }
    }
}

#[async_trait]
impl Source for Kv {
    fn describe(&self) -> String {
        format!("{} of {} on {}", self.place.prefix, self.place.mount, self.place.address)
            .trim_start_matches(" of ")
            .to_owned()
    }

    async fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let below = if self.place.prefix.is_empty() { String::new() } else { format!("{}/", self.place.prefix) };
        let mut folders = vec![(below, 0)];
        while let Some((folder, depth)) = folders.pop() {
            let Some(keys) = self.keys(&folder).await? else {
                if depth == 0 {
                    return Err(Error::other(format!("{}: there is nothing", self.describe())));
                }
                continue;
            };
            for key in keys {
                let name = format!("{folder}{key}");
                if key.ends_with('/') {
                    if depth >= DEEPEST {
                        return Err(Error::other(format!("{name} lies deeper than {DEEPEST} folders")));
                    }
                    folders.push((name, depth + 1));
                } else if let Some(why) = left_out(&name) {
                    listing.skipped.insert(name, why.to_owned());
                } else {
                    listing.names.push(Name::plain(name));
                }
            }
        }
        listing.names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let address = self.url("data", name)?;
        let answer = self.get(&address).await?;
        match answer.status {
            200 => {
                let secret: Secret = serde_json::from_slice(&answer.body).map_err(|_| odd(&address))?;
                secret.data.data.map(|fields| self.state(&fields)).transpose()
            }
            404 if reasons(&answer).is_empty() => Ok(None),
            _ => Err(refused(&address, &answer)),
        }
    }
}

fn odd(address: &Url) -> Error {
    Error::other(format!("{}: the answer is not that of KV version 2", place(address)))
}

fn reasons(answer: &Answer) -> String {
    let faults = serde_json::from_slice::<Faults>(&answer.body).map(|faults| faults.errors).unwrap_or_default();
    faults.join("; ")
}

fn refused(address: &Url, answer: &Answer) -> Error {
    let reasons = reasons(answer);
    let message = if reasons.is_empty() { "the server refuses".to_owned() } else { reasons.trim().to_owned() };
    Error::Refused { place: place(address), status: answer.status, code: String::new(), message }
}
