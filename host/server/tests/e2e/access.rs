//! Who is let in, as the CLIs see it.

use sha2::{Digest, Sha256};
use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::server::TOKEN;

use crate::common::{Site, server};
use crate::wire::Client;

/// A CLI with a configuration for the state at `path` that shows `token`.
fn with_token(mut cli: Cli, url: &str, token: &str) -> Cli {
    cli.set("TF_HTTP_USERNAME", "anybody").set("TF_HTTP_PASSWORD", token);
    cli.backend(&Backend::new(url));
    cli.resources(1, "one");
    cli
}

#[tokio::test]
async fn credentials_from_the_environment_and_from_the_block() {
    let site = Site::embedded().await;
    for cli in Cli::both() {
        let url = site.server.url(&format!("team/{}", cli.name()));
        let mut cli = with_token(cli, &url, TOKEN);
        cli.ok(&["init"]).await;
        cli.ok(&["apply", "-auto-approve"]).await;

        cli.set("TF_HTTP_USERNAME", "").set("TF_HTTP_PASSWORD", "");
        cli.backend(&Backend::new(&url).with("username", "me").with("password", TOKEN));
        cli.ok(&["init", "-reconfigure"]).await;
        cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
    }
}

#[tokio::test]
async fn a_wrong_token_and_none_are_told_apart() {
    let site = Site::embedded().await;
    for cli in Cli::both() {
        let mut cli = with_token(cli, &site.server.url("team/app"), "not the token");
        cli.run(&["init"]).await.failure().says("invalid auth");
        cli.set("TF_HTTP_USERNAME", "").set("TF_HTTP_PASSWORD", "");
        cli.run(&["init"]).await.failure().says("requires auth");
    }
}

#[tokio::test]
async fn a_token_reaches_its_own_paths_with_its_own_rights() {
    let (reader, writer) = ("reader-0123456789abcdef", "writer-0123456789abcdef");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let entry = |name: &str, token: &str, rights: &str| {
        let hash = hex::encode(Sha256::digest(token));
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\npaths = [\"team/*\"]\nrights = [{rights}]\n\n")
    };
    let text = entry("reader", reader, "\"read\"") + &entry("writer", writer, "\"read\", \"write\"");
    std::fs::write(&file, text).unwrap();
    let server = server().set("TOKENS_FILE", &file).start().await;

    for cli in Cli::both() {
        let url = server.url(&format!("team/{}", cli.name()));
        let mut cli = with_token(cli, &url, writer);
        cli.ok(&["init"]).await;
        cli.ok(&["apply", "-auto-approve"]).await;
        // To break another's lock is a right of its own.
        Client::new(&server, &format!("team/{}", cli.name())).lock("stuck").await.unwrap().expect(200);
        cli.run(&["force-unlock", "-force", "stuck"]).await.failure().says("403");
        Client::new(&server, &format!("team/{}", cli.name())).unlock("stuck").await.unwrap().expect(200);

        cli.set("TF_HTTP_PASSWORD", reader);
        cli.ok(&["state", "pull"]).await.says("terraform_data");
        cli.ok(&["plan", "-lock=false", "-detailed-exitcode"]).await.says("No changes.");
        cli.run(&["plan"]).await.failure().says("invalid auth");
        cli.resources(1, "two");
        let _ = cli.run(&["apply", "-auto-approve", "-lock=false"]).await.failure();

        cli.set("TF_HTTP_PASSWORD", writer);
        cli.backend(&Backend::new(&server.url("other/app")));
        cli.run(&["init", "-reconfigure"]).await.failure().says("invalid auth");
    }
}
