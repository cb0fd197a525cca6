//! GitLab's states, from a stand-in that answers as GitLab does: GraphQL in pages, Basic authentication, states by
//! project and name.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};

use super::{States, count, holds, states};
use crate::common::server;
use crate::states::stand_in::serve;
use crate::states::{Ended, program};

const TOKEN: &str = "glpat-hunter2";
/// How many names a page has.
const PAGE: usize = 100;

/// A GitLab with one project, `platform/network`.
async fn gitlab(states: States) -> String {
    let states = Arc::new(states);
    serve(move |request| {
        let states = Arc::clone(&states);
        async move { answer(&states, request).await }
    })
    .await
}

async fn answer(states: &States, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path().to_owned();
    let reply = |status: u16, body: Bytes| {
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status.try_into().unwrap();
        response
    };
    if path == "/api/graphql" {
        if authorization != Some(format!("Bearer {TOKEN}")) {
            return reply(401, Bytes::from_static(br#"{"errors":[{"message":"Invalid token"}]}"#));
        }
        let asked: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let page = if asked["variables"]["project"] == "platform/network" {
            let after: usize = asked["variables"]["after"].as_str().map_or(0, |after| after.parse().unwrap());
            let names: Vec<_> = states.keys().skip(after).take(PAGE).map(|name| json!({ "name": name })).collect();
            let next = after + names.len();
            let page = json!({ "hasNextPage": next < states.len(), "endCursor": next.to_string() });
            json!({ "terraformStates": { "nodes": names, "pageInfo": page } })
        } else {
            Value::Null
        };
        return reply(200, json!({ "data": { "project": page } }).to_string().into());
    }
    if authorization != Some(format!("Basic {}", BASE64_STANDARD.encode(format!("tofu-state:{TOKEN}")))) {
        return reply(401, Bytes::new());
    }
    let name =
        path.strip_prefix("/api/v4/projects/platform%2Fnetwork/terraform/state/").map(|name| name.replace("%2F", "/"));
    match name.and_then(|name| states.get(&name).cloned()) {
        Some(state) => reply(200, state.into()),
        None => reply(404, Bytes::new()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_states_from_a_project_of_gitlab() {
    let states = states(1000);
    let (gitlab, server) = (gitlab(states.clone()).await, server().set("PATH_SEGMENTS", "3").start().await);
    let import = async |project: &str, token: &str| {
        let mut command = program(&server.url(""));
        command.env("SOURCE_PASSWORD", token).args(["import", "gitlab", "--url", &gitlab, "--project", project]);
        command.args(["--into", "platform", "--apply", "--json"]);
        tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap()
    };
    import("platform/network", "wrong").await.failure("status 401");
    import("platform/nothing", TOKEN).await.failure("there is no project platform/nothing");
    let report = import("platform/network", TOKEN).await.success().json();
    assert_eq!(count(&report, "imported"), states.len());
    holds(&server, &states, "platform").await;
}
