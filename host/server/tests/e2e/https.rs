//! The real CLIs over TLS with a private authority, and exchanges of the certificate while they work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tofu_state_testing::certificates::{Authority, Issued};
use tofu_state_testing::cli::Cli;
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::Server;
use tokio::task::JoinSet;

use crate::common::{Gate, PATIENCE, server, set_up};
use crate::wire::{Client, state};

struct Site {
    authority: Authority,
    folder: tempfile::TempDir,
    server: Server,
}

impl Site {
    async fn start() -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let files = authority.issue().write(folder.path());
        let server = server().tls(files).start().await;
        Self { authority, folder, server }
    }

    async fn exchange(&self) -> Issued {
        let issued = self.authority.issue();
        issued.write(self.folder.path());
        let address = self.server.host_and_port();
        eventually("the new certificate", PATIENCE, async || {
            (self.authority.served(&address).await.unwrap() == issued.der).then_some(())
        })
        .await;
        issued
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_over_tls_whose_certificate_is_exchanged_under_it() {
    let site = Site::start().await;
    for mut cli in Cli::both() {
        cli.set("SSL_CERT_FILE", &site.authority.file().display().to_string());
        let path = format!("team/{}", cli.name());
        set_up(&mut cli, &site.server, &path).await;
        let gate = Gate::new();
        gate.build_into(&cli);
        let mut run = cli.start(&["apply", "-auto-approve"]);
        gate.reached(&mut run).await;
        site.exchange().await;
        gate.open();
        run.finish().await.success().says("Apply complete! Resources: 3 added");
        cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
        cli.ok(&["destroy", "-auto-approve"]).await;
    }
    let mut stranger = Cli::tofu();
    stranger.set("TF_HTTP_USERNAME", "ci").set("TF_HTTP_PASSWORD", tofu_state_testing::server::TOKEN);
    stranger.backend(&tofu_state_testing::cli::Backend::new(&site.server.url("team/app")));
    let refused = stranger.run(&["init"]).await;
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cycle_fails_while_the_certificate_is_exchanged() {
    let site = Site::start().await;
    let (done, cycles) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..4 {
        let (done, cycles) = (Arc::clone(&done), Arc::clone(&cycles));
        let (url, authority) = (site.server.url(&format!("team/client-{number}")), site.authority.http());
        clients.spawn(async move {
            // Connections that stay.
            let client = Client::with(authority, url);
            let mut serial = 0;
            while !done.load(Ordering::Relaxed) {
                serial += 1;
                let id = format!("client-{number}-{serial}");
                client.lock(&id).await.unwrap().expect(200);
                client.post(&state(serial, &[]), Some(&id)).await.unwrap().expect(200);
                client.get().await.unwrap().expect(200);
                client.unlock(&id).await.unwrap().expect(200);
                cycles.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..3 {
        let enough = cycles.load(Ordering::Relaxed) + 4;
        site.exchange().await;
        eventually("cycles", PATIENCE, async || (cycles.load(Ordering::Relaxed) >= enough).then_some(())).await;
    }
    done.store(true, Ordering::Relaxed);
    clients.join_all().await;
}
