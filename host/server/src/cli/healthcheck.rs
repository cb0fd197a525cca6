//! `tofu-state healthcheck`: asks the server on this machine whether it is ready, without curl.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::Bind;

/// How long the whole check may take.
const TIME: Duration = Duration::from_secs(5);

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Asks `/readyz` on `admin`; what it says, if the server is ready.
///
/// # Errors
/// A sentence: what it says if it is not ready, or why it could not be asked.
pub async fn check(admin: &Bind) -> Result<String, String> {
    tokio::time::timeout(TIME, ask(admin)).await.map_err(|_| format!("no answer from {admin} in time"))?
}

async fn ask(admin: &Bind) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{admin} cannot be asked: {error}");
    // "All addresses" is where a server listens; this machine is where it is reached.
    let host = match admin.host.as_deref() {
        None | Some("0.0.0.0") => "127.0.0.1",
        Some("::") => "::1",
        Some(host) => host,
    };
    let stream = TcpStream::connect((host, admin.port)).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/readyz")
        .header(HOST, admin.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(|error| failed(&error))?;
    connection.abort();
    let text = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
    if status == StatusCode::OK { Ok(text) } else { Err(format!("not ready ({status}): {text}")) }
}
