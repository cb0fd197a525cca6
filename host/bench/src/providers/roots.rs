//! The root modules that are locked: folders with the same configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What a lock file is called.
const LOCK_FILE: &str = ".terraform.lock.hcl";

/// Two providers, by ranges of versions.
const CONFIGURATION: &str = r#"terraform {
  required_providers {
    aws  = { source = "hashicorp/aws", version = "~> 5.0" }
    null = { source = "hashicorp/null", version = ">= 3.0" }
  }
}
"#;

/// The providers of the configuration, without their host, and the version of each that there is.
pub(super) const PROVIDERS: [(&str, &str); 2] = [("hashicorp/aws", "5.100.0"), ("hashicorp/null", "3.2.4")];

/// Root modules in one folder, which is removed when this is dropped.
pub(super) struct Roots {
    folder: TempDir,
    all: Vec<PathBuf>,
}

impl Roots {
    /// So many, none of them locked.
    pub(super) fn new(count: usize) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let all: Vec<PathBuf> = (0..count).map(|number| folder.path().join(format!("root-{number}"))).collect();
        for root in &all {
            fs::create_dir(root)?;
            fs::write(root.join("main.tf"), CONFIGURATION)?;
        }
        Ok(Self { folder, all })
    }

    /// The folder that they lie in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Each of them.
    pub(super) fn all(&self) -> &[PathBuf] {
        &self.all
    }

    /// Removes the lock files of all.
    pub(super) fn remove_locks(&self) -> io::Result<()> {
        self.all.iter().try_for_each(|root| remove_lock(root))
    }
}

/// Removes a root module's lock file, if it has one.
pub(super) fn remove_lock(root: &Path) -> io::Result<()> {
    match fs::remove_file(root.join(LOCK_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What is locked in a root module.
pub(super) fn lock(root: &Path) -> io::Result<String> {
    fs::read_to_string(root.join(LOCK_FILE))
}
