//! The component exchanged in the real program: by its files, over its socket, and back again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tofu_state_component::testing::FAULTY;
use tofu_state_component::{BUILT_IN, digest};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{Server, TOKEN, http};

use crate::support::{PATIENCE, variant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tofu-state");

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn pin(&self) -> PathBuf {
        self.folder.path().join("protocol")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/admin.sock")
    }

    /// Replaces the component and its pin, each at once.
    fn put(&self, bytes: &[u8]) {
        let name = format!("{}.wasm", digest(bytes));
        std::fs::write(self.folder.path().join(&name), bytes).unwrap();
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{name}@sha256:{}\n", digest(bytes))).unwrap();
        std::fs::rename(new, self.pin()).unwrap();
    }

    async fn server(&self) -> Server {
        Server::builder(PROGRAM)
            .set("PROTOCOL_COMPONENT_FILE", self.pin())
            .set("ADMIN_SOCKET", self.socket())
            .start()
            .await
    }
}

/// Runs the program with arguments, on that socket; its status and what it printed.
async fn run(socket: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("ADMIN_SOCKET", socket).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
    (output.status.code(), text)
}

async fn ready(server: &Server) -> Value {
    http().get(server.admin_url("readyz")).send().await.unwrap().json().await.unwrap()
}

async fn status(server: &Server) -> u16 {
    http().get(server.url("a/b")).bearer_auth(TOKEN).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn reloaded_rolled_back_and_told_over_the_socket() {
    let files = Files::new();
    let [one, two] = [b'1', b'2'].map(|name| variant(BUILT_IN, name));
    files.put(&one);
    let mut server = files.server().await;
    let socket = files.socket();
    let (code, told) = run(&socket, &["policy", "roll-back"]).await;
    assert!(code == Some(1) && told.contains("no earlier generation"), "{told}");
    assert_eq!(run(&socket, &["reload"]).await, (Some(0), "unchanged: generation 1 serves\n".to_owned()));

    // Nobody asks: the file is followed.
    files.put(&two);
    eventually("the second component", PATIENCE, async || {
        (ready(&server).await["generation"]["protocol"]["sha256"] == digest(&two)).then_some(())
    })
    .await;
    let (code, told) = run(&socket, &["policy", "list"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(&digest(&one)) && told.contains(&digest(&two)) && told.contains("kept for a roll-back"),
        "{told}"
    );

    let (code, told) = run(&socket, &["policy", "roll-back"]).await;
    assert!(code == Some(0) && told.contains("generation 3 serves"), "{told}");
    let generation = ready(&server).await["generation"].clone();
    assert_eq!((&generation["number"], &generation["protocol"]["sha256"]), (&3.into(), &digest(&one).into()));
    assert_eq!(run(&socket, &["reload"]).await, (Some(0), "generation 4 serves\n".to_owned()));

    // What is bad does not serve, and says so everywhere.
    files.put(FAULTY);
    let (code, told) = run(&socket, &["reload"]).await;
    assert!(code == Some(1) && told.contains("first run"), "{told}");
    let body = ready(&server).await;
    assert_eq!((&body["ready"], &body["generation"]["current"]), (&true.into(), &false.into()), "{body}");
    assert!(body["generation"]["detail"].as_str().unwrap().contains("first run"), "{body}");
    assert_eq!(body["generation"]["protocol"]["sha256"], digest(&two));
    assert_eq!(status(&server).await, 404, "{}", server.log());
    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    for line in ["tofu_state_modules_current 0", "tofu_state_generation 4", "tofu_state_generations_alive 2"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("tofu_state_generation_load_failures_total 0"), "{metrics}");
    let log = server.log();
    assert!(log.contains("no new generation") && log.contains("\"generation\":4"), "{log}");
    let (_, told) = run(&socket, &["policy", "list", "--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["generations"]["current"], 4);

    // What a killed server leaves behind is no obstacle; the roll-back before is forgotten.
    files.put(&one);
    server.kill9();
    assert!(socket.exists());
    server.restart().await;
    assert_eq!(ready(&server).await["generation"]["protocol"]["sha256"], digest(&one));
    assert_eq!(run(&socket, &["reload"]).await.0, Some(0));
    server.terminate().await;
    assert!(!socket.exists(), "removed at the end");
    let (code, told) = run(&socket, &["reload"]).await;
    assert!(code == Some(1) && told.contains("cannot be asked"), "{told}");
    assert!(run(Path::new(""), &["reload"]).await.1.contains("ADMIN_SOCKET"));
}

#[tokio::test]
async fn a_socket_in_use_ends_the_start() {
    let files = Files::new();
    files.put(BUILT_IN);
    let server = files.server().await;
    let (status, log) = Server::builder(PROGRAM).set("ADMIN_SOCKET", files.socket()).fails().await;
    assert!(status == Some(1) && log.contains("in use"), "{log}");
    assert_eq!(run(&files.socket(), &["reload"]).await.0, Some(0), "{}", server.log());
}

#[tokio::test]
async fn both_settings_for_one_component_are_a_mistake() {
    let files = Files::new();
    files.put(BUILT_IN);
    let both = Server::builder(PROGRAM)
        .set("PROTOCOL_COMPONENT_FILE", files.pin())
        .set("PROTOCOL_COMPONENT", format!("x@sha256:{}", "0".repeat(64)));
    let (status, log) = both.fails().await;
    assert!(status == Some(2) && log.contains("PROTOCOL_COMPONENT_FILE is set too"), "{log}");
}
