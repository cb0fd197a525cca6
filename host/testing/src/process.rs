//! A program that runs for the length of a test: logged to a file, killed and reaped when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tempfile::NamedTempFile;

/// How long [`eventually`] pauses between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    log: NamedTempFile,
}

impl Process {
    /// Starts `command` with no input; what it prints goes to a temporary file, see [`Process::log`].
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = NamedTempFile::new().expect("a temporary file for the log");
        // Opened for appending, so that the two streams do not write over each other.
        let output = || File::options().append(true).open(log.path()).expect("the log, opened again");
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name, child, log }
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, both streams.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it at once, as a power cut would, and waits until it is gone.
    pub fn kill9(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Stops it where it is (SIGSTOP): it keeps its connections and answers nothing.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Sends it a signal; one that is gone gets none.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn signal(&mut self, signal: Signal) {
        if !self.is_running() {
            return;
        }
        let pid = Pid::from_child(&self.child);
        if let Err(error) = rustix::process::kill_process(pid, signal) {
            panic!("cannot signal {}: {error}", self.name);
        }
    }

    /// Lets none of its files become larger than so many bytes (as on a full disk, writes beyond that fail); none
    /// lifts that.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn limit_files(&mut self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        if let Err(error) = rustix::process::prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit) {
            panic!("cannot limit the files of {}: {error}", self.name);
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it still runs after `patience`; its log is in the text.
    pub async fn exited(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} still runs after {patience:?}:\n{}", self.name, self.log());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Looks again and again until `look` gives something.
///
/// # Panics
/// If that takes longer than `patience`; `what` names it.
pub async fn eventually<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A free TCP port on 127.0.0.1.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of `count` free TCP ports in a row on 127.0.0.1.
///
/// They lie below 32768, where Linux begins to take ports for outgoing connections: so a server that is
/// killed and started again finds its port free.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    const FIRST: u16 = 20_000;
    const SPAN: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs run at once: each begins elsewhere.
    let offset = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(SPAN)).unwrap_or(0);
    for _ in 0..SPAN {
        let step = NEXT.fetch_add(count, Ordering::Relaxed) % SPAN;
        let first = FIRST + (offset + step) % SPAN;
        if (first..first + count).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return first;
        }
    }
    panic!("no free TCP ports");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logs_and_ends() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let mut process = Process::start(command);
        assert_eq!(process.exited(Duration::from_secs(20)).await.code(), Some(3));
        assert!(process.log().contains("out") && process.log().contains("err"));
        assert!(!process.is_running());
    }

    #[tokio::test]
    async fn is_killed_paused_or_not() {
        let mut command = Command::new("sh");
        command.args(["-c", "while true; do sleep 60; done"]);
        let mut process = Process::start(command);
        assert!(process.is_running());
        process.pause();
        process.kill9();
        assert!(!process.is_running());
    }
}
