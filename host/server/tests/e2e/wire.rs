//! The protocol spoken by hand, for what no CLI can be made to do at will.

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tofu_state_testing::secrets::{self, IN_A_STATE};
use tofu_state_testing::server::{Server, TOKEN, http};

/// A client of one state. Each has connections of its own.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Itself, if its status is this.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Client {
    /// Of the state at `path`, with the server's own token.
    pub(crate) fn new(server: &Server, path: &str) -> Self {
        Self { http: http(), url: server.url(path), token: TOKEN.to_owned() }
    }

    /// Of the state at `url`, through `http`.
    pub(crate) fn with(http: reqwest::Client, url: String) -> Self {
        Self { http, url, token: TOKEN.to_owned() }
    }

    /// One request. An error means that no answer came.
    pub(crate) async fn send(
        &self,
        method: &str,
        query: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, reqwest::Error> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}{query}", self.url)).bearer_auth(&self.token);
        let response = request.body(body.into()).send().await?;
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let answer = Answer { status: response.status().as_u16(), retry_after, body: response.bytes().await? };
        if answer.status >= 400 {
            secrets::look_in("an error's body", &String::from_utf8_lossy(&answer.body));
        }
        Ok(answer)
    }

    pub(crate) async fn get(&self) -> Result<Answer, reqwest::Error> {
        self.send("GET", "", "").await
    }

    /// POSTs a state, under a lock if there is an ID.
    pub(crate) async fn post(&self, state: &Value, lock: Option<&str>) -> Result<Answer, reqwest::Error> {
        let query = lock.map(|id| format!("?ID={id}")).unwrap_or_default();
        self.send("POST", &query, state.to_string()).await
    }

    pub(crate) async fn lock(&self, id: &str) -> Result<Answer, reqwest::Error> {
        self.send("LOCK", "", lock_info(id)).await
    }

    pub(crate) async fn unlock(&self, id: &str) -> Result<Answer, reqwest::Error> {
        self.send("UNLOCK", "", lock_info(id)).await
    }
}

/// A LockInfo as the CLIs send it.
pub(crate) fn lock_info(id: &str) -> String {
    json!({
        "ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": format!("{id}@test"),
        "Version": "1.12.6", "Created": "2026-01-01T00:00:00.000000000Z", "Path": "",
    })
    .to_string()
}

/// A state as the CLIs write it, with `entries` as its only output.
pub(crate) fn state(serial: u64, entries: &[String]) -> Value {
    json!({
        "version": 4, "terraform_version": "1.12.6", "serial": serial, "lineage": "3f1c0a2e-test",
        "outputs": {
            "entries": {"value": entries, "type": ["list", "string"]},
            "sensitive": {"value": IN_A_STATE, "type": "string", "sensitive": true},
        },
        "resources": [], "check_results": null,
    })
}

/// The serial of a state.
pub(crate) fn serial(state: &Value) -> u64 {
    state["serial"].as_u64().unwrap()
}

/// What [`state`] put into it.
pub(crate) fn entries(state: &Value) -> Vec<String> {
    let values = state["outputs"]["entries"]["value"].as_array().unwrap();
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}
