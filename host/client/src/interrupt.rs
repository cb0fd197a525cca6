//! Ctrl-C, and SIGTERM as whoever runs a job sends it: what is being done ends, and locks are released.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// Waits for Ctrl-C or SIGTERM. From the first call on neither ends the process by itself any more, so whatever is
/// waited for has to be waited for beside this.
pub async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Does `work`, unless it is interrupted before it comes to its end.
///
/// # Errors
/// The work's, or that it was interrupted.
pub async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        result = work => result,
        () = interrupted() => Err(Error::other("interrupted")),
    }
}
