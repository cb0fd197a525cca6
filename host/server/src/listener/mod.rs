//! Serves states over HTTP: connections, requests' heads and bodies, and the statuses that are the
//! host's own. What a method or a path means is the component's business.
//!
//! The order is always the same: who asks (401, 403), what right the component says the request needs
//! (403), how large the body may be (413), the body itself, and only then the component.

pub mod accept;
pub mod body;
pub mod budget;
mod connection;
pub mod head;
mod http2;
pub mod listening;
pub mod outgoing;
pub mod path;
mod places;
pub mod refusal;
pub mod reply;
pub mod states;

use std::time::Duration;

/// Bounds on connections and on how slowly they may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are open at once; more wait to be accepted.
    pub connections: usize,
    /// How long a new connection may take until its first whole request head, its TLS handshake included.
    pub first_head_time: Duration,
    /// How long a connection may stay without another whole request head, from the last answer on.
    pub head_time: Duration,
    /// How many bytes a request's head may have.
    pub head_bytes: usize,
    /// How long an answer may wait for the caller to take some of it.
    pub write_time: Duration,
    /// How long a whole body may take.
    pub body_time: Duration,
    /// In each such span of a body's time [`body_progress`](Self::body_progress) bytes must come in.
    pub body_span: Duration,
    /// See [`body_span`](Self::body_span).
    pub body_progress: usize,
    /// How many bytes of a refused request's body are taken and thrown away before it is answered: a
    /// caller that is still sending would find its connection reset, and not the answer.
    pub discard_bytes: usize,
    /// How long that may take.
    pub discard_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Below the usual limit of 1024 open files, with room for the store's connections.
            connections: 800,
            // Whoever opens a connection has something to ask.
            first_head_time: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            head_bytes: 32 * 1024,
            write_time: Duration::from_secs(30),
            body_time: Duration::from_secs(120),
            body_span: Duration::from_secs(10),
            body_progress: 1024,
            // A state twice as large as the default allows still gets its 413, on any but a slow network.
            // What is thrown away takes no memory.
            discard_bytes: 128 * 1024 * 1024,
            discard_time: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Those of uploads to the mirror, which are larger than states are, and keep a place from others while they come.
    #[must_use]
    pub fn of_uploads(self) -> Self {
        Self { body_time: Duration::from_secs(60 * 60), body_progress: 64 * 1024, ..self }
    }

    /// Those of the admin address, on which few ask, and that must not use up the open files.
    #[must_use]
    pub fn admin() -> Self {
        Self { connections: 32, ..Self::default() }
    }
}
