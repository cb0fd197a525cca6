//! `tofu-state state`: single states seen, locked, recovered and moved by the real program.

pub(crate) mod cut;
mod recover;
mod refused;
mod single;
pub(crate) mod stand_in;

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use tofu_state_testing::server::{Server, TOKEN};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }

    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.text(), self.stderr);
        self
    }

    /// Itself, if the command failed by itself and says `why`.
    pub(crate) fn failure(self, why: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.text(), self.stderr);
        assert!(self.stderr.contains(why), "`{why}` is not said: {}", self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.text(), self.stderr))
    }
}

/// `tofu-state` with what it needs to reach `address`, and nothing of this process's environment.
pub(crate) fn program(address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
    command.env_clear().env("USER", "alice").env("TF_HTTP_PASSWORD", TOKEN).env("TOFU_STATE_SERVER", address);
    command.stdin(Stdio::null());
    command
}

/// Runs `tofu-state` against a server.
pub(crate) async fn run<S: AsRef<OsStr>>(server: &Server, arguments: &[S]) -> Ended {
    run_at(&server.url(""), arguments).await
}

/// Runs `tofu-state` against whatever is at `address`.
pub(crate) async fn run_at<S: AsRef<OsStr>>(address: &str, arguments: &[S]) -> Ended {
    let mut command = program(address);
    command.args(arguments);
    tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap()
}
