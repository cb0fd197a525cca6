//! A server with its store, a CLI that uses it, and a gate that holds a run at a known point.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::cli::{Backend, Cli, Run};
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::{Builder, Server, TOKEN};

/// Longer than anything takes that is not broken, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The server under test, with nothing set.
pub(crate) fn server() -> Builder {
    Server::builder(env!("CARGO_BIN_EXE_tofu-state"))
}

/// A server and the OpenBao it stores in, if any.
pub(crate) struct Site {
    pub(crate) server: Server,
    _bao: Option<Bao>,
}

impl Site {
    /// On the embedded store.
    pub(crate) async fn embedded() -> Self {
        Self { server: server().start().await, _bao: None }
    }

    /// On an OpenBao of its own.
    pub(crate) async fn openbao() -> Self {
        Self::on(Bao::dev().await).await
    }

    /// On an OpenBao of its own with raft storage, whose entries are bounded.
    pub(crate) async fn raft() -> Self {
        Self::on(Bao::raft().await).await
    }

    async fn on(bao: Bao) -> Self {
        Self { server: server().openbao(&bao.address(), bao.token()).start().await, _bao: Some(bao) }
    }
}

/// Writes a configuration of one resource for the state at `path` and initialises it.
pub(crate) async fn set_up(cli: &mut Cli, server: &Server, path: &str) {
    cli.set("TF_HTTP_USERNAME", "ci").set("TF_HTTP_PASSWORD", TOKEN);
    cli.backend(&Backend::new(&server.url(path)));
    cli.resources(1, "one");
    cli.ok(&["init"]).await;
}

/// Holds an apply in the middle: a resource whose provisioner ends when the gate is opened, or is gone.
pub(crate) struct Gate {
    folder: TempDir,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("closed"), "").unwrap();
        Self { folder }
    }

    /// Adds the resource to a configuration. `before`, another resource, is created first.
    pub(crate) fn build_into(&self, cli: &Cli) {
        let folder = self.folder.path().display();
        let text = format!(
            "resource \"terraform_data\" \"before\" {{\n  input = \"made before the gate\"\n}}\n\n\
             resource \"terraform_data\" \"gate\" {{\n  depends_on = [terraform_data.before]\n  \
             provisioner \"local-exec\" {{\n    \
             command = \"touch {folder}/reached; while [ -e {folder}/closed ]; do sleep 0.05; done\"\n  }}\n}}\n"
        );
        cli.write("gate.tf", &text);
    }

    /// Waits until `run` stands at the gate.
    pub(crate) async fn reached(&self, run: &mut Run) {
        let sign: PathBuf = self.folder.path().join("reached");
        eventually("the run at the gate", PATIENCE, async || {
            assert!(run.is_running(), "the run has ended early:\n{}{}", run.stdout(), run.stderr());
            sign.exists().then_some(())
        })
        .await;
    }

    /// Lets the run go on.
    pub(crate) fn open(self) {
        drop(self.folder);
    }
}

/// Makes four tests of one function that takes a [`Site`] and a [`Cli`]: both CLIs on both stores.
macro_rules! with_both_clis_on_both_stores {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use tofu_state_testing::cli::Cli;
            use crate::common::Site;

            #[tokio::test]
            async fn tofu_on_the_embedded_store() {
                super::$name(Site::embedded().await, Cli::tofu()).await;
            }

            #[tokio::test]
            async fn terraform_on_the_embedded_store() {
                super::$name(Site::embedded().await, Cli::terraform()).await;
            }

            #[tokio::test]
            async fn tofu_on_openbao() {
                super::$name(Site::openbao().await, Cli::tofu()).await;
            }

            #[tokio::test]
            async fn terraform_on_openbao() {
                super::$name(Site::openbao().await, Cli::terraform()).await;
            }
        }
    )+};
}
pub(crate) use with_both_clis_on_both_stores;
