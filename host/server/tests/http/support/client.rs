//! A client that sends exactly the bytes it is told to, and reads one answer.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tofu_state_testing::secrets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// An answer; names of headers are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable code in an error's body, which must have the shape that all of them have.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("an error is JSON");
        let error = &body["error"];
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{body}");
        assert!(error["message"].as_str().is_some_and(|message| message.ends_with('.')), "{body}");
        error["code"].as_str().expect("a code").to_owned()
    }
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The request was a HEAD: its answer tells a length and has no body.
    without_body: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new(), without_body: false }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends what the server may refuse to read; whether all of it was taken.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer; none if the server closes the connection instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    /// Waits until the server closes the connection; panics if it answers instead.
    pub(crate) async fn closed(&mut self) {
        let mut byte = [0];
        let read = timeout(PATIENCE, self.stream.read(&mut byte)).await.expect("an end in time");
        assert!(matches!(read, Ok(0) | Err(_)), "the server sent something");
    }

    /// Ends the sending half.
    pub(crate) async fn finish_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread[..head_end].to_vec()).unwrap();
        self.unread.drain(..head_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = match headers.iter().find(|(name, _)| name == "content-length") {
            Some((_, length)) if !self.without_body => length.parse().unwrap(),
            _ => 0,
        };
        while self.unread.len() < length {
            assert!(self.read_more().await, "a whole body");
        }
        let answer = Answer { status, headers, body: self.unread.drain(..length).collect() };
        if answer.status >= 400 {
            secrets::look_in("an error's body", &answer.text());
        }
        Some(answer)
    }

    async fn read_more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&piece[..read]);
                true
            }
        }
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("authorization") {
            secrets::keep_authorization(value);
        }
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut connection = Connection::open(address).await;
    connection.without_body = method == "HEAD";
    connection.send(request).await;
    // A refused body need not be taken to its end.
    connection.try_send(body).await;
    connection.answer().await.expect("an answer")
}

/// The value of `Authorization` for Basic authentication.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
