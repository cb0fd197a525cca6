//! A `tofu-state` server: what an export reads, and an import from another one.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Listing, Name, Source};
use crate::api::Api;
use crate::error::Error;
use crate::http::{Http, Redirects};
use crate::protocol::State;
use crate::settings::Settings;

/// All states of a server that the token may read, below a prefix.
pub struct Server {
    http: Http,
    settings: Settings,
    prefix: String,
}

impl Server {
    /// The states whose paths begin with `prefix`, by whole segments; an empty one: all.
    ///
    /// # Errors
    /// A sentence: a certificate is no good.
    pub fn new(settings: Settings, prefix: &str) -> Result<Self, Error> {
        let http = Http::new(settings.server(), settings.credentials.clone(), &settings.tls, Redirects::Refused)?;
        Ok(Self { http, settings, prefix: prefix.trim_matches('/').to_owned() })
    }
}

#[async_trait]
impl Source for Server {
    fn describe(&self) -> String {
        format!("{}{}", self.settings.server(), self.prefix)
    }

    async fn list(&self) -> Result<Listing, Error> {
        let api = Api { http: &self.http, server: self.settings.server() };
        let states = api.states(&self.prefix, false).await?;
        let name = |path: String| Name { path: Some(path.clone()), ..Name::plain(path) };
        Ok(Listing { names: states.into_iter().map(|state| name(state.path)).collect(), ..Listing::default() })
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        State { http: &self.http, place: self.settings.place(Some(name))? }.get().await
    }
}
