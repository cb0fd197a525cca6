//! The server's start and its memory: idle, with one large state, and under many writers.

use std::sync::Arc;

use super::cells::{clients, openbao_server};
use super::clients::ServerClient;
use super::process::Launch;
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::{count, median};
use crate::table::{Cell, Table};

const WRITERS: usize = 64;
const WRITTEN_BYTES: usize = 1_000_000;

/// The default of `MAX_STATE_BYTES`.
const LARGEST: usize = 64 << 20;

/// Measures all of it.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut table =
        Table::new("footprint", "(d) server: start and memory", &["store", "what", "MiB", "by the state's size", "ms"]);
    report.progress("server: start and idle memory");
    idle(plan, report, &mut table).await?;
    let launch = Launch::embedded(plan.server.clone());
    report.progress("server: memory, embedded");
    let (written, read) = one_large(&launch, "embedded", &mut table).await?;
    report.figure("large_in", written);
    report.figure("large_out", read);
    let added = many_writers(plan, &launch, "embedded", &mut table).await?;
    report.figure("writers_added_mib", added);
    if !plan.quick {
        report.progress("server: memory, openbao");
        let bao = openbao_server().await?;
        let launch = Launch::openbao(plan.server.clone(), &bao.address(), bao.token());
        one_large(&launch, "openbao", &mut table).await?;
        many_writers(plan, &launch, "openbao", &mut table).await?;
    }
    table.note("memory: resident (VmRSS), and its peak (VmHWM) less what was resident before; 1 MiB = 2^20 bytes.");
    report.add(table);
    Ok(())
}

async fn idle(plan: &Plan, report: &mut Report, table: &mut Table) -> anyhow::Result<()> {
    let (mut starts, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds() {
        let server = Launch::embedded(plan.server.clone()).start().await?;
        starts.push(server.ready_after.as_secs_f64() * 1e3);
        resident.push(server.settled().await?);
    }
    let (start, resident) = (median(starts), median(resident));
    table.row([
        Cell::from("embedded"),
        Cell::from("start to ready; idle memory"),
        Cell::number(resident, 1),
        Cell::Nothing,
        Cell::number(start, 0),
    ]);
    report.figure("start_ms", start);
    report.figure("idle_mib", resident);
    Ok(())
}

/// The largest state in, and out, each by its size; nothing where the store does not take it.
async fn one_large(launch: &Launch, store: &str, table: &mut Table) -> anyhow::Result<(Option<f64>, Option<f64>)> {
    let server = launch.clone().start().await?;
    let states = Arc::new(States::new(LARGEST, 8));
    let mut client = ServerClient::new(server.listen, "large", Arc::clone(&states))?;
    let size = count(states.whole(1).len()) / 1_048_576.0;
    let mut ratios = [None, None];
    for (reading, ratio) in [false, true].into_iter().zip(&mut ratios) {
        let what = if reading { "one state of 64 MiB out" } else { "one state of 64 MiB in" };
        let before = server.settled().await?;
        let done = if reading { client.get().await } else { client.post().await };
        let added = server.usage()?.peak - before;
        let shown = |value: f64| Cell::Number(value, 2);
        match done {
            Ok(time) => {
                *ratio = Some(added / size);
                let ms = Cell::Number(time.as_secs_f64() * 1e3, 0);
                table.row([Cell::from(store), Cell::from(what), Cell::Number(added, 0), shown(added / size), ms]);
            }
            Err(error) => {
                let text = format!("{error:#}").chars().take(120).collect::<String>();
                table.note(format!("{store}, {what}: {text}"));
                break;
            }
        }
    }
    Ok((ratios[0], ratios[1]))
}

/// The memory that many writers add.
async fn many_writers(plan: &Plan, launch: &Launch, store: &str, table: &mut Table) -> anyhow::Result<Option<f64>> {
    let server = launch.clone().start().await?;
    let mut writers = clients(server.listen, WRITERS, &States::new(WRITTEN_BYTES, 9))?;
    let before = server.settled().await?;
    let turn = match writers.turn(2 * plan.server_turn()).await {
        Ok(turn) => turn,
        Err(error) => {
            let text = format!("{error:#}").chars().take(120).collect::<String>();
            table.note(format!("{store}, 64 clients write 1 MB: {text}"));
            return Ok(None);
        }
    };
    let added = server.usage()?.peak - before;
    table.row([
        Cell::from(store),
        Cell::from("64 clients write 1 MB: added memory; ms a cycle"),
        Cell::Number(added, 0),
        Cell::Nothing,
        Cell::Number(1e3 / turn.rate(), 1),
    ]);
    Ok(Some(added))
}
