//! GitLab's states of one project. GraphQL lists them, the REST API gives them.
//! (<https://docs.gitlab.com/api/graphql/reference/#terraformstate>, and `/projects/:id/terraform/state/:name`)

use async_trait::async_trait;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::named::get;
use super::{Listing, Name, Source};
use crate::error::Error;
use crate::http::{Http, Redirects, place};
use crate::protocol::refusal;
use crate::settings::{Credentials, Tls, folder};

/// What a segment of an address keeps as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The names of a project's states, a page after the other.
const QUERY: &str = "query($project: ID!, $after: String) { project(fullPath: $project) { \
                     terraformStates(after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } } }";

/// One project.
pub struct GitLab {
    http: Http,
    base: Url,
    project: String,
    bearer: HeaderValue,
}

#[derive(Deserialize)]
struct Answered {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
}

#[derive(Deserialize)]
struct Data {
    project: Option<Project>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Project {
    terraform_states: States,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct States {
    nodes: Vec<Node>,
    page_info: Page,
}

#[derive(Deserialize)]
struct Node {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl GitLab {
    /// The states of `project` (its full path) on the GitLab at `base`, with a personal or project access token of
    /// the scope `api`.
    ///
    /// # Errors
    /// A sentence: the token cannot be sent.
    pub fn new(base: Url, project: &str, user: &str, token: &SecretString, tls: &Tls) -> Result<Self, Error> {
        let credentials = Credentials { username: user.to_owned(), password: Some(token.clone()) };
        let base = folder(base);
        let http = Http::new(&base, credentials, tls, Redirects::Followed)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| Error::other("the token has characters that a header cannot hold"))?;
        bearer.set_sensitive(true);
        Ok(Self { http, base, project: project.trim_matches('/').to_owned(), bearer })
    }

    fn join(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|error| Error::other(format!("`{path}` is no path: {error}")))
    }
}

#[async_trait]
impl Source for GitLab {
    fn describe(&self) -> String {
        format!("{} on {}", self.project, self.base)
    }

    async fn list(&self) -> Result<Listing, Error> {
        let address = self.join("api/graphql")?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.bearer.clone());
        let mut listing = Listing::default();
        let mut after: Option<String> = None;
        loop {
            let body = json!({ "query": QUERY, "variables": { "project": self.project, "after": after } });
            let answer = self.http.send(&Method::POST, &address, &headers, &Bytes::from(body.to_string())).await?;
            if answer.status != 200 {
                return Err(refusal(&place(&address), &answer));
            }
            let answered: Answered = serde_json::from_slice(&answer.body)
                .map_err(|_| Error::other(format!("{}: the answer is not GraphQL's", place(&address))))?;
            if let Some(fault) = answered.errors.first() {
                return Err(Error::other(format!("{}: {}", place(&address), fault.message)));
            }
            let missing = || {
                Error::other(format!(
                    "{}: there is no project {}, or the token may not see it",
                    place(&address),
                    self.project
                ))
            };
            let states = answered.data.and_then(|data| data.project).ok_or_else(missing)?.terraform_states;
            listing.names.extend(states.nodes.into_iter().map(|node| Name::plain(node.name)));
            match states.page_info {
                Page { has_next_page: false, .. } => return Ok(listing),
                Page { end_cursor: Some(cursor), .. } if Some(&cursor) != after.as_ref() => after = Some(cursor),
                Page { .. } => return Err(Error::other(format!("{}: the list does not end", place(&address)))),
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let (project, name) = (utf8_percent_encode(&self.project, KEPT), utf8_percent_encode(name, KEPT));
        get(&self.http, &self.join(&format!("api/v4/projects/{project}/terraform/state/{name}"))?).await
    }
}
