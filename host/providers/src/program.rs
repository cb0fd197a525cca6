//! Programs that are asked for credentials: run once, with bounds on how long they take and how much they say.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// The most that a program may say, in bytes.
const MOST: u64 = 64 << 10;

/// What a program said, and how it ended.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) answer: SecretString,
    /// Its standard error, which should hold no secret.
    pub(crate) complaint: String,
}

/// Runs the command to its end; `input` is what it reads. After `longest` it is killed.
///
/// # Errors
/// A sentence that goes on after the program's name.
pub(crate) async fn run(mut command: Command, input: Option<&str>, longest: Duration) -> Result<Said, String> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let talk = async {
        let mut child = command.spawn().map_err(|error| format!("it cannot be run: {error}"))?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A program may end without reading it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let (answer, complaint) = tokio::try_join!(text(child.stdout.take()), text(child.stderr.take()))?;
        let status = child.wait().await.map_err(|error| format!("its end is not known: {error}"))?;
        Ok(Said { status, answer: answer.into(), complaint })
    };
    let late = |_| Err(format!("it has not answered within {} s", longest.as_secs_f32()));
    tokio::time::timeout(longest, talk).await.unwrap_or_else(late)
}

/// All that comes from a pipe.
async fn text(pipe: Option<impl AsyncRead + Unpin>) -> Result<String, String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut bounded = pipe.take(MOST.saturating_add(1));
        bounded.read_to_end(&mut bytes).await.map_err(|error| format!("what it says cannot be read: {error}"))?;
    }
    if bytes.len() as u64 > MOST {
        return Err(format!("it says more than {MOST} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A sentence about a program that failed.
pub(crate) fn failure(status: ExitStatus, complaint: &str) -> String {
    match complaint.trim() {
        "" => format!("it failed ({status}) and does not say why"),
        complaint => format!("it failed ({status}): {complaint}"),
    }
}
