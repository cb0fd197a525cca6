//! S3 storage as a process of its own (`tools/s3server`), which checks every request's signature.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, eventually};
use crate::programs;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

const BUCKET: &str = "states";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "secret-of-the-storage";

/// Running storage with one bucket. It is killed when dropped, and forgets everything.
pub struct Storage {
    _process: Process,
    address: String,
    _folder: TempDir,
}

impl Storage {
    /// Starts one on a free port; its objects are the files in `from`, named by their paths in it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(from: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("address");
        let mut command = Command::new(programs::storage());
        command.args(["-bucket", BUCKET, "-key", KEY, "-secret", SECRET, "-address-file"]).arg(&file);
        command.arg("-from").arg(from);
        let mut process = Process::start(command);
        let address = eventually("the storage's address", START, async || {
            assert!(process.is_running(), "the storage has ended:\n{}", process.log());
            std::fs::read_to_string(&file).ok()
        })
        .await;
        Self { _process: process, address, _folder: folder }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The access key that it knows.
    #[must_use]
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// The key's secret.
    #[must_use]
    pub fn secret(&self) -> &'static str {
        SECRET
    }
}
