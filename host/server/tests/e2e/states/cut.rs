//! A proxy between a command and a server that lets so many requests through and then cuts: before the server sees the
//! next one, or after it has done it and before the command hears of it. So a kill can be put at every request.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tofu_state_testing::server::Server;
use tokio::sync::watch;

use super::stand_in::serve;
use super::{Ended, program};
use crate::common::PATIENCE;

/// On which side of the server's work the cut is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The request is lost.
    Before,
    /// The answer is lost.
    After,
}

/// The proxy. What comes after the cut is never answered.
pub(crate) struct Cut {
    pub(crate) address: String,
    seen: Arc<AtomicUsize>,
    reached: watch::Receiver<bool>,
}

struct Proxy {
    to: String,
    through: usize,
    side: Side,
    /// Whether later requests are let through again.
    gap: bool,
    seen: Arc<AtomicUsize>,
    reached: watch::Sender<bool>,
    http: reqwest::Client,
}

impl Cut {
    /// A proxy before the server at `to` (`http://host:port/`) that cuts at request number `through`, from 0.
    pub(crate) async fn start(to: String, through: usize, side: Side) -> Self {
        Self::begin(to, through, side, false).await
    }

    /// One that lets no answer to request number `through` through, but all to others.
    pub(crate) async fn start_with_one_gap(to: String, through: usize) -> Self {
        Self::begin(to, through, Side::Before, true).await
    }

    async fn begin(to: String, through: usize, side: Side, gap: bool) -> Self {
        let (reached, is_reached) = watch::channel(false);
        let seen = Arc::new(AtomicUsize::new(0));
        let http = tofu_state_testing::server::http();
        let proxy = Arc::new(Proxy { to, through, side, gap, seen: Arc::clone(&seen), reached, http });
        let address = serve(move |request| {
            let proxy = Arc::clone(&proxy);
            async move { proxy.pass(request).await }
        });
        Self { address: format!("{}/", address.await), seen, reached: is_reached }
    }

    /// Waits until the cut is reached.
    pub(crate) async fn reached(&self) {
        self.reached.clone().wait_for(|reached| *reached).await.unwrap();
    }

    /// How many requests came.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Proxy {
    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        if (number > self.through && !self.gap) || (number == self.through && self.side == Side::Before) {
            return self.hang().await;
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.to.trim_end_matches('/'));
        let mut headers = head.headers;
        headers.remove("host");
        let sent = self.http.request(head.method, url).headers(headers).body(body).send().await.unwrap();
        let (status, headers) = (sent.status(), sent.headers().clone());
        let body = sent.bytes().await.unwrap();
        if number == self.through {
            return self.hang().await;
        }
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        for name in ["content-type", "content-md5"] {
            if let Some(value) = headers.get(name) {
                response.headers_mut().insert(http::HeaderName::from_static(name), value.clone());
            }
        }
        response
    }

    async fn hang(&self) -> Response<Full<Bytes>> {
        self.reached.send_replace(true);
        std::future::pending().await
    }
}

/// Runs a command through a proxy that cuts at request `through`, and kills it there. Whether it came to its end first.
pub(crate) async fn killed(server: &Server, arguments: &[&str], through: usize, side: Side) -> bool {
    let cut = Cut::start(server.url(""), through, side).await;
    let mut command = tokio::process::Command::from({
        let mut command = program(&cut.address);
        command.args(arguments);
        command
    });
    let mut child = command.kill_on_drop(true).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tokio::select! {
        ended = child.wait() => {
            assert!(ended.unwrap().success(), "{arguments:?} failed at request {} of {through}", cut.seen());
            true
        }
        () = cut.reached() => {
            child.kill().await.unwrap();
            false
        }
    }
}

/// Runs a command whose request number `through` is never answered, and interrupts it there. None: there is no such request.
pub(crate) async fn interrupted(server: &Server, arguments: &[&str], through: usize) -> Option<Ended> {
    let cut = Cut::start_with_one_gap(server.url(""), through).await;
    let mut command = tokio::process::Command::from(program(&cut.address));
    command.args(arguments).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    tokio::select! {
        output = &mut ended => {
            Ended::of(output.unwrap()).success();
            return None;
        }
        () = cut.reached() => {}
    }
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = tokio::time::timeout(PATIENCE, ended).await.expect("it does not end").unwrap();
    Some(Ended::of(output))
}
