//! What policies add to a write: the same requests under chains of different lengths, and the counting of
//! resources by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tofu_state_component::policies::{Chain, Entry, LINEAGE_GUARD, built_in, count_resources};
use tofu_state_component::{Engine, Granted, Protocol, Surroundings};
use tofu_state_store::memory::Memory;

use super::component;
use super::cycle::{OPERATIONS, Plain, check, requests};
use super::runtime;
use crate::options::Plan;
use crate::report::Report;
use crate::states::States;
use crate::statistics::{median, micros, number, ratio};
use crate::table::{Cell, Table};

/// How many policies there are; the first is what the others are compared with.
const LENGTHS: [usize; 4] = [0, 1, 3, 10];

/// The states' size, and how many cycles a round has.
const BYTES: usize = 20_000;
const CYCLES: u64 = 150;

/// The states whose resources are counted.
const COUNTED: [(&str, usize); 3] = [("20 KB", 20_000), ("800 KB", 800_000), ("8 MB", 8_000_000)];

/// One chain, and its rounds: microseconds of a POST.
struct Side {
    policies: usize,
    around: Surroundings,
    next: u64,
    posts: Vec<f64>,
}

/// Measures what policies cost.
pub(super) fn measure(plan: &Plan, engine: &Engine, protocol: &Protocol, report: &mut Report) -> anyhow::Result<()> {
    let guard = built_in().iter().find(|(name, _)| *name == LINEAGE_GUARD);
    let (_, bytes) = guard.context("lineage-guard is not built in")?;
    let module = engine.load_policy(bytes)?;
    let mut sides = Vec::new();
    for policies in LENGTHS {
        let entries = (0..policies).map(|n| Entry::new(&format!("guard-{n}"), module.clone())).collect();
        let chain = Arc::new(Chain::new(entries)?);
        let around = Surroundings {
            store: Arc::new(Memory::new()),
            store_wait: None,
            policies: chain,
            rights: Granted::default(),
        };
        sides.push(Side { policies, around, next: 1, posts: Vec::new() });
    }
    let runtime = runtime(2)?;
    let states = Arc::new(States::new(BYTES, 1));
    for _ in 0..plan.rounds() {
        for side in &mut sides {
            let (protocol, around, states) = (protocol.clone(), side.around.clone(), Arc::clone(&states));
            let first = side.next;
            side.next += CYCLES;
            // In a task, as the server's are.
            let task = runtime.spawn(async move { posts(&protocol, &around, first, &states).await });
            side.posts.push(micros(runtime.block_on(task)??) / number(CYCLES));
        }
    }
    let mut table = Table::new(
        "policies",
        "(b) policies: a POST of 20 KB under chains of lineage-guards, memory store, one client",
        &["policies", "µs a POST", "added µs", "added µs each", "against none"],
    );
    let none = sides.first().and_then(|side| median(side.posts.iter().copied()));
    for side in &sides {
        let post = median(side.posts.iter().copied());
        let added = post.zip(none).map(|(post, none)| post - none).filter(|_| side.policies > 0);
        let each = added.map(|added| added / number(side.policies as u64));
        table.row([
            Cell::from(side.policies.to_string()),
            Cell::number(post, 1),
            Cell::number(added, 1),
            Cell::number(each, 1),
            Cell::ratio(ratio(post, none)),
        ]);
        if side.policies == 10 {
            report.figure("policy_each_us", each);
        }
    }
    table.note(format!("the module: {} KB", bytes.len() / 1024));
    report.add(table);
    counting(plan, report)
}

/// One round; the time of its POSTs, summed.
async fn posts(protocol: &Protocol, around: &Surroundings, first: u64, states: &States) -> anyhow::Result<Duration> {
    let path = vec!["bench".to_owned(), "policies".to_owned()];
    let mut sum = Duration::ZERO;
    for cycle in first..first + CYCLES {
        for (operation, Plain { method, query, body }) in OPERATIONS.iter().zip(requests(cycle, states)) {
            let start = Instant::now();
            let status = component::handle(protocol, around, &path, method, query, body).await?;
            if *operation == "POST" {
                sum += start.elapsed();
            }
            check(status, cycle, method)?;
        }
    }
    Ok(sum)
}

fn counting(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut table = Table::new(
        "resources",
        "(b) policies: counting what a write does to the resources, once for a whole chain",
        &["state", "resources", "µs"],
    );
    for (name, bytes) in COUNTED {
        let (before, after) = (States::new(bytes, 1).whole(1), States::new(bytes, 2).whole(2));
        let mut rounds = Vec::new();
        let mut resources = 0;
        for _ in 0..plan.rounds() {
            let start = Instant::now();
            let counted = count_resources(Some(before.as_ref()), &after).context("a state was not counted")?;
            rounds.push(micros(start.elapsed()));
            resources = counted.after;
        }
        table.row([Cell::from(name), Cell::from(resources.to_string()), Cell::number(median(rounds), 0)]);
    }
    table.note("both states are read whole, and every attribute is hashed (SHA-256)");
    report.add(table);
    Ok(())
}
