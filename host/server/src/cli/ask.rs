//! Commands that ask the server on this machine over `ADMIN_SOCKET`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::say;
use crate::admin::commands::{RELOAD, ROLL_BACK, STATUS};
use crate::config::settings;

/// How long a command may take: a reload compiles.
const TIME: Duration = Duration::from_secs(180);

/// The longest answer that is read whole.
const LONGEST_ANSWER: usize = 4 << 20;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `tofu-state policy list`
    List,
    /// `tofu-state policy roll-back`
    RollBack,
    /// `tofu-state reload`
    Reload,
}

/// What to ask whom, and how to show the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// The server's socket; none: `ADMIN_SOCKET`.
    pub socket: Option<PathBuf>,
    /// Show the answer as the server gave it, in JSON.
    pub json: bool,
}

/// Asks, and writes the answer to `out`.
///
/// # Errors
/// A sentence: what the server says if it refuses, or why it could not be asked.
pub async fn ask(asking: &Ask, out: &mut impl Write) -> Result<(), String> {
    let (method, path) = match asking.question {
        Question::List => (Method::GET, STATUS),
        Question::RollBack => (Method::POST, ROLL_BACK),
        Question::Reload => (Method::POST, RELOAD),
    };
    let variable = || std::env::var_os(settings::ADMIN_SOCKET.name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let socket = asking.socket.clone().or_else(variable);
    let socket = socket.ok_or("which server? Name its ADMIN_SOCKET, in the environment or by --socket")?;
    let asked = tokio::time::timeout(TIME, whole(&socket, method, path));
    let answer = asked.await.map_err(|_| format!("no answer from {} in time", socket.display()))??;
    if asking.json {
        say(out, &answer.to_string());
        return Ok(());
    }
    match asking.question {
        Question::List => list(&answer, out),
        Question::RollBack => say(
            out,
            &format!(
                "rolled back: generation {} serves, until the files change, a reload is asked for, or the server is \
                 started again",
                field(&answer, "generation")
            ),
        ),
        Question::Reload if field(&answer, "outcome") == "published" => {
            say(out, &format!("generation {} serves", field(&answer, "generation")));
        }
        Question::Reload => say(out, &format!("unchanged: generation {} serves", field(&answer, "generation"))),
    }
    Ok(())
}

/// Sends one request to the server behind `socket`.
///
/// # Errors
/// A sentence: why it could not be asked.
pub async fn send(socket: &Path, method: Method, path: &str) -> Result<Response<Incoming>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be asked: {error}", socket.display());
    let stream = UnixStream::connect(socket).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // It ends with its response.
    drop(tokio::spawn(connection));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "admin")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    sender.send_request(request).await.map_err(|error| failed(&error))
}

async fn whole(socket: &Path, method: Method, path: &str) -> Result<Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the answer of {} is no good: {error}", socket.display());
    let response = send(socket, method, path).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(|error| failed(&error))?;
    let answer: Value = serde_json::from_slice(&body.to_bytes()).map_err(|error| failed(&error))?;
    match field(&answer, "error").as_str() {
        None if status == StatusCode::OK => Ok(answer),
        Some(what) => Err(what.to_owned()),
        None => Err(failed(&status)),
    }
}

fn list(answer: &Value, out: &mut impl Write) {
    let listing = field(answer, "generations");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    for told in field(listing, "generations").as_array().into_iter().flatten() {
        let number = field(told, "number");
        let role = if number == field(listing, "current") {
            "  serves"
        } else if number == field(listing, "previous") {
            "  kept for a roll-back"
        } else {
            ""
        };
        let origin = match field(told, "same_as") {
            Value::Null => text(field(told, "origin")),
            same_as => format!("{} to {same_as}", text(field(told, "origin"))),
        };
        say(out, &format!("generation {number}  {}  {origin}{role}", text(field(told, "published"))));
        let protocol = field(told, "protocol");
        say(
            out,
            &format!("  protocol  sha256:{}  {}", text(field(protocol, "sha256")), text(field(protocol, "source"))),
        );
        for policy in field(told, "policies").as_array().into_iter().flatten() {
            let (name, mode) = (text(field(policy, "name")), text(field(policy, "mode")));
            say(
                out,
                &format!(
                    "  {name} ({mode})  sha256:{}  {}",
                    text(field(policy, "sha256")),
                    text(field(policy, "source"))
                ),
            );
        }
    }
    if let Some(what) = field(field(listing, "failure"), "what").as_str() {
        say(out, &format!("what the files hold does not serve: {what}"));
    }
}

/// A field of an answer; null where there is none.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
