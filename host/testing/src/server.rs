//! The `tofu-state` server as a process of its own: started, killed, started again on the same data and port.
//!
//! Whatever it leaves behind, its log, metrics and audit, is searched for the secrets that it was given and the
//! states that it was sent, see [`secrets`]; a test whose server shows one fails.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Once;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};
use crate::secrets;

/// The token that the server takes unless a test sets another.
pub const TOKEN: &str = "correct-horse-battery-staple";

/// How long a start may take on a busy machine: the component is compiled in it.
const START: Duration = Duration::from_secs(90);

/// How long an end may take: the drain included.
const END: Duration = Duration::from_secs(90);

/// How long a page of the admin port may take when a server is searched: one that is paused has none.
const GLANCE: Duration = Duration::from_secs(5);

/// The settings that hold secrets, each with its variant for a file.
const SECRETS: [&str; 4] = ["API_TOKEN", "BAO_TOKEN", "BAO_SECRET_ID", "OTEL_EXPORTER_OTLP_HEADERS"];

/// An HTTP client for tests, for plain HTTP on loopback; see `Authority::http` for TLS.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn http() -> reqwest::Client {
    client_builder().build().expect("an HTTP client")
}

pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another part of the test may have installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy()
}

/// What a server is to be started with.
pub struct Builder {
    program: PathBuf,
    environment: Vec<(String, OsString)>,
    arguments: Vec<String>,
}

impl Builder {
    /// Sets a variable of its environment. It has no others than those set here.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Takes a variable out of its environment.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Adds an argument to its command line, after `serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Stores in OpenBao rather than in a folder of its own.
    #[must_use]
    pub fn openbao(self, address: &str, token: &str) -> Self {
        self.set("STORE", "openbao").set("BAO_ADDR", address).set("BAO_TOKEN", token)
    }

    /// Serves over TLS with this certificate and key.
    #[must_use]
    pub fn tls(self, (certificate, key): (PathBuf, PathBuf)) -> Self {
        self.set("TLS_CERT_FILE", certificate).set("TLS_KEY_FILE", key)
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// If it does not; its log is in the text.
    pub async fn start(self) -> Server {
        let folder = TempDir::new().expect("a temporary folder");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let process = self.launch(folder.path(), listen);
        let admin = listen;
        let mut server = Server { builder: self, folder, process, listen, admin };
        server.ready().await;
        server
    }

    /// Starts it where it must not start, and gives its exit code and what it printed.
    ///
    /// # Panics
    /// If it goes on running.
    pub async fn fails(self) -> (Option<i32>, String) {
        let folder = TempDir::new().expect("a temporary folder");
        let mut process = self.launch(folder.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let status = process.exited(START).await;
        secrets::look_in("the log", &process.log());
        (status.code(), process.log())
    }

    /// Lets it be known what it must not show. Files may have changed since it was started.
    fn keep_secrets(&self, folder: &Path) {
        let value = |name: &str| self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        for name in SECRETS {
            if let Some(secret) = value(name) {
                secrets::keep(&secret.to_string_lossy());
            }
            // One that is missing or half written is some test's business.
            let file = value(&format!("{name}_FILE")).map(|file| std::fs::read(folder.join(file)));
            if let Some(Ok(secret)) = file {
                secrets::keep(String::from_utf8_lossy(&secret).trim_end());
            }
        }
    }

    /// The audit's files, if it is written to any.
    fn audit_files(&self, folder: &Path) -> Vec<PathBuf> {
        let Some((_, target)) = self.environment.iter().find(|(name, _)| name == "AUDIT_LOG") else {
            return Vec::new();
        };
        let target = folder.join(target);
        let (Some(name), Some(beside)) = (target.file_name(), target.parent()) else { return Vec::new() };
        let files = std::fs::read_dir(beside).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_its = |file: &PathBuf| {
            let its = file.file_name().is_some_and(|file| file.as_encoded_bytes().starts_with(name.as_encoded_bytes()));
            its && file.is_file()
        };
        files.filter(is_its).collect()
    }

    fn launch(&self, folder: &Path, listen: SocketAddr) -> Process {
        self.keep_secrets(folder);
        // A leftover of an earlier start would be taken for the sign that this one is done.
        let addresses = folder.join("addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let mut command = Command::new(&self.program);
        command.arg("serve").args(&self.arguments).arg("--address-file").arg(addresses).current_dir(folder).env_clear();
        command.env("LISTEN_ADDR", listen.to_string()).env("ADMIN_ADDR", "127.0.0.1:0");
        command.env("DATA_DIR", folder.join("data")).env("LOG_FORMAT", "json");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::start(command)
    }
}

/// A running server. It is killed, and its folder removed, when dropped.
pub struct Server {
    builder: Builder,
    folder: TempDir,
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// A server on the embedded store in a folder of its own, with [`TOKEN`] as its token. `program` is
    /// `env!("CARGO_BIN_EXE_tofu-state")`.
    #[must_use]
    pub fn builder(program: &str) -> Builder {
        Builder { program: program.into(), environment: Vec::new(), arguments: Vec::new() }
            .set("STORE", "embedded")
            .set("API_TOKEN", TOKEN)
    }

    /// The address of a path on the state port; `path` without a leading `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let tls = self.builder.environment.iter().any(|(name, _)| name == "TLS_CERT_FILE");
        format!("{}://{}/{path}", if tls { "https" } else { "http" }, self.listen)
    }

    /// The host and port of the state port.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        self.listen.to_string()
    }

    /// The address of a path on the admin port; `path` without a leading `/`.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.admin)
    }

    /// The folder that holds its data, and nothing of which is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged since it was last started.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process, to pause it or to send it a signal.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it at once, as a power cut would.
    pub fn kill9(&mut self) {
        self.process.kill9();
        self.search_what_is_left();
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it does not.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.search_what_it_tells();
        self.process.terminate();
        let status = self.process.exited(END).await;
        self.search_what_is_left();
        status
    }

    /// Kills it if it still runs, and starts it again on the same data and port.
    ///
    /// # Panics
    /// If it does not serve again.
    pub async fn restart(&mut self) {
        self.kill9();
        self.process = self.builder.launch(self.folder.path(), self.listen);
        self.ready().await;
    }

    /// Searches the pages of its admin port, while it runs.
    fn search_what_it_tells(&mut self) {
        self.builder.keep_secrets(self.folder.path());
        for path in ["metrics", "readyz"] {
            if self.process.is_running()
                && let Ok(page) = page(self.admin, path)
            {
                secrets::look_in(&format!("/{path}"), &page);
            }
        }
    }

    /// Searches its log and its audit.
    fn search_what_is_left(&self) {
        self.builder.keep_secrets(self.folder.path());
        secrets::look_in("the log", &self.process.log());
        for file in self.builder.audit_files(self.folder.path()) {
            let text = std::fs::read(&file).unwrap_or_default();
            secrets::look_in(&file.display().to_string(), &String::from_utf8_lossy(&text));
        }
        secrets::none_was_found();
    }

    async fn ready(&mut self) {
        let file = self.folder.path().join("addresses.json");
        let process = &mut self.process;
        let addresses = eventually("the server's addresses", START, async || {
            assert!(process.is_running(), "the server has ended:\n{}", process.log());
            serde_json::from_slice::<serde_json::Value>(&std::fs::read(&file).ok()?).ok()
        })
        .await;
        let address = |name: &str| {
            let text = addresses[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {addresses}"));
            text.parse::<SocketAddr>().unwrap_or_else(|error| panic!("`{name}` is {text}: {error}"))
        };
        self.listen = address("listen");
        self.admin = address("admin");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that fails already says why.
        if !std::thread::panicking() {
            self.search_what_it_tells();
            self.search_what_is_left();
        }
    }
}

/// A page of the admin port, to its end. Blocks: it is for where a test cannot wait.
fn page(admin: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, GLANCE)?;
    stream.set_read_timeout(Some(GLANCE))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program in place of the server.
    fn program(folder: &Path, script: &str) -> String {
        let file = folder.join("program");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        file.display().to_string()
    }

    #[tokio::test]
    #[should_panic(expected = "the log shows a secret: I was given <secret>")]
    async fn one_that_logs_its_token_fails_its_test() {
        let folder = TempDir::new().unwrap();
        let program = program(folder.path(), "echo I was given $API_TOKEN; exit 1");
        let _ = Server::builder(&program).set("API_TOKEN", "a-token-that-is-logged").fails().await;
    }

    #[tokio::test]
    #[should_panic(expected = "audit.log.1 shows a secret")]
    async fn one_that_audits_a_state_fails_its_test() {
        let folder = TempDir::new().unwrap();
        // It says that it serves, and writes its audit.
        let addresses = r#"printf '{"listen":"127.0.0.1:1","admin":"127.0.0.1:1"}' > addresses.json"#;
        let script = format!("echo {} > audit.log.1; {addresses}; exec sleep 600", secrets::IN_A_STATE);
        let program = program(folder.path(), &script);
        drop(Server::builder(&program).set("AUDIT_LOG", "audit.log").start().await);
    }
}
