//! The policy module that is not written in Rust (`guest/policies/examples/typescript`), built from npm's packages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The module's file. `make` builds it if it is missing or older than its sources.
///
/// # Panics
/// If it cannot be built; what `make` printed is in the text.
#[must_use]
pub fn typescript_module() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut make = Command::new("make");
        make.args(["--no-print-directory", "policy-example"]).current_dir(&root);
        // What a `make` around this one says is about its own targets.
        make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        let output = make.output().expect("make");
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "make policy-example failed:\n{printed}");
        root.join("target/policy-example/owners.wasm").canonicalize().expect("the module")
    });
    &BUILT
}
