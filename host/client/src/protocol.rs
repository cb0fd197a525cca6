//! One state and its lock, by the `http` backend's protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tofu_state_protocol::lock_info::LockInfo;

use crate::error::Error;
use crate::http::{Answer, Http, place};
use crate::settings::Place;

/// RFC 1864.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// One state on a server.
pub struct State<'a> {
    /// Who speaks.
    pub http: &'a Http,
    /// Where it is.
    pub place: Place,
}

/// The body of an error, as this server gives it.
#[derive(Deserialize)]
struct Told {
    error: Fields,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    reason: Option<String>,
}

impl State<'_> {
    /// The state's bytes; none: there is no state.
    ///
    /// # Errors
    /// The server gives none, or what came is not what it says it sent.
    pub async fn get(&self) -> Result<Option<Bytes>, Error> {
        let answer = self.http.send(&Method::GET, &self.place.state, &HeaderMap::new(), &Bytes::new()).await?;
        match answer.status {
            204 | 404 => Ok(None),
            200 if answer.body.is_empty() => Ok(None),
            200 => {
                let sent = answer.headers.get(CONTENT_MD5);
                if sent.is_some_and(|sent| sent.as_bytes() != md5(&answer.body).as_bytes()) {
                    return Err(Error::other(format!("{}: the answer is damaged (Content-MD5)", self.place.path)));
                }
                Ok(Some(answer.body))
            }
            _ => Err(self.refused(&answer)),
        }
    }

    /// Writes a state, under a lock if there is an ID. `overwrite` is the present serial, for a state that does not
    /// follow the present one.
    ///
    /// # Errors
    /// It was not written, or that is unknown ([`Error::NoAnswer`]).
    pub async fn post(&self, state: &Bytes, lock_id: Option<&str>, overwrite: Option<u64>) -> Result<(), Error> {
        let mut url = self.place.state.clone();
        if let Some(id) = lock_id {
            url.query_pairs_mut().append_pair("ID", id);
        }
        if let Some(serial) = overwrite {
            url.query_pairs_mut().append_pair("overwrite", &serial.to_string());
        }
        let mut headers = HeaderMap::new();
        if let Ok(digest) = HeaderValue::from_str(&md5(state)) {
            headers.insert(CONTENT_MD5, digest);
        }
        let answer = self.http.send(&Method::POST, &url, &headers, state).await?;
        match answer.status {
            200 | 201 | 204 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Deletes the state, under a lock if there is an ID.
    ///
    /// # Errors
    /// It was not deleted, or that is unknown.
    pub async fn delete(&self, lock_id: Option<&str>) -> Result<(), Error> {
        let mut url = self.place.state.clone();
        if let Some(id) = lock_id {
            url.query_pairs_mut().append_pair("ID", id);
        }
        let answer = self.http.send(&Method::DELETE, &url, &HeaderMap::new(), &Bytes::new()).await?;
        match answer.status {
            200 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Takes the lock with a LockInfo, in JSON.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder's LockInfo; or the server says no.
    pub async fn lock(&self, info: &str) -> Result<(), Error> {
        let (method, url) = &self.place.lock;
        let answer = self.http.send(method, url, &HeaderMap::new(), &Bytes::from(info.to_owned())).await?;
        match answer.status {
            200 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Releases a lock by the LockInfo that it was taken with. One that has nothing but an `ID`, or an empty one,
    /// is a forced unlock.
    ///
    /// # Errors
    /// Another holds it ([`Error::Locked`]), or the server says no.
    pub async fn unlock(&self, info: &str) -> Result<(), Error> {
        let (method, url) = &self.place.unlock;
        let answer = self.http.send(method, url, &HeaderMap::new(), &Bytes::from(info.to_owned())).await?;
        match answer.status {
            200 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    /// What an answer that is no success says.
    fn refused(&self, answer: &Answer) -> Error {
        if matches!(answer.status, 409 | 423)
            && let Ok(info) = LockInfo::parse(&answer.body)
        {
            return Error::Locked { path: self.place.path.clone(), info: Box::new(info) };
        }
        refusal(&place(&self.place.state), answer)
    }
}

/// An answer that is no success, as an error. Of a body that is not this server's own, nothing is shown.
#[must_use]
pub fn refusal(asked: &str, answer: &Answer) -> Error {
    let fields = serde_json::from_slice::<Told>(&answer.body).ok().map(|told| told.error);
    let fields = fields.unwrap_or_else(|| Fields { code: String::new(), message: String::new(), reason: None });
    let mut message = if fields.message.is_empty() { "the server refuses".to_owned() } else { fields.message };
    // Of a policy's denial the message tells the reason already, of others it may not.
    if let Some(reason) = fields.reason.filter(|reason| !message.contains(reason.as_str())) {
        message = format!("{} ({reason})", message.trim_end_matches('.'));
    }
    Error::Refused {
        place: asked.to_owned(),
        status: answer.status,
        code: fields.code,
        message: message.trim_end_matches('.').to_owned(),
    }
}

fn md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}
