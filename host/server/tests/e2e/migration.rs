//! Moving a state from one path to another by hand: GET the old, POST the new, DELETE the old.

use std::path::Path;
use std::process::Command;

use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::server::TOKEN;

use crate::common::{Site, set_up};
use crate::wire::Client;

/// Runs the real `curl`, gives the status it saw, and leaves the body in `into`.
fn curl(arguments: &[&str], into: &Path) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--user", &format!("me:{TOKEN}"), "--write-out", "%{http_code}"]);
    let output = command.arg("--output").arg(into).args(arguments).output().expect("curl on PATH");
    assert!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn path_migration(site: Site) {
    let mut cli = Cli::tofu();
    set_up(&mut cli, &site.server, "old/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;

    let folder = tempfile::tempdir().unwrap();
    let (state, answer) = (folder.path().join("state.json"), folder.path().join("answer"));
    let (old, new) = (site.server.url("old/app"), site.server.url("new/place"));
    assert_eq!(curl(&[&old], &state), "200");
    let upload = format!("@{}", state.display());
    let json = "Content-Type: application/json";
    assert_eq!(curl(&["--data-binary", &upload, "--header", json, &new], &answer), "200");
    assert_eq!(curl(&["--request", "DELETE", &old], &answer), "200");

    // Byte for byte at the new path, nothing at the old one.
    let moved = Client::new(&site.server, "new/place").get().await.unwrap().expect(200);
    assert!(moved.body == std::fs::read(&state).unwrap());
    Client::new(&site.server, "old/app").get().await.unwrap().expect(404);
    cli.backend(&Backend::new(&new));
    cli.ok(&["init", "-reconfigure"]).await;
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
}

#[tokio::test]
async fn with_curl_on_the_embedded_store() {
    path_migration(Site::embedded().await).await;
}

#[tokio::test]
async fn with_curl_on_openbao() {
    path_migration(Site::openbao().await).await;
}
