//! The store in memory passes the suite.

use std::sync::Arc;

use tofu_state_store::memory::Memory;
use tofu_state_store::testing::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite() {
    suite::run_all(Arc::new(Memory::new())).await;
}
