//! Credentials helpers: programs that tell the token for a host.
//! (<https://opentofu.org/docs/internals/credentials-helpers/>)

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::Version;
use crate::program::{self, Said};

/// How long a helper may take. It may have to ask a service, or a person for a fingerprint.
const LONGEST: Duration = Duration::from_secs(60);
/// What helpers' files are called.
const PREFIX: &str = "terraform-credentials-";

/// Why a helper told nothing. Neither holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// There is no such program.
    #[error("{0}")]
    Missing(String),
    /// It failed.
    #[error("the credentials helper {}: {what}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// What happened.
        what: String,
    },
}

/// A `credentials_helper` block, and what its program has answered. Clones share the answers.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    pub(super) name: String,
    arguments: Vec<String>,
    program: Result<PathBuf, HelperError>,
    longest: Duration,
    asked: Arc<Mutex<HashMap<String, Arc<Answer>>>>,
}

type Answer = OnceCell<Result<Option<SecretString>, HelperError>>;

impl Helper {
    /// Looks for the program in `folders`. One that is not there is told by [`Self::missing`].
    pub(super) fn new(name: &str, arguments: Vec<String>, folders: &[PathBuf]) -> Self {
        let program = find(name, folders).ok_or_else(|| HelperError::Missing(not_found(name, folders)));
        Self { name: name.to_owned(), arguments, program, longest: LONGEST, asked: Arc::default() }
    }

    /// Why the program cannot be run at all.
    pub(super) fn missing(&self) -> Option<&HelperError> {
        self.program.as_ref().err()
    }

    /// What it tells about `host`. It is asked once. One that is missing tells nothing, as with both CLIs.
    pub(super) async fn token(&self, host: &str) -> Result<Option<SecretString>, HelperError> {
        let Ok(program) = &self.program else { return Ok(None) };
        let cell = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(asked.entry(host.to_owned()).or_default())
        };
        let ask = || async {
            let failed = |what| HelperError::Failed { program: program.clone(), what };
            self.run(program, host).await.map_err(failed)
        };
        cell.get_or_init(ask).await.clone()
    }

    async fn run(&self, program: &Path, host: &str) -> Result<Option<SecretString>, String> {
        let mut command = Command::new(program);
        command.args(&self.arguments).args(["get", host]);
        let Said { status, answer, complaint } = program::run(command, None, self.longest).await?;
        if status.success() { read(&answer) } else { Err(program::failure(status, &complaint)) }
    }
}

/// The token in an answer; as both CLIs do, what is not known in it is passed over.
fn read(answer: &SecretString) -> Result<Option<SecretString>, String> {
    // serde's message may quote what it read.
    let wrong =
        |what: &str| format!("its answer is {what}: wanted is {{\"token\": \"…\"}}, or {{}} for a host without one");
    let value: Value = serde_json::from_str(answer.expose_secret())
        .map_err(|error| wrong(&format!("no JSON (line {}, column {})", error.line(), error.column())))?;
    match value {
        Value::Object(mut fields) => match fields.remove("token") {
            Some(Value::String(token)) if !token.is_empty() => Ok(Some(token.into())),
            _ => Ok(None),
        },
        Value::Null => Ok(None),
        _ => Err(wrong("no JSON object")),
    }
}

fn not_found(name: &str, folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let wanted = format!("credentials_helper \"{name}\" is not run: {PREFIX}{name}");
    match folders.as_slice() {
        [] => format!("{wanted} would be looked for in a home folder, and there is none"),
        folders => format!("{wanted} is not in {}", folders.join(", ")),
    }
}

/// The newest version of the program; of two copies the first. A file without a version is version 0.
fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let mut found: Option<(Version, PathBuf)> = None;
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let is_newer = |version: &Version| found.as_ref().is_none_or(|(known, _)| version > known);
            let version = file.file_name().to_str().and_then(|file| version(file, name)).filter(is_newer);
            if let (Some(version), true) = (version, file.path().is_file()) {
                found = Some((version, file.path()));
            }
        }
    }
    found.map(|(_, path)| path)
}

/// The version in a file's name, if it is a helper of that name. Both CLIs read files' names, and only these, in lower
/// case.
fn version(file: &str, name: &str) -> Option<Version> {
    let rest = file.strip_prefix(PREFIX)?.to_lowercase();
    let (called, version) = rest.split_once("_v").unwrap_or((&rest, "0.0.0"));
    let version = version.split_once("_x").map_or(version, |(version, _)| version);
    if called == name { version.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A helper that runs `script`. The program is a link to a shell: nothing is run that was just written.
    fn helper(folder: &TempDir, script: &str) -> Helper {
        let file = folder.path().join("script");
        std::fs::write(&file, script).unwrap();
        let _ = symlink("/bin/sh", folder.path().join("terraform-credentials-team"));
        Helper::new("team", vec![file.display().to_string(), "-x".to_owned()], &[folder.path().to_owned()])
    }

    #[tokio::test]
    async fn a_helper_is_asked_once_for_each_host() {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let script = format!("echo \"$@\" >> {0}; echo '{{\"token\": \"of-'$3'\", \"more\": 1}}'", log.display());
        let helper = helper(&folder, &script);
        let (one, again, other) =
            tokio::join!(helper.token("a.example"), helper.token("a.example"), helper.token("b.example:8443"));
        let text = |token: Result<Option<SecretString>, _>| token.unwrap().unwrap().expose_secret().to_owned();
        assert_eq!([one, again, other].map(text), ["of-a.example", "of-a.example", "of-b.example:8443"]);
        let mut asked: Vec<_> = std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect();
        asked.sort();
        assert_eq!(asked, ["-x get a.example", "-x get b.example:8443"]);
        assert!(!format!("{helper:?}").contains("of-a.example"));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_without_the_token() {
        let folder = TempDir::new().unwrap();
        for (script, told) in [
            ("echo 'the vault is sealed' >&2; echo hunter2; exit 3", "exit status: 3): the vault is sealed"),
            ("exit 1", "does not say why"),
            ("echo hunter2", "no JSON (line 1, column 1)"),
            ("", "no JSON"),
            ("echo '[\"hunter2\"]'", "no JSON object"),
            ("yes hunter2", "more than 65536 bytes"),
        ] {
            let error = helper(&folder, script).token("a.example").await.unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("terraform-credentials-team"), "{script}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for nothing in ["{}", "null", "{\"token\": 1}", "{\"token\": \"\"}"] {
            let token = helper(&folder, &format!("echo '{nothing}'")).token("a.example").await.unwrap();
            assert!(token.is_none(), "{nothing}");
        }
        let mut slow = helper(&folder, "exec sleep 600");
        slow.longest = Duration::from_millis(50);
        let error = slow.token("a.example").await.unwrap_err().to_string();
        assert!(error.contains("has not answered within 0.05 s"), "{error}");
    }

    #[test]
    fn the_newest_program_is_taken() {
        let folder = TempDir::new().unwrap();
        let folders = ["one", "two", "missing"].map(|name| folder.path().join(name));
        let found = |name: &str| find(name, &folders).map(|path| path.strip_prefix(folder.path()).unwrap().to_owned());
        for file in [
            "one/terraform-credentials-team",
            "two/terraform-credentials-Team_v1.9.0",
            "two/terraform-credentials-team_v1.10_x4",
            "one/terraform-credentials-other_v1.0.0",
            "two/terraform-credentials-other_v1.0.0",
            "two/terraform-credentials-other_vx",
            "two/terraform-provider-none",
        ] {
            std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("one/terraform-credentials-none")).unwrap();
        assert_eq!(found("team").unwrap(), Path::new("two/terraform-credentials-team_v1.10_x4"));
        assert_eq!(found("other").unwrap(), Path::new("one/terraform-credentials-other_v1.0.0"));
        assert_eq!((found("none"), found("Team")), (None, None));
        let missing = Helper::new("none", Vec::new(), &folders);
        let told = missing.missing().unwrap().to_string();
        assert!(told.contains("terraform-credentials-none is not in") && told.contains("missing"), "{told}");
    }
}
