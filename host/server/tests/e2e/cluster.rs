//! Three OpenBao nodes: the server reached through a standby and through a balancer, and the loss of the leader.

use tofu_state_testing::cli::Cli;
use tofu_state_testing::cluster::{Cluster, RoundRobin};

use crate::common::{Gate, server, set_up};
use crate::races::lock_race;
use crate::wire::{Client, serial, state};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_stale_through_a_standby_and_a_balancer() {
    let cluster = Cluster::start().await;
    let standby = cluster.standbys().await[0];
    let balancer = RoundRobin::start(&cluster.addresses()).await;
    let servers = [
        server().openbao(&cluster.addresses()[standby], cluster.token()).start().await,
        server().openbao(&balancer.address(), cluster.token()).start().await,
    ];

    // A new path each time: a standby that lags would say that nothing is there.
    for number in 0..60 {
        let path = format!("fresh/path-{number}");
        let [writer, reader] = [number % 2, (number + 1) % 2].map(|server| Client::new(&servers[server], &path));
        writer.post(&state(1, &[]), None).await.unwrap().expect(200);
        reader.get().await.unwrap().expect(200);
        writer.post(&state(2, &[]), None).await.unwrap().expect(200);
        assert_eq!(serial(&reader.get().await.unwrap().expect(200).json()), 2);
    }
    for number in 0..5 {
        lock_race(&servers, &format!("races/path-{number}")).await;
        lock_race(&servers, &format!("races/path-{number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_outlives_the_leader() {
    let mut cluster = Cluster::start().await;
    let balancer = RoundRobin::start(&cluster.addresses()).await;
    let server = server().openbao(&balancer.address(), cluster.token()).start().await;
    for mut cli in Cli::both() {
        let path = format!("team/{}", cli.name());
        set_up(&mut cli, &server, &path).await;
        let gate = Gate::new();
        gate.build_into(&cli);
        let mut run = cli.start(&["apply", "-auto-approve"]);
        gate.reached(&mut run).await;
        let dead = cluster.kill_leader().await;
        // The run writes its state and releases its lock while there is no leader.
        gate.open();
        run.finish().await.success().says("Apply complete! Resources: 3 added, 0 changed, 0 destroyed.");

        cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
        cluster.revive(dead).await;
    }
}
