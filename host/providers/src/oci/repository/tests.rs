//! Real registries, and one that misbehaves.

use std::sync::Mutex as Shared;
use std::time::Duration;

use serde_json::json;
use tofu_state_testing::registry::{Auth, PASSWORD, Registry, USER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::fetch::Fetcher;
use crate::http::Patience;
use crate::oci::docker::Credentials;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn http() -> Http {
    let long = Duration::from_secs(60);
    Http::new(Patience { request: long, silence: long, retries: 2, pause: Duration::from_millis(1) }).unwrap()
}

fn repository(address: &str, login: Option<Login>) -> Arc<Repository> {
    let base = Url::parse(&format!("http://{address}/v2/team/web/")).unwrap();
    Arc::new(Repository::at(http(), base, address, "team/web", login))
}

fn login(password: &str) -> Option<Login> {
    Some(Login::Basic(Credentials { user: USER.to_owned(), password: password.into() }))
}

/// Puts a manifest there, and gives its digest.
async fn filled(registry: &Registry) -> String {
    let blob = registry.blob("team/web", "archive/zip", b"a zip").await;
    let config = registry.blob("team/web", "application/vnd.oci.empty.v1+json", b"{}").await;
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob]});
    registry.tag("team/web", "1.0.0", &manifest).await;
    let reference = registry.push_manifest("team/web", &manifest).await;
    reference.split_once('@').unwrap().1.to_owned()
}

#[tokio::test]
async fn tags_manifests_and_blobs_come_with_the_credentials_that_are_wanted() {
    for auth in [Auth::None, Auth::Basic, Auth::Bearer] {
        let registry = Registry::start(auth).await;
        let digest = filled(&registry).await;
        let before = registry.log().len();
        let known = repository(registry.address(), login(PASSWORD));
        assert_eq!(known.tags().await.unwrap().unwrap(), ["1.0.0"]);
        let by_tag = known.manifest("1.0.0", MANIFEST).await.unwrap().unwrap();
        assert_eq!(known.manifest(&digest, MANIFEST).await.unwrap().unwrap(), by_tag);
        assert!(known.manifest("2.0.0", MANIFEST).await.unwrap().is_none());
        let sum = Sha256Sum::of(b"a zip");
        let folder = tempfile::tempdir().unwrap();
        let fetched = Fetcher::new(http(), folder.path().to_owned(), 1).blob(&known.blob(&sum).unwrap(), |_| {}).await;
        assert_eq!(fetched.unwrap().sha256, sum, "{auth:?}");
        let asked = registry.log()[before..].lines().filter(|line| line.contains("GET /token")).count();
        assert_eq!(asked, usize::from(auth == Auth::Bearer), "one token for all of it");
        if auth == Auth::None {
            continue;
        }
        for (login, told) in [(None, "wants credentials"), (login("wr0ng"), "refuses the credentials")] {
            let error = repository(registry.address(), login).tags().await.unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("wr0ng"), "{auth:?}: {error}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_no_failure() {
    let registry = Registry::start(Auth::None).await;
    assert!(repository(registry.address(), None).tags().await.unwrap().is_none());
    let failed = repository("127.0.0.1:1", None).tags().await.unwrap_err();
    assert!(matches!(failed, HttpError::Unreachable { .. }), "{failed}");
}

/// A server that answers the requests in their order, and gives what it was asked. `HERE` in an answer is its address.
async fn scripted(answers: Vec<String>) -> (String, Arc<Shared<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Shared::new(Vec::new()));
    let (seen, here) = (Arc::clone(&asked), address.clone());
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            seen.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(answer.replace("HERE", &here).as_bytes()).await.unwrap();
        }
    });
    (address, asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn tags_come_in_pages() {
    let page = |next: &str, tag: &str| answer("200 OK", next, &format!(r#"{{"tags":["{tag}"]}}"#));
    let answers = vec![
        page("link: </v2/team/web/tags/list?n=1&last=1.0.0>; rel=\"next\"\r\n", "1.0.0"),
        answer("503 Service Unavailable", "", ""),
        page("", "1.1.0"),
        page("link: <https://elsewhere.example/v2/>; rel=\"next\"\r\n", "1.0.0"),
        answer("200 OK", "", "<p>"),
    ];
    let (address, asked) = scripted(answers).await;
    let repository = repository(&address, None);
    assert_eq!(repository.tags().await.unwrap().unwrap(), ["1.0.0", "1.1.0"]);
    let second = asked.lock().unwrap()[1].clone();
    assert!(second.starts_with("GET /v2/team/web/tags/list?n=1&last=1.0.0 "), "{second}");
    for told in ["no URL of its own", "list of tags is none"] {
        let error = repository.tags().await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_registry_is_not_believed_and_not_followed_everywhere() {
    let realm =
        |realm: &str| answer("401 Unauthorized", &format!("www-authenticate: Bearer realm=\"{realm}\"\r\n"), "");
    let answers = vec![
        answer("404 Not Found", "", r#"{"errors":[{"code":"DENIED","message":"x"}]}"#),
        answer("403 Forbidden", "", r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        answer("403 Forbidden", "", "<p>no</p>"),
        realm("http://127.0.0.1:1/token"),
        answer("401 Unauthorized", "www-authenticate: Negotiate\r\n", ""),
        answer("200 OK", "docker-content-digest: sha256:00\r\n", "{}"),
        answer("200 OK", "", "{}"),
    ];
    let (address, _) = scripted(answers).await;
    let repository = repository(&address, login(PASSWORD));
    let tags = async || repository.tags().await.map_err(|error| error.to_string());
    assert!(tags().await.unwrap_err().contains("404 Not Found (DENIED)"));
    assert_eq!(tags().await, Ok(None));
    assert!(tags().await.unwrap_err().ends_with("it answers 403 Forbidden"));
    assert!(tags().await.unwrap_err().contains("no https URL"));
    assert!(tags().await.unwrap_err().contains("not known here"));
    for reference in ["1.0.0", &format!("sha256:{}", "0".repeat(64))] {
        let error = repository.manifest(reference, MANIFEST).await.unwrap_err().to_string();
        assert!(error.contains("other bytes"), "{error}");
    }
}

/// A token runs out while much is downloaded.
#[tokio::test]
async fn a_token_that_is_refused_later_is_renewed() {
    let challenge = || {
        let header = "www-authenticate: Bearer realm=\"http://HERE/token\",service=\"s\"\r\n";
        answer("401 Unauthorized", header, "")
    };
    let token = |text: &str| answer("200 OK", "", &format!(r#"{{"token":"{text}"}}"#));
    let page = || answer("200 OK", "", r#"{"tags":[]}"#);
    let answers = vec![challenge(), token("one"), page(), challenge(), token("two"), page()];
    let (address, asked) = scripted(answers).await;
    let repository = repository(&address, login(PASSWORD));
    repository.tags().await.unwrap();
    repository.tags().await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(asked[1].starts_with("GET /token?service=s&scope=repository%3Ateam%2Fweb%3Apull "), "{}", asked[1]);
    let shows = |number: usize, what: &str| asked[number].contains(&format!("authorization: {what}"));
    assert!(shows(1, "Basic ") && shows(4, "Basic "));
    assert!(shows(2, "Bearer one") && shows(3, "Bearer one") && shows(5, "Bearer two"), "{asked:?}");
}
