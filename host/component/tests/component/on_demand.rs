//! Machines without the address space for a pool.

use std::env;
use std::process::Command;

use tofu_state_component::{Allocation, Failure, Limits};

use crate::common::{faulty_with, nothing, request, small_limits, text};

const SMALL_ADDRESS_SPACE: &str = "TEST_WITH_SMALL_ADDRESS_SPACE";

#[tokio::test]
async fn all_works_without_a_pool() {
    let limits = Limits { allocation: Some(Allocation::OnDemand), ..small_limits() };
    let (engine, protocol) = faulty_with(limits);
    assert_eq!(engine.allocation(), Allocation::OnDemand);
    for _ in 0..3 {
        assert_eq!(text(protocol.handle(request("count"), nothing()).await), (200, "1".to_owned()));
    }
    for (what, is_meant) in [
        ("eat", (|failure| matches!(failure, Failure::OutOfMemory(_))) as fn(&Failure) -> bool),
        ("loop", |failure| matches!(failure, Failure::Endless(_))),
        ("recurse", |failure| matches!(failure, Failure::Trapped(_))),
    ] {
        let failure = protocol.handle(request(what), nothing()).await.unwrap_err();
        assert!(is_meant(&failure), "{what}: {failure}");
    }
}

#[tokio::test]
async fn the_pool_is_taken_where_there_is_space() {
    let (engine, _) = faulty_with(small_limits());
    assert_eq!(engine.allocation(), Allocation::Pooling);
}

/// Starts itself again in a process with 4 GiB of address space, which the default pool exceeds.
#[test]
fn a_machine_without_the_space_gets_instances_on_demand() {
    if env::var_os(SMALL_ADDRESS_SPACE).is_none() {
        let child = Command::new("sh")
            .args(["-c", "ulimit -v 4194304 && exec \"$0\" \"$@\""])
            .arg(env::current_exe().unwrap())
            .args(["--exact", "on_demand::a_machine_without_the_space_gets_instances_on_demand"])
            .env(SMALL_ADDRESS_SPACE, "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && printed.contains("1 passed"), "{printed}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (engine, protocol) = faulty_with(Limits::default());
        assert_eq!(engine.allocation(), Allocation::OnDemand);
        assert_eq!(text(protocol.handle(request("count"), nothing()).await), (200, "1".to_owned()));
        assert!(matches!(protocol.handle(request("eat"), nothing()).await, Err(Failure::OutOfMemory(_))));
    });
}
