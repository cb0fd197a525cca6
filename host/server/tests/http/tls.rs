//! TLS: handshakes that are good, slow, or none; certificates that are exchanged, wrong, or expired.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tofu_state_server::listener::Limits;
use tofu_state_testing::certificates::{Authority, Issued};
use tofu_state_testing::process::{Process, eventually};
use tofu_state_testing::server::{Server as Program, TOKEN, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http2::over_tls;
use crate::support::{Options, PATIENCE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tofu-state");

#[tokio::test]
async fn handshakes_that_never_end_are_given_up() {
    let limits = Limits { first_head_time: Duration::from_secs(2), connections: 100, ..Limits::default() };
    let (server, authority) = over_tls(Options { limits, ..Options::default() }).await;
    // All places are taken by clients that say nothing, or begin and do not go on.
    let mut slow = Vec::new();
    for number in 0..100 {
        let mut connection = server.connect().await;
        if number % 2 == 0 {
            // A handshake record of 512 bytes, of which the first few come.
            connection.send([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await;
        }
        slow.push(connection);
    }
    let url = format!("https://{}/a/b", server.address);
    assert_eq!(authority.http().get(url).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
    for connection in &mut slow {
        connection.closed().await;
    }
}

#[tokio::test]
async fn whoever_speaks_http_is_told_to_speak_tls() {
    let (server, authority) = over_tls(Options::default()).await;
    let answer = http().get(format!("http://{}/a/b", server.address)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("https://"));
    let garbage = tokio::net::TcpStream::connect(server.address).await;
    garbage.unwrap().write_all(&[22; 600]).await.unwrap();
    let url = format!("https://{}/a/b", server.address);
    assert_eq!(authority.http().get(url).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn without_alpn_it_is_http_1() {
    let (server, authority) = over_tls(Options::default()).await;
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let mut stream = authority.connect(&server.address.to_string(), protocols).await.unwrap();
        let head =
            format!("GET /a/b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}

/// The program over TLS, with its certificate in a folder.
struct Site {
    authority: Authority,
    folder: tempfile::TempDir,
    server: Program,
}

impl Site {
    async fn start(issued: impl Fn(&Authority) -> Issued) -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let files = issued(&authority).write(folder.path());
        let server = Program::builder(PROGRAM).tls(files).start().await;
        Self { authority, folder, server }
    }

    async fn until_served(&self, issued: &Issued) {
        let address = self.server.host_and_port();
        eventually("the new certificate", PATIENCE, async || {
            (self.authority.served(&address).await.unwrap() == issued.der).then_some(())
        })
        .await;
    }

    async fn ready(&self) -> (u16, serde_json::Value) {
        let answer = http().get(self.server.admin_url("readyz")).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn metrics(&self) -> String {
        http().get(self.server.admin_url("metrics")).send().await.unwrap().text().await.unwrap()
    }
}

/// `curl` with `arguments`: its status and what it printed.
async fn curl(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new("curl");
    command.args(["-sS", "--max-time", "60"]).args(arguments);
    let mut process = Process::start(command);
    let status = process.exited(PATIENCE).await;
    (status.code(), process.log())
}

#[tokio::test]
async fn curl_speaks_http_2_and_1_and_tls_1_2() {
    let site = Site::start(Authority::issue).await;
    let (ca, url) = (site.authority.file().display().to_string(), site.server.url("a/b"));
    let user = format!("x:{TOKEN}");
    for (options, version) in
        [(&["--http2"][..], "2"), (&["--http1.1"], "1.1"), (&["--http2", "--tls-max", "1.2"], "2")]
    {
        let mut arguments = vec!["--cacert", &ca, "-u", &user, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
        arguments.extend(options);
        arguments.push(&url);
        assert_eq!(curl(&arguments).await, (Some(0), format!("{version} 404")), "{options:?}");
    }
    let (status, said) = curl(&["--cacert", &ca, "--tls-max", "1.1", "-u", &user, &url]).await;
    assert_eq!(status, Some(35), "{said}");
    let (status, said) = curl(&["-u", &user, &url]).await;
    assert_eq!(status, Some(60), "an authority that nobody trusts: {said}");
    // Who watches needs no certificate.
    assert_eq!(site.ready().await.0, 200);
    assert!(!site.server.log().contains("without TLS"), "{}", site.server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_certificate_is_exchanged() {
    let mut site = Site::start(Authority::issue).await;
    let done = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (done, authority_http) = (done.clone(), site.authority.http());
            let (url, address) = (site.server.url(&format!("a/n{number}")), site.server.host_and_port());
            let ca = site.authority.client(&[b"h2"]);
            tokio::spawn(async move {
                let mut requests = 0;
                while !done.is_cancelled() {
                    // On a connection that stays, and with a handshake of its own.
                    assert_eq!(authority_http.get(&url).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
                    let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
                    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(ca.clone()));
                    connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    for round in 0..4 {
        let issued = site.authority.issue();
        issued.write(site.folder.path());
        if round % 2 == 0 {
            site.server.process().signal(Signal::HUP);
        }
        site.until_served(&issued).await;
    }
    done.cancel();
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    assert_eq!(site.ready().await.0, 200);
}

#[tokio::test]
async fn a_wrong_pair_leaves_the_old_one_and_is_told_everywhere() {
    let site = Site::start(Authority::issue).await;
    let (status, ready) = site.ready().await;
    assert_eq!((status, &ready["certificate"]["current"]), (200, &true.into()), "{ready}");
    let metrics = site.metrics().await;
    assert!(metrics.contains("tofu_state_certificate_current 1"), "{metrics}");
    assert!(metrics.contains("tofu_state_certificate_expiry_timestamp_seconds 1"), "{metrics}");
    let before = site.authority.served(&site.server.host_and_port()).await.unwrap();

    let (old, other) = (std::fs::read(site.folder.path().join("tls.crt")).unwrap(), site.authority.issue());
    std::fs::write(site.folder.path().join("tls.crt"), &other.certificate).unwrap();
    eventually("the mistake", PATIENCE, async || {
        (site.ready().await.1["certificate"]["current"] == false).then_some(())
    })
    .await;
    // All replicas have the same files: were they not ready, nobody would be served any more.
    let (status, ready) = site.ready().await;
    assert_eq!((status, &ready["ready"]), (200, &true.into()), "{ready}");
    let detail = ready["certificate"]["detail"].as_str().unwrap();
    assert!(detail.contains("does not belong to the certificate"), "{detail}");
    assert!(detail.contains("the pair before is in use (the certificate is valid until"), "{detail}");
    let url = site.server.url("a/b");
    assert_eq!(site.authority.http().get(url).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
    assert!(site.metrics().await.contains("tofu_state_certificate_current 0"));
    assert!(site.server.log().contains("wrong: the old ones stay"), "{}", site.server.log());
    assert_eq!(site.authority.served(&site.server.host_and_port()).await.unwrap(), before);

    std::fs::write(site.folder.path().join("tls.crt"), old).unwrap();
    eventually("the old pair again", PATIENCE, async || {
        (site.ready().await.1["certificate"]["current"] == true).then_some(())
    })
    .await;
    assert!(site.server.log().contains("are right again"), "{}", site.server.log());
}

#[tokio::test]
async fn mistakes_at_start_are_sentences() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue().write(folder.path());
    let put = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let other_key = put("other.key", &authority.issue().key);
    let nonsense = put("nonsense", "nonsense");
    let encrypted =
        put("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let missing = folder.path().join("missing");
    let table: [(&Path, &Path, &[&str]); 7] = [
        (&certificate, &missing, &["TLS_KEY_FILE=", "missing", "cannot be read"]),
        (&missing, &missing, &["TLS_CERT_FILE=", "TLS_KEY_FILE=", "cannot be read"]),
        (&nonsense, &key, &["TLS_CERT_FILE=", "holds no certificate"]),
        (&key, &certificate, &["holds no certificate", "holds no private key"]),
        (&certificate, &other_key, &["TLS_KEY_FILE=", "does not belong to the certificate"]),
        (&certificate, &encrypted, &["TLS_KEY_FILE=", "encrypted"]),
        (folder.path(), &key, &["TLS_CERT_FILE=", "not a regular file"]),
    ];
    for (certificate, key, told) in table {
        let files = (PathBuf::from(certificate), PathBuf::from(key));
        let (status, log) = Program::builder(PROGRAM).tls(files).fails().await;
        assert_eq!(status, Some(2), "{log}");
        assert!(told.iter().all(|told| log.contains(told)), "{told:?}: {log}");
        assert!(!log.contains("PRIVATE KEY-----\n"), "{log}");
    }
    let (status, log) = Program::builder(PROGRAM).set("TLS_CERT_FILE", &certificate).fails().await;
    assert_eq!(status, Some(2));
    assert!(log.contains("TLS_KEY_FILE: not set, but TLS_CERT_FILE is"), "{log}");
}

#[tokio::test]
async fn an_expired_certificate_is_a_warning_and_is_exchanged() {
    let site = Site::start(|authority| authority.issue_for(-2 * time::Duration::DAY, -time::Duration::DAY)).await;
    assert!(site.server.log().contains("the certificate has expired on"), "{}", site.server.log());
    assert!(site.authority.served(&site.server.host_and_port()).await.is_err(), "clients refuse it");
    let (status, ready) = site.ready().await;
    assert_eq!(status, 200);
    assert!(ready["certificate"]["detail"].as_str().unwrap().contains("has expired"), "{ready}");
    let issued = site.authority.issue();
    issued.write(site.folder.path());
    eventually("a valid certificate", PATIENCE, async || {
        site.authority.served(&site.server.host_and_port()).await.ok()
    })
    .await;
}
