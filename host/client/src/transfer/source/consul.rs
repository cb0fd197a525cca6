//! Consul's KV, as the CLIs' `consul` backend lays states out in it: a state is one value, plain or compressed; one
//! that is too large for a value is a list of its pieces, with the MD5 of the whole.
//! (<https://developer.hashicorp.com/consul/api-docs/kv>, OpenTofu's `internal/backend/remote-state/consul/client.go`)

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Listing, Name, Source, left_out};
use crate::error::Error;
use crate::http::{Answer, Http, Redirects, place};
use crate::settings::{Credentials, Tls, folder};
use crate::transfer::decode::{LARGEST, decode};

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
/// Set to `true` where a list lacks what the token may not read.
const FILTERED: &str = "x-consul-results-filtered-by-acls";
/// What a key keeps as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// What the key of a piece has behind the state's: this, the MD5 of the whole, `/`, the piece's number.
const PIECE: &str = "/tfstate.";
/// The most of a refusal that is repeated, in characters.
const LONGEST_REASON: usize = 200;

/// Where states are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The agent's address.
    pub address: Url,
    /// Its datacenter; none: the agent's own.
    pub datacenter: Option<String>,
    /// What keys begin with.
    pub prefix: String,
}

/// The keys of one Consul that begin alike.
pub struct Consul {
    http: Http,
    place: Place,
}

/// What stands in a state's place where it lies in pieces.
#[derive(Deserialize)]
struct Pieces {
    #[serde(rename = "current-hash")]
    md5: String,
    #[serde(rename = "chunks")]
    keys: Vec<String>,
}

impl Consul {
    /// The states at `place`, read with `token`, or as anybody.
    ///
    /// # Errors
    /// A sentence: the token cannot be sent, or a certificate is no good.
    pub fn new(
        mut place: Place,
        token: Option<&SecretString>,
        credentials: Credentials,
        tls: &Tls,
    ) -> Result<Self, Error> {
        place.address = folder(place.address);
        place.prefix = place.prefix.trim_start_matches('/').to_owned();
        let mut http = Http::new(&place.address, credentials, tls, Redirects::Refused)?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret().trim_end())
                .map_err(|_| Error::other("the token has characters that a header cannot hold"))?;
            value.set_sensitive(true);
            http = http.with_header(TOKEN, value);
        }
        Ok(Self { http, place })
    }

    /// `what` of a key, or of all keys that begin so, as the leader of a majority has it.
    async fn get(&self, key: &str, what: &str) -> Result<(Url, Answer), Error> {
        let path = format!("v1/kv/{}", utf8_percent_encode(key, KEPT));
        let joined = self.place.address.join(&path);
        let mut address = joined.map_err(|error| Error::other(format!("`{key}` is no key: {error}")))?;
        address.query_pairs_mut().append_key_only(what).append_key_only("consistent");
        if let Some(datacenter) = &self.place.datacenter {
            address.query_pairs_mut().append_pair("dc", datacenter);
        }
        let answer = self.http.send(&Method::GET, &address, &HeaderMap::new(), &Bytes::new()).await?;
        Ok((address, answer))
    }

    /// A key's value; none: there is no such key.
    async fn value(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let (address, answer) = self.get(key, "raw").await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&address, &answer)),
        }
    }

    /// The state in `pieces`, as it was before it was compressed and divided.
    async fn whole(&self, pieces: &Pieces) -> Result<Bytes, Error> {
        let failed =
            |why: String| Error::other(format!("{why}. If it was written while it was read, run the import once more"));
        let mut whole = BytesMut::new();
        for key in &pieces.keys {
            let piece = self.value(key).await?;
            whole.extend_from_slice(&piece.ok_or_else(|| failed(format!("its piece {key} is missing")))?);
            if whole.len() as u64 > LARGEST {
                return Err(failed(format!("its pieces are larger than {} MiB", LARGEST >> 20)));
            }
        }
        let state = decode(whole.freeze()).map_err(failed)?;
        if hex::encode(Md5::digest(&state)) != pieces.md5 {
            return Err(failed("its pieces do not fit together (MD5)".to_owned()));
        }
        Ok(state)
    }
}

#[async_trait]
impl Source for Consul {
    fn describe(&self) -> String {
        format!("{} in Consul at {}", self.place.prefix, self.place.address).trim_start().to_owned()
    }

    async fn list(&self) -> Result<Listing, Error> {
        let (address, answer) = self.get(&self.place.prefix, "keys").await?;
        match answer.status {
            200 => {}
            404 => return Err(Error::other(format!("{}: there is nothing that the token may read", self.describe()))),
            _ => return Err(refused(&address, &answer)),
        }
        if answer.headers.get(FILTERED).is_some_and(|filtered| filtered == "true") {
            return Err(Error::other(format!(
                "{}: the token may not read all keys that begin so, and what is missing would not be told",
                self.describe()
            )));
        }
        let keys: Vec<String> = serde_json::from_slice(&answer.body)
            .map_err(|_| Error::other(format!("{}: the answer is not Consul's", place(&address))))?;
        let mut listing = Listing::default();
        for key in keys {
            if is_piece(&key) {
                continue;
            }
            match left_out(&key) {
                Some(why) => drop(listing.skipped.insert(key, why.to_owned())),
                None if key.ends_with('/') => {
                    let why = "a folder; a state whose own key ends so has to be pulled by its CLI";
                    listing.skipped.insert(key, why.to_owned());
                }
                None => listing.names.push(Name::plain(key)),
            }
        }
        Ok(listing)
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let Some(value) = self.value(name).await?.filter(|value| !value.is_empty()) else { return Ok(None) };
        match serde_json::from_slice::<Pieces>(&value) {
            Ok(pieces) => self.whole(&pieces).await.map(Some),
            // A state, or no state: whoever reads it says.
            Err(_) => Ok(Some(value)),
        }
    }
}

/// Whether the key is that of a state's piece.
fn is_piece(key: &str) -> bool {
    let Some((_, piece)) = key.rsplit_once(PIECE) else { return false };
    let Some((md5, number)) = piece.split_once('/') else { return false };
    let all = |text: &str, of: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(of);
    md5.len() == 32 && all(md5, u8::is_ascii_hexdigit) && all(number, u8::is_ascii_digit)
}

/// A refusal; Consul says why in plain text.
fn refused(address: &Url, answer: &Answer) -> Error {
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said.trim().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    let message = if said.is_empty() { "Consul refuses".to_owned() } else { said };
    Error::Refused { place: place(address), status: answer.status, code: String::new(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_known_by_their_keys() {
        let md5 = "fa901837dd373e19591bda4951c8c9c8";
        assert!(is_piece(&format!("terraform/network/tfstate.{md5}/0")));
        assert!(is_piece(&format!("a/tfstate.{md5}/tfstate.{md5}/12")));
        for state in [
            "terraform/network".to_owned(),
            "terraform/tfstate.prod/0".to_owned(),
            format!("terraform/tfstate.{md5}"),
            format!("terraform/tfstate.{md5}/"),
            format!("terraform/tfstate.{md5}/0/more"),
            format!("tfstate.{md5}/0"),
        ] {
            assert!(!is_piece(&state), "{state}");
        }
    }
}
