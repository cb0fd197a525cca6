//! The matrix: stores, sizes, and clients, each against the store's floor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tofu_state_testing::bao::Bao;

use super::clients::{Client, ServerClient};
use super::commits::Commits;
use super::kv::KvClient;
use super::process::{KEEP_VERSIONS, Launch, Server, Usage};
use super::turn::{Clients, Turn, Turns};
use crate::dispatch::cycle::OPERATIONS;
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::ratio;
use crate::table::{Cell, Table};

/// The states' sizes in bytes.
const SIZES: [(&str, usize); 4] = [("2 KB", 2_000), ("20 KB", 20_000), ("800 KB", 800_000), ("16 MB", 16_000_000)];

/// How many clients there are at once.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// From this size on a turn is one cycle of each client, and there is one turn only.
const LARGE: usize = 10_000_000;

/// The two stores, and what it takes to know their floors.
enum Store {
    Embedded,
    /// On raft storage.
    OpenBao(Box<Bao>),
}

impl Store {
    fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::OpenBao(_) => "openbao",
        }
    }

    /// The processor time of the store's own process, in seconds.
    fn seconds(&mut self) -> anyhow::Result<f64> {
        match self {
            Self::Embedded => Ok(0.0),
            Self::OpenBao(bao) => Ok(Usage::of(bao.process().id())?.seconds),
        }
    }
}

/// The floor of one cell.
enum Floor {
    Commits(Box<Commits>),
    Kv(Clients),
}

impl Floor {
    async fn turn(&mut self, length: Duration) -> anyhow::Result<Turn> {
        match self {
            Self::Commits(commits) => tokio::task::block_in_place(|| commits.turn(length)),
            Self::Kv(clients) => clients.turn(length).await,
        }
    }
}

/// What was measured in one cell.
struct Measured {
    floor: Result<Turns, String>,
    server: Result<Turns, String>,
    /// Processor time of the server and of the store's process for each of the server's cycles, in ms.
    server_ms: Option<f64>,
    store_ms: Option<f64>,
    /// The server's peak memory in MiB.
    peak: f64,
}

/// The matrix as far as it has been measured.
pub(super) struct Matrix {
    table: Table,
    latencies: Table,
}

impl Matrix {
    pub(super) fn new() -> Self {
        let table = Table::new(
            "server",
            "(d) server: cycles of LOCK, GET, POST, UNLOCK over loopback against the store's floor",
            &[
                "store",
                "state",
                "clients",
                "floor c/s",
                "server c/s",
                "ratio",
                "p50 ms",
                "p99 ms",
                "CPU ms/cycle",
                "store's CPU",
                "peak MiB",
                "made again",
                "note",
            ],
        );
        let latencies = Table::new(
            "server_operations",
            "(d) server: each operation, in ms",
            &[
                "store",
                "state",
                "clients",
                "LOCK p50",
                "LOCK p99",
                "GET p50",
                "GET p99",
                "POST p50",
                "POST p99",
                "UNLOCK p50",
                "UNLOCK p99",
            ],
        );
        Self { table, latencies }
    }

    /// Measures the cells of states from [`LARGE`] on, or all others. What it is too late for is left out.
    pub(super) async fn measure(&mut self, plan: &Plan, report: &mut Report, large: bool) -> anyhow::Result<()> {
        for (size, bytes) in SIZES.into_iter().filter(|(_, bytes)| (*bytes >= LARGE) == large) {
            for openbao in [false, true] {
                let wanted = |clients: &usize| is_wanted(plan, openbao, size, *clients);
                if CLIENTS.iter().any(wanted) {
                    let clients: Vec<usize> = CLIENTS.into_iter().filter(wanted).collect();
                    self.column(plan, report, openbao, (size, bytes), &clients).await?;
                }
            }
        }
        Ok(())
    }

    /// One size on one store.
    async fn column(
        &mut self,
        plan: &Plan,
        report: &mut Report,
        openbao: bool,
        (size, bytes): (&str, usize),
        all: &[usize],
    ) -> anyhow::Result<()> {
        if report.is_late() {
            let store = if openbao { "openbao" } else { "embedded" };
            self.table.note(format!("{store}, {size}: left out, because the run had taken too long."));
            return Ok(());
        }
        let mut store = if openbao { Store::OpenBao(Box::new(openbao_server().await?)) } else { Store::Embedded };
        let server = launch(plan, &store).start().await?;
        let states = States::new(bytes, 4);
        for clients in all.iter().copied() {
            if report.is_late() {
                self.table.note(format!("{}, {size}, {clients} clients: left out, as above.", store.name()));
                continue;
            }
            report.progress(&format!("server: {}, {size}, {clients} clients", store.name()));
            let measured = cell(plan, &mut store, &server, &states, clients, bytes >= LARGE).await?;
            row(&mut self.table, &store, size, clients, &measured);
            latency_row(&mut self.latencies, &store, size, clients, &measured);
            figures(report, &store, bytes, clients, &measured);
        }
        Ok(())
    }

    /// Puts its tables into the report.
    pub(super) fn report(mut self, report: &mut Report) {
        let table = &mut self.table;
        table.note("embedded's floor: three synced commits of plain redb a cycle, one after another on one thread.");
        table.note("openbao's floor: the four KV calls a cycle cannot do without, made directly by as many clients, state as it is.");
        table.note(
            "CPU: user and system time of the server's process; the store's CPU: of OpenBao's, for the server's cycles.",
        );
        report.add(self.table);
        report.add(self.latencies);
    }
}

/// Whether a cell is among those that were asked for.
fn is_wanted(plan: &Plan, openbao: bool, size: &str, clients: usize) -> bool {
    match &plan.cell {
        // A minute is too short for the large ones.
        None => !plan.quick || (clients == 8 && !size.ends_with("16 MB")),
        Some((cell, _)) => {
            let store = if openbao { "openbao" } else { "embedded" };
            cell.store == store && cell.size == size.replace(' ', "") && cell.clients == clients
        }
    }
}

fn launch(plan: &Plan, store: &Store) -> Launch {
    match store {
        Store::Embedded => Launch::embedded(plan.server.clone()),
        Store::OpenBao(bao) => Launch::openbao(plan.server.clone(), &bao.address(), bao.token()),
    }
}

/// On raft storage, with a mount for the server and one for the floor, both keeping as many versions.
pub(super) async fn openbao_server() -> anyhow::Result<Bao> {
    let bao = Bao::raft().await;
    bao.mount_kv("plain").await;
    for mount in ["states", "plain"] {
        let wanted = json!({"max_versions": KEEP_VERSIONS});
        let (status, answer) = bao.api(Method::POST, &format!("{mount}/config"), Some(wanted)).await;
        anyhow::ensure!(status.is_success(), "{mount}/config: {status} {answer}");
    }
    Ok(bao)
}

/// Clients of a server, each with a state of its own.
pub(super) fn clients(address: SocketAddr, count: usize, states: &States) -> anyhow::Result<Clients> {
    let shared = Arc::new(states.clone());
    Clients::new((0..count).map(|client| {
        let name = format!("{count}-{client}");
        Ok(Client::Server(ServerClient::new(address, &name, Arc::clone(&shared))?))
    }))
}

fn floor(store: &Store, count: usize, states: &States) -> anyhow::Result<Floor> {
    Ok(match store {
        Store::Embedded => Floor::Commits(Box::new(Commits::new(states.clone())?)),
        Store::OpenBao(bao) => {
            let (address, shared) = (bao.host_and_port().parse()?, Arc::new(states.clone()));
            Floor::Kv(Clients::new((0..count).map(|client| {
                let name = format!("{count}-{client}");
                Ok(Client::Kv(KvClient::new(address, bao.token(), &name, Arc::clone(&shared))?))
            }))?)
        }
    })
}

async fn cell(
    plan: &Plan,
    store: &mut Store,
    server: &Server,
    states: &States,
    count: usize,
    large: bool,
) -> anyhow::Result<Measured> {
    let (rounds, length) = if large { (1, Duration::ZERO) } else { (plan.server_rounds(), plan.server_turn()) };
    let (mut floor, mut clients) = (floor(store, count, states)?, clients(server.listen, count, states)?);
    // One cycle each, which is not counted: connections are made, and the states are there afterwards.
    let mut of_floor = warmed(floor.turn(Duration::ZERO).await);
    let mut of_server = warmed(clients.turn(Duration::ZERO).await);
    server.forget_peak()?;
    let (mut server_seconds, mut store_seconds) = (0.0, 0.0);
    for _ in 0..rounds {
        if let Ok(turns) = &mut of_floor {
            match floor.turn(length).await {
                Ok(turn) => turns.add(turn),
                Err(error) => of_floor = Err(format!("{error:#}")),
            }
        }
        if let Ok(turns) = &mut of_server {
            let (server_before, store_before) = (server.usage()?.seconds, store.seconds()?);
            match clients.turn(length).await {
                Ok(turn) => turns.add(turn),
                Err(error) => of_server = Err(format!("{error:#}")),
            }
            server_seconds += server.usage()?.seconds - server_before;
            store_seconds += store.seconds()? - store_before;
        }
    }
    let cycles = of_server.as_ref().ok().map(Turns::cycles);
    let each = |seconds: f64| cycles.map(|cycles| seconds * 1e3 / cycles);
    let store_ms = each(store_seconds).filter(|_| matches!(store, Store::OpenBao(_)));
    Ok(Measured {
        floor: of_floor,
        server: of_server,
        server_ms: each(server_seconds),
        store_ms,
        peak: server.usage()?.peak,
    })
}

fn warmed(turn: anyhow::Result<Turn>) -> Result<Turns, String> {
    turn.map(|_| Turns::default()).map_err(|error| format!("{error:#}"))
}

fn rates(measured: &Measured) -> (Option<f64>, Option<f64>) {
    let rate = |turns: &Result<Turns, String>| turns.as_ref().ok().and_then(Turns::rate);
    (rate(&measured.floor), rate(&measured.server))
}

fn row(table: &mut Table, store: &Store, size: &str, count: usize, measured: &Measured) {
    let (floor, server) = rates(measured);
    let percentile = |percent| measured.server.as_ref().ok().and_then(|turns| turns.percentile(percent));
    let shortened = |side: &str, error: &String| format!("{side}: {}", error.chars().take(110).collect::<String>());
    let notes: Vec<String> = [("floor", measured.floor.as_ref().err()), ("server", measured.server.as_ref().err())]
        .into_iter()
        .filter_map(|(side, error)| error.map(|error| shortened(side, error)))
        .collect();
    table.row([
        Cell::from(store.name()),
        Cell::from(size),
        Cell::Number(crate::statistics::count(count), 0),
        Cell::number(floor, 1),
        Cell::number(server, 1),
        Cell::ratio(ratio(server, floor)),
        Cell::number(percentile(50), 1),
        Cell::number(percentile(99), 1),
        Cell::number(measured.server_ms, 2),
        Cell::number(measured.store_ms, 2),
        Cell::Number(measured.peak, 0),
        Cell::number(measured.server.as_ref().ok().map(Turns::again), 0),
        Cell::from(notes.join("; ").replace('\n', " ")),
    ]);
}

fn latency_row(table: &mut Table, store: &Store, size: &str, count: usize, measured: &Measured) {
    let Ok(turns) = &measured.server else { return };
    let mut cells = vec![Cell::from(store.name()), Cell::from(size), Cell::Number(crate::statistics::count(count), 0)];
    for operation in 0..OPERATIONS.len() {
        cells.push(Cell::number(turns.operation_percentile(operation, 50), 2));
        cells.push(Cell::number(turns.operation_percentile(operation, 99), 2));
    }
    table.row(cells);
}

fn figures(report: &mut Report, store: &Store, bytes: usize, count: usize, measured: &Measured) {
    let (floor, server) = rates(measured);
    let name = match (store, bytes, count) {
        (Store::OpenBao(_), 20_000, 8) => "openbao_20_kb_8",
        (Store::OpenBao(_), 800_000, 8) => "openbao_800_kb_8",
        (Store::Embedded, 20_000, 8) => "embedded_20_kb_8",
        _ => return,
    };
    report.figure(name, ratio(server, floor));
}
