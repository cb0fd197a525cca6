//! What goes over the wire, and what the driver makes of servers and balancers that cannot be had for a
//! test: a made-up server answers from a list.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tofu_state_store::openbao::{OpenBao, StartError};
use tofu_state_store::{Error, Outcome, Slot, Store};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::{key, put, settings};

/// A request as it came: its first line, its headers in lower case, its body.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    body: String,
}

/// What to answer to a request whose first line begins so; an empty answer ends the connection instead.
type Rule = (&'static str, String);

struct MadeUp {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl MadeUp {
    async fn start(rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (rules, kept) = (Arc::new(rules), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&rules), Arc::clone(&kept)));
            }
        });
        Self { address, seen }
    }

    fn store(&self) -> OpenBao {
        let mut settings = settings(&self.address, "s.token");
        settings.namespace = Some("team/a/".to_owned());
        OpenBao::new(settings).unwrap()
    }

    fn requests(&self, begin: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.line.starts_with(begin)).cloned().collect()
    }
}

async fn serve(stream: TcpStream, rules: Arc<Vec<Rule>>, kept: Arc<Mutex<Vec<Seen>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut headers) = (String::new(), String::new());
        stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
        while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
            stream.read_line(&mut headers).await.ok().filter(|&read| read > 0)?;
        }
        let headers = headers.to_ascii_lowercase();
        let length = headers.lines().find_map(|header| header.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.ok()?;
        let answer = rules.iter().find(|(begin, _)| line.starts_with(begin)).map(|(_, answer)| answer.clone())?;
        kept.lock().unwrap().push(Seen { line, headers, body: String::from_utf8(body).unwrap() });
        stream.write_all(answer.as_bytes()).await.ok().filter(|()| !answer.is_empty())?;
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn index(cluster: &str) -> String {
    format!("X-Vault-Index: {}\r\n", STANDARD.encode(format!(r#"{{"cluster":"{cluster}","value":"7"}}"#)))
}

fn health(version: &str) -> Rule {
    let body = format!(r#"{{"initialized":true,"sealed":false,"version":"{version}","cluster_id":"here"}}"#);
    ("GET /v1/sys/health ", answer("200", "", &body))
}

fn mount(headers: &str) -> Rule {
    let body = r#"{"data":{"path":"states/","type":"kv","options":{"version":"2"}}}"#;
    ("GET /v1/sys/internal/ui/mounts/states ", answer("200", headers, body))
}

fn leader(ha: bool) -> Rule {
    ("GET /v1/sys/leader ", answer("200", "", &format!(r#"{{"ha_enabled":{ha}}}"#)))
}

const FOUND: &str =
    r#"{"data":{"data":{"format":1,"meta":"m"},"metadata":{"version":3,"deletion_time":"","destroyed":false}}}"#;
const NOTHING: &str = r#"{"errors":[]}"#;

#[tokio::test]
async fn every_call_demands_the_active_node() {
    let bao = MadeUp::start(vec![
        health("2.7.2"),
        mount(&index("here")),
        ("GET /v1/states/data/", answer("200", &index("here"), FOUND)),
        ("POST /v1/states/data/", answer("200", &index("here"), r#"{"data":{"version":4}}"#)),
        ("DELETE /v1/states/metadata/", answer("204", &index("here"), "")),
    ])
    .await;
    let (store, key) = (bao.store(), key("group/project"));
    assert!(matches!(store.get(&key).await, Ok(Slot::Entry(_))));
    assert_eq!(put(&store, &key, "m", 3).await, Ok(Outcome::Written(4)));
    store.delete(&key).await.unwrap();
    for call in ["GET /v1/states/", "POST /v1/states/", "DELETE /v1/states/"] {
        let seen = bao.requests(call);
        assert_eq!(seen.len(), 1, "{seen:?}");
        let sent = STANDARD.encode(r#"{"cluster":"here","value":"4611686018427387904"}"#).to_ascii_lowercase();
        for header in [
            format!("x-vault-index: {sent}"),
            "x-vault-inconsistent: forward-active-node".to_owned(),
            "x-vault-token: s.token".to_owned(),
            "x-vault-namespace: team/a".to_owned(),
        ] {
            assert!(seen[0].headers.contains(&header), "{header}: {seen:?}");
        }
    }
    assert_eq!(
        bao.requests("POST /v1/states/data/group/project ")[0].body,
        r#"{"data":{"format":1,"meta":"m"},"options":{"cas":3}}"#
    );
    // What needs no token gets none.
    assert!(!bao.requests("GET /v1/sys/health ")[0].headers.contains("x-vault"));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let bao = MadeUp::start(vec![
        health("2.7.2"),
        mount(&index("here")),
        ("POST /v1/states/data/", String::new()),
        ("GET /v1/states/data/", String::new()),
        ("DELETE /v1/states/metadata/", String::new()),
    ])
    .await;
    let (store, key) = (bao.store(), key("group/project"));
    assert!(matches!(put(&store, &key, "m", 3).await, Err(Error::Unavailable(_))));
    assert_eq!(bao.requests("POST").len(), 1);
    assert!(matches!(store.delete(&key).await, Err(Error::Unavailable(_))));
    assert_eq!(bao.requests("DELETE").len(), 1);
    // A read may be made again at once.
    assert!(matches!(store.get(&key).await, Err(Error::Unavailable(_))));
    assert_eq!(bao.requests("GET /v1/states/data/").len(), 2);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MadeUp::start(vec![("", answer("200", &index("here"), FOUND))]).await;
    let location = format!("Location: {}/v1/states/data/group/project\r\n", elsewhere.address);
    let bao = MadeUp::start(vec![
        health("2.7.2"),
        mount(&index("here")),
        ("GET /v1/states/data/", answer("307", &location, "")),
        ("POST /v1/states/data/", answer("307", &location, "")),
    ])
    .await;
    let (store, key) = (bao.store(), key("group/project"));
    assert!(matches!(store.get(&key).await, Err(Error::Unavailable(_))));
    assert!(matches!(put(&store, &key, "m", 3).await, Err(Error::Unavailable(_))));
    assert!(elsewhere.requests("").is_empty());
}

#[tokio::test]
async fn an_answer_from_another_cluster_is_not_believed() {
    for (of_mount, of_read, status, body) in [
        // A document from another cluster, or from a node that does not say.
        (index("here"), index("there"), "200", FOUND),
        (index("here"), String::new(), "200", FOUND),
        (String::new(), index("there"), "200", FOUND),
    ] {
        let bao = MadeUp::start(vec![
            health("2.7.2"),
            leader(false),
            mount(&of_mount),
            ("GET /v1/states/data/", answer(status, &of_read, body)),
        ])
        .await;
        let error = bao.store().get(&key("group/project")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
    }
    // The nodes do not agree about which cluster they are.
    let bao = MadeUp::start(vec![
        health("2.7.2"),
        mount(&index("there")),
        ("GET /v1/states/data/", answer("404", "", NOTHING)),
    ])
    .await;
    assert!(matches!(bao.store().get(&key("group/project")).await, Err(Error::Unavailable(_))));
    assert!(bao.requests("GET /v1/states/data/").is_empty());
}

#[tokio::test]
async fn a_404_that_is_not_kvs_is_not_absence() {
    for body in ["404 page not found", "", "<html></html>", r#"{"errors":["x"]}"#, r#"{"errors":[],"warnings":[]}"#] {
        let bao = MadeUp::start(vec![
            health("2.7.2"),
            mount(&index("here")),
            ("GET /v1/states/data/", answer("404", "", body)),
        ])
        .await;
        let error = bao.store().get(&key("group/project")).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{body}: {error}");
    }
    let bao = MadeUp::start(vec![
        health("2.7.2"),
        mount(&index("here")),
        ("GET /v1/states/data/", answer("404", "", NOTHING)),
    ])
    .await;
    assert_eq!(bao.store().get(&key("group/project")).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn versions_that_answer_from_standbys_and_cannot_be_told_not_to_are_refused() {
    for (version, ha, refused) in [
        ("2.5.3", true, true),
        ("2.6.2", true, true),
        ("2.6.2", false, false),
        ("2.4.4", true, false),
        ("1.18.3", true, false),
    ] {
        let bao = MadeUp::start(vec![
            health(version),
            leader(ha),
            mount(""),
            ("GET /v1/states/config ", answer("403", "", NOTHING)),
            ("POST /v1/sys/capabilities-self ", answer("403", "", NOTHING)),
            ("GET /v1/auth/token/lookup-self ", answer("403", "", NOTHING)),
            ("GET /v1/states/data/", answer("404", "", NOTHING)),
        ])
        .await;
        let store = bao.store();
        match store.check().await {
            Err(StartError::Fatal(text)) => assert!(refused && text.contains("2.7"), "{version}: {text}"),
            other => assert!(!refused && other.is_ok(), "{version}: {other:?}"),
        }
        let slot = store.get(&key("group/project")).await;
        assert!(
            if refused { matches!(slot, Err(Error::Denied(_))) } else { slot == Ok(Slot::Absent) },
            "{version}: {slot:?}"
        );
    }
}
