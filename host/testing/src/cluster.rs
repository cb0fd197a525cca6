//! Three OpenBao servers that are one raft cluster, and a balancer in front of them.
//!
//! A cluster takes about half a minute to form: tests that need one share it where they can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::bao::{Bao, PATIENCE};
use crate::process::eventually;

/// How many servers a cluster has: the smallest number that survives the loss of one.
const NODES: usize = 3;

/// How long a node may take to say whether it is active.
const GLANCE: Duration = Duration::from_secs(2);

/// A raft cluster with KV v2 at `states/`.
pub struct Cluster {
    nodes: Vec<Bao>,
}

impl Cluster {
    /// Starts three servers and waits until all of them are voters and see the mount: a leader killed
    /// before that is never replaced.
    ///
    /// # Panics
    /// If the cluster cannot be had.
    pub async fn start() -> Self {
        let mut first = Bao::raft_node("node0", None);
        first.start();
        first.initialize().await;
        first.with_peers();
        let mut nodes = vec![first];
        for number in 1..NODES {
            let mut node = Bao::raft_node(&format!("node{number}"), Some(&nodes[0].address()));
            node.adopt(&nodes[0]);
            node.with_peers();
            node.start();
            nodes.push(node);
        }
        for node in &nodes[1..] {
            // An unseal before it has joined spoils it: until then it says 501, not initialised.
            node.unseal().await;
        }
        let cluster = Self { nodes };
        cluster.until_voters().await;
        cluster.nodes[0].mount_kv("states").await;
        for node in &cluster.nodes {
            eventually("the mount on every node", PATIENCE, async || {
                let (status, _) = node.try_api(Method::GET, "states/config", None).await.ok()?;
                status.is_success().then_some(())
            })
            .await;
        }
        cluster
    }

    /// All servers, running or not.
    #[must_use]
    pub fn nodes(&self) -> &[Bao] {
        &self.nodes
    }

    /// One of the servers, to kill, start or unseal it.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn node(&mut self, number: usize) -> &mut Bao {
        &mut self.nodes[number]
    }

    /// The root token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.nodes[0].token()
    }

    /// The servers' addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Bao::address).collect()
    }

    /// The number of the active server, once there is one.
    ///
    /// # Panics
    /// If none becomes active.
    pub async fn leader(&self) -> usize {
        eventually("an active node", PATIENCE, async || self.active().await).await
    }

    async fn active(&self) -> Option<usize> {
        for (number, node) in self.nodes.iter().enumerate() {
            // One that is paused takes the call and does not answer.
            let health = timeout(GLANCE, node.try_api(Method::GET, "sys/health", None));
            if let Ok(Ok((status, _))) = health.await
                && status.as_u16() == 200
            {
                return Some(number);
            }
        }
        None
    }

    /// The numbers of the servers that are not active.
    ///
    /// # Panics
    /// If none becomes active.
    pub async fn standbys(&self) -> Vec<usize> {
        let leader = self.leader().await;
        (0..self.nodes.len()).filter(|&number| number != leader).collect()
    }

    /// Kills the active server at once, and says which it was. It does not wait for the next.
    ///
    /// # Panics
    /// If none is active.
    pub async fn kill_leader(&mut self) -> usize {
        let leader = self.leader().await;
        self.nodes[leader].kill9();
        leader
    }

    /// Starts a server that was killed, and unseals it.
    ///
    /// # Panics
    /// If it does not come back.
    pub async fn revive(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.start();
        node.unseal().await;
    }

    async fn until_voters(&self) {
        eventually("three voters", PATIENCE, async || {
            let (_, answer) = self.nodes[0].try_api(Method::GET, "sys/storage/raft/configuration", None).await.ok()?;
            let servers = answer["data"]["config"]["servers"].as_array()?;
            let voters = servers.iter().filter(|server| server["voter"] == true).count();
            (voters == NODES).then_some(())
        })
        .await;
    }
}

/// A TCP balancer that forwards each connection to the next address, and to the one after it where
/// nobody listens: what a Kubernetes Service does. It ends, with its connections, when dropped.
pub struct RoundRobin {
    address: SocketAddr,
    targets: Targets,
    task: AbortHandle,
}

/// The servers' hosts and ports; who forwards a connection hears when they are exchanged.
type Targets = watch::Sender<Arc<[String]>>;

impl RoundRobin {
    /// Listens on a port of its own, for the servers at `targets` (each `host:port`, or a URL of one).
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(targets: &[String]) -> Self {
        let targets = watch::Sender::new(hosts(targets));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the balancer");
        let address = listener.local_addr().expect("the balancer's address");
        let changes = targets.subscribe();
        let task = tokio::spawn(async move {
            let next = Arc::new(AtomicUsize::new(0));
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, changes.clone(), Arc::clone(&next)));
            }
        });
        Self { address, targets, task: task.abort_handle() }
    }

    /// Forwards to these servers from now on, and ends every connection to the ones before.
    pub fn send_to(&self, targets: &[String]) {
        self.targets.send_replace(hosts(targets));
    }

    /// Where it listens, such as `http://127.0.0.1:31234`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn hosts(targets: &[String]) -> Arc<[String]> {
    targets.iter().map(|target| target.rsplit('/').next().unwrap_or(target).to_owned()).collect()
}

async fn forward(mut client: TcpStream, mut changes: watch::Receiver<Arc<[String]>>, next: Arc<AtomicUsize>) {
    let targets = Arc::clone(&changes.borrow_and_update());
    for _ in 0..targets.len() {
        let target = &targets[next.fetch_add(1, Ordering::Relaxed) % targets.len()];
        if let Ok(mut server) = TcpStream::connect(target).await {
            tokio::select! {
                // An end in the middle is either side's business.
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = changes.changed() => {}
            }
            return;
        }
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.task.abort();
    }
}
