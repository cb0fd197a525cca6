//! Another server with an `http` backend. Its protocol has no list, so the names have to be given.

use async_trait::async_trait;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::{Listing, Name, Source};
use crate::error::Error;
use crate::http::{Http, Redirects, place};
use crate::protocol::refusal;
use crate::settings::{Credentials, Tls, url};

/// Where the name stands in the address.
const NAME: &str = "{name}";
/// What a name keeps as it is in an address; `/` separates segments.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// States at addresses that differ in a name.
pub struct Named {
    http: Http,
    template: String,
    names: Vec<String>,
}

impl Named {
    /// The states `names` at `template`, in which `{name}` stands for the name.
    ///
    /// # Errors
    /// A sentence: the address is none, or has no place for the name.
    pub fn new(template: &str, names: Vec<String>, credentials: Credentials, tls: &Tls) -> Result<Self, Error> {
        if !template.contains(NAME) {
            return Err(Error::other(format!("--address: `{NAME}` has to stand where the state's name belongs")));
        }
        let example = url("--address", &template.replace(NAME, "name"))?;
        let http = Http::new(&example, credentials, tls, Redirects::Followed)?;
        Ok(Self { http, template: template.to_owned(), names })
    }
}

#[async_trait]
impl Source for Named {
    fn describe(&self) -> String {
        self.template.clone()
    }

    async fn list(&self) -> Result<Listing, Error> {
        Ok(Listing { names: self.names.iter().map(Name::plain).collect(), ..Listing::default() })
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let name = utf8_percent_encode(name, KEPT).to_string();
        let address = url("--address", &self.template.replace(NAME, &name))?;
        get(&self.http, &address).await
    }
}

/// A GET as the `http` backend makes it; none: no state.
pub(super) async fn get(http: &Http, address: &Url) -> Result<Option<Bytes>, Error> {
    let answer = http.send(&Method::GET, address, &HeaderMap::new(), &Bytes::new()).await?;
    match answer.status {
        204 | 404 => Ok(None),
        200 if answer.body.is_empty() => Ok(None),
        200 => Ok(Some(answer.body)),
        _ => Err(refusal(&place(address), &answer)),
    }
}
