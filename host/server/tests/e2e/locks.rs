//! Locks as the CLIs take, wait for and break them.

use tofu_state_testing::cli::{Backend, Cli, Output, Run};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{Server, TOKEN};

use crate::common::{Gate, PATIENCE, Site, server, set_up, with_both_clis_on_both_stores};
use crate::wire::Client;

with_both_clis_on_both_stores!(a_held_lock_blocks_and_names_its_holder, a_lock_timeout_waits_and_wins);

/// A CLI like the given one, in a folder of its own.
fn another(cli: &Cli) -> Cli {
    if cli.is_tofu() { Cli::tofu() } else { Cli::terraform() }
}

/// Starts an apply and waits until it holds the lock and stands at the gate.
async fn apply_to_gate(cli: &Cli, gate: &Gate) -> Run {
    gate.build_into(cli);
    let mut run = cli.start(&["apply", "-auto-approve"]);
    gate.reached(&mut run).await;
    run
}

/// The holder of the lock, as a LOCK of somebody else's is answered.
async fn holder(server: &Server, path: &str) -> (String, String) {
    let info = Client::new(server, path).lock("somebody-else").await.unwrap().expect(409).json();
    let field = |name: &str| info[name].as_str().unwrap().to_owned();
    (field("ID"), field("Who"))
}

/// Terraform prints of the holder's LockInfo only the ID, and for the rest its own.
fn names_holder(blocked: &Output, cli: &Cli, id: &str, who: &str) {
    blocked.says("Error acquiring the state lock");
    if cli.is_tofu() {
        blocked.says(&format!("ID: {id}")).says(&format!("Who: {who}")).says("Operation: OperationTypeApply");
    } else {
        blocked.says(&format!("already locked: ID={id}"));
    }
}

async fn a_held_lock_blocks_and_names_its_holder(site: Site, mut cli: Cli) {
    set_up(&mut cli, &site.server, "team/app").await;
    let mut second = another(&cli);
    set_up(&mut second, &site.server, "team/app").await;

    let gate = Gate::new();
    let run = apply_to_gate(&cli, &gate).await;
    let (id, who) = holder(&site.server, "team/app").await;
    let blocked = second.run(&["plan"]).await.failure();
    names_holder(&blocked, &second, &id, &who);

    gate.open();
    let _ = run.finish().await.success();
    second.ok(&["plan"]).await;

    let other = Client::new(&site.server, "team/app");
    other.lock("by-hand").await.unwrap().expect(200);
    names_holder(&second.run(&["plan"]).await.failure(), &second, "by-hand", "by-hand@test");
}

async fn a_lock_timeout_waits_and_wins(site: Site, mut cli: Cli) {
    set_up(&mut cli, &site.server, "team/app").await;
    let mut second = another(&cli);
    set_up(&mut second, &site.server, "team/app").await;
    second.resources(2, "after the first");

    let gate = Gate::new();
    gate.build_into(&second);
    let run = apply_to_gate(&cli, &gate).await;
    let mut waiting = second.start(&["apply", "-auto-approve", "-lock-timeout=180s"]);
    // The CLIs say so when a lock has not been had at once.
    eventually("the second run waiting", PATIENCE, async || {
        assert!(waiting.is_running(), "it did not wait:\n{}{}", waiting.stdout(), waiting.stderr());
        (waiting.stdout() + &waiting.stderr()).contains("Acquiring state lock").then_some(())
    })
    .await;

    gate.open();
    let _ = run.finish().await.success();
    // It starts from what the first has written: the gate is there already.
    waiting.finish().await.success().says("Apply complete! Resources: 1 added, 1 changed, 0 destroyed.");
}

/// Leaves a lock behind as a run does that dies. The state lies at `team/<name of the CLI>`.
async fn abandon_a_lock(server: &Server, cli: &mut Cli) -> String {
    set_up(cli, server, &path_of(cli)).await;
    let gate = Gate::new();
    let mut run = apply_to_gate(cli, &gate).await;
    run.kill9();
    let (id, _) = holder(server, &path_of(cli)).await;
    id
}

/// A path of its own for each CLI: neither reads what the other, newer one has written.
fn path_of(cli: &Cli) -> String {
    format!("team/{}", cli.name())
}

#[tokio::test]
async fn both_force_unlocks_break_an_abandoned_lock() {
    for site in [Site::embedded().await, Site::openbao().await] {
        for mut cli in Cli::both() {
            let id = abandon_a_lock(&site.server, &mut cli).await;
            cli.ok(&["force-unlock", "-force", &id]).await.says("successfully unlocked");
            cli.ok(&["apply", "-auto-approve"]).await;
        }
    }
}

#[tokio::test]
async fn force_unlock_by_id_only_refuses_the_one_without() {
    for mut cli in Cli::both() {
        let server = server().set("FORCE_UNLOCK", "id").start().await;
        let id = abandon_a_lock(&server, &mut cli).await;
        if cli.is_tofu() {
            // Another's ID breaks nothing.
            let _ = cli.run(&["force-unlock", "-force", "00000000-0000-0000-0000-000000000000"]).await.failure();
            assert_eq!(holder(&server, &path_of(&cli)).await.0, id);
            cli.ok(&["force-unlock", "-force", &id]).await;
            cli.ok(&["plan"]).await;
        } else {
            // Terraform sends no ID (terraform#28421).
            cli.run(&["force-unlock", "-force", &id]).await.failure().says("422");
            assert_eq!(holder(&server, &path_of(&cli)).await.0, id);
        }
    }
}

#[tokio::test]
async fn force_unlock_off_refuses_both() {
    for mut cli in Cli::both() {
        let server = server().set("FORCE_UNLOCK", "off").start().await;
        let id = abandon_a_lock(&server, &mut cli).await;
        cli.run(&["force-unlock", "-force", &id]).await.failure().says("422");
        assert_eq!(holder(&server, &path_of(&cli)).await.0, id);
    }
}

#[tokio::test]
async fn locks_through_plain_methods() {
    let site = Site::embedded().await;
    for lock_method in ["POST", "PUT"] {
        for mut cli in Cli::both() {
            let path = format!("{}/{lock_method}", cli.name());
            let lock_url = site.server.url(&format!("-/lock/{path}"));
            cli.set("TF_HTTP_USERNAME", "ci").set("TF_HTTP_PASSWORD", TOKEN);
            let backend = Backend::new(&site.server.url(&path))
                .with("lock_address", &lock_url)
                .with("lock_method", lock_method)
                .with("unlock_address", &lock_url)
                .with("unlock_method", "DELETE");
            cli.backend(&backend);
            cli.resources(1, "one");
            cli.ok(&["init"]).await;

            let gate = Gate::new();
            let run = apply_to_gate(&cli, &gate).await;
            // It is the same lock as LOCK's own.
            let (id, who) = holder(&site.server, &path).await;
            let mut second = another(&cli);
            set_up(&mut second, &site.server, &path).await;
            names_holder(&second.run(&["plan"]).await.failure(), &second, &id, &who);
            gate.open();
            let _ = run.finish().await.success();
            second.ok(&["plan"]).await;
        }
    }
}
