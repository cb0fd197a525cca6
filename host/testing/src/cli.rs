//! The real `tofu` and `terraform`, each run in a folder and an environment of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs;
use crate::secrets::{self, IN_A_STATE};

/// No command of a test takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long [`Run::finish`] pauses between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// A CLI with a working folder. Nothing of the machine's own settings reaches it: neither its
/// configuration file, nor its plugin cache, nor its environment.
pub struct Cli {
    program: PathBuf,
    name: &'static str,
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Cli {
    /// OpenTofu in an empty folder.
    ///
    /// # Panics
    /// If it is not there, see [`programs::tofu`].
    #[must_use]
    pub fn tofu() -> Self {
        Self::new("tofu", programs::tofu())
    }

    /// Terraform in an empty folder.
    ///
    /// # Panics
    /// If it is not there, see [`programs::terraform`].
    #[must_use]
    pub fn terraform() -> Self {
        Self::new("terraform", programs::terraform())
    }

    /// Both, for tests that hold for either.
    ///
    /// # Panics
    /// If one is not there.
    #[must_use]
    pub fn both() -> [Self; 2] {
        [Self::tofu(), Self::terraform()]
    }

    fn new(name: &'static str, program: PathBuf) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("work")).expect("the working folder");
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(file("cli.config"), "").expect("an empty CLI configuration");
        let environment = [
            // https://opentofu.org/docs/cli/config/environment-variables/
            ("TF_CLI_CONFIG_FILE", file("cli.config")),
            ("TF_DATA_DIR", file("data")),
            ("TF_CLI_ARGS", "-no-color".to_owned()),
            ("TF_INPUT", "0".to_owned()),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("CHECKPOINT_DISABLE", "1".to_owned()),
            ("HOME", file("")),
            // For `sh`, which runs provisioners.
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { program, name, folder, environment }
    }

    /// `tofu` or `terraform`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether this is OpenTofu.
    #[must_use]
    pub fn is_tofu(&self) -> bool {
        self.name == "tofu"
    }

    /// Sets a variable of its environment for all runs to come.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder in which it runs.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file of the configuration, in place of one of that name.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).expect("a file in the working folder");
    }

    /// Writes the backend block.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn backend(&self, backend: &Backend) {
        self.write("backend.tf", &backend.block());
    }

    /// Writes a configuration of `count` resources that need no provider from a registry, each with `input`
    /// in its state, an output of that name, and one that is sensitive, see [`secrets`].
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn resources(&self, count: usize, input: &str) {
        let text = format!(
            "resource \"terraform_data\" \"item\" {{\n  count = {count}\n  input = \"{input}\"\n}}\n\n\
             output \"input\" {{\n  value = \"{input}\"\n}}\n\n\
             output \"sensitive\" {{\n  value = \"{IN_A_STATE}\"\n  sensitive = true\n}}\n"
        );
        self.write("main.tf", &text);
    }

    /// A command as [`Cli::start`] starts it, for whoever waits for its end in another way.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder()).env_clear().stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a command and lets it run.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Run {
        let logs = TempDir::new().expect("a temporary folder");
        let file = |name: &str| File::create(logs.path().join(name)).expect("a file for the output");
        let child = self
            .command(arguments)
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name));
        Run { command: format!("{} {}", self.name, arguments.join(" ")), child, logs }
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be started or does not end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).finish().await
    }

    /// Runs a command that must succeed, and gives what it printed.
    ///
    /// # Panics
    /// If it fails; what it printed is in the text.
    pub async fn ok(&self, arguments: &[&str]) -> Output {
        self.run(arguments).await.success()
    }
}

/// A command that runs. It is killed when dropped.
pub struct Run {
    command: String,
    child: Child,
    logs: TempDir,
}

impl Run {
    /// What it has printed on its standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.logs.path().join("stdout"))
    }

    /// What it has printed on its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.logs.path().join("stderr"))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it at once: it cleans up nothing, and its lock stays.
    pub fn kill9(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn finish(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs after {PATIENCE:?}:\n{}{}",
                self.command,
                self.stdout(),
                self.stderr()
            );
            tokio::time::sleep(PAUSE).await;
        };
        let output =
            Output { command: self.command.clone(), code: status.code(), stdout: self.stdout(), stderr: self.stderr() };
        // It shows what the server answers to what goes wrong.
        secrets::look_in(&output.command, &output.stderr);
        output
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    command: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Output {
    /// Itself, if the command succeeded.
    ///
    /// # Panics
    /// If it failed.
    #[must_use]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{} failed:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Itself, if the command failed by itself.
    ///
    /// # Panics
    /// If it succeeded, or was killed.
    #[must_use]
    pub fn failure(self) -> Self {
        assert_eq!(self.code, Some(1), "{} did not fail:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Checks that it printed `text`, on either stream. Line breaks and the frame that the CLIs draw around a
    /// message count as one space.
    ///
    /// # Panics
    /// If it did not.
    pub fn says(&self, text: &str) -> &Self {
        let printed = format!("{} {}", self.stdout, self.stderr);
        let words: Vec<_> = printed.split(|c: char| c.is_whitespace() || "│╷╵".contains(c)).collect();
        let flat = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        assert!(flat.contains(text), "{} does not say `{text}`:\n{}{}", self.command, self.stdout, self.stderr);
        self
    }
}

/// What stands in the `backend "http"` block.
/// (<https://opentofu.org/docs/language/settings/backends/http/>)
#[derive(Clone, Debug)]
pub struct Backend {
    settings: Vec<(&'static str, String)>,
}

impl Backend {
    /// State and lock at `url`, the lock by LOCK and UNLOCK.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { settings: vec![("address", url.to_owned())] }.with("lock_address", url).with("unlock_address", url)
    }

    /// Sets one of the block's settings.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    fn block(&self) -> String {
        let lines: String = self.settings.iter().map(|(name, value)| format!("    {name} = \"{value}\"\n")).collect();
        format!("terraform {{\n  backend \"http\" {{\n{lines}  }}\n}}\n")
    }
}
