//! The first minute: the server as `make run` starts it, and what it prints, pasted.

use tofu_state_testing::cli::Cli;
use tofu_state_testing::process::eventually;

use crate::common::{PATIENCE, server};

#[tokio::test]
async fn the_printed_backend_block_works_when_pasted() {
    let server = server().unset("API_TOKEN").argument("--make-token").start().await;
    let printed = eventually("the printed block", PATIENCE, async || {
        let log = server.log();
        log.contains("\nexport ").then_some(log)
    })
    .await;
    let block = printed.split_once("terraform {").and_then(|(_, rest)| rest.split_once("\n}\n")).unwrap().0;
    let exports = printed.split_once("\nexport ").unwrap().1.lines().next().unwrap();

    // One state for both: OpenTofu reads what Terraform wrote, and not the other way round.
    for mut cli in [Cli::terraform(), Cli::tofu()] {
        cli.write("backend.tf", &format!("terraform {{{block}\n}}\n"));
        for (name, value) in exports.split_whitespace().map(|export| export.split_once('=').unwrap()) {
            cli.set(name, value);
        }
        cli.resources(1, "first");
        cli.ok(&["init"]).await;
        cli.ok(&["apply", "-auto-approve"]).await;
        cli.ok(&["destroy", "-auto-approve"]).await;
    }
}
