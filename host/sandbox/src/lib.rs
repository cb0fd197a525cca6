//! Scenarios, exploration and replay of protocol components, on `host/component` and a store in memory.
//!
//! A component reaches the world only through its imports, so it can be run against every order of concurrent
//! requests' store calls and every fault, on the very bytes that serve. [`Sandbox`] holds the component (and the
//! policies) under test, a [`Scenario`] says who does what, [`Sandbox::explore`] covers its schedules, and
//! [`Sandbox::run`] makes its steps. There are no sockets, no clock and no chance in it: everything comes out the same
//! every time.
//!
//! ```no_run
//! use tofu_state_sandbox::{Bounds, Sandbox, Scenario};
//!
//! let sandbox = Sandbox::built_in()?;
//! let scenario = Scenario::parse(
//!     r#"
//!     name = "two clients want the lock"
//!     client = [
//!         { name = "a", requests = ["LOCK a", "GET", "POST a 1", "UNLOCK a"] },
//!         { name = "b", requests = ["LOCK b", "GET", "POST b 1", "UNLOCK b"] },
//!     ]
//!     faults = { up-to = 1, kinds = ["crash"] }
//!     "#,
//! )?;
//! let explored = sandbox.explore(&scenario, &Bounds::default(), |_| {})?;
//! assert!(explored.counterexample.is_none() && explored.complete);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod explore;
mod machine;
pub mod recording;
mod replay;
mod report;
mod run;
mod sandbox;
mod scenario;
mod store;
mod world;

pub use explore::{Bounds, Counterexample, Explored, Progress};
pub use replay::{Outcome, Replay, ReplayError, Replayed};
pub use report::{Diagram, Row};
pub use run::{Ran, StepRan};
pub use sandbox::{Sandbox, SandboxError, engine};
pub use scenario::{
    Client, Expectation, Expected, FaultKind, Faults, ForceUnlock, FullStep, ProtocolSettings, Scenario, ScenarioError,
    Step, StepFault, StepFaultKind, StoreSettings, Tolerated,
};
pub use world::invariants::Violation;
