//! Writes each mutant as a component of its own: `make mutants`.
//!
//! `cargo run -p tofu-state-mutants --example mutants -- target/…/tofu_state_mutants.wasm target/mutants`
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::path::Path;

use tofu_state_mutants::{Mutant, component};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [all, folder] = arguments.as_slice() else {
        return Err("two arguments are needed: the component that holds all mutants, and a folder".into());
    };
    let all = std::fs::read(all).map_err(|error| format!("{all}: {error}"))?;
    std::fs::create_dir_all(folder)?;
    for mutant in Mutant::ALL {
        let made = component(&all, *mutant).ok_or("this is not the component that holds all mutants")?;
        let file = Path::new(folder).join(mutant.name()).with_extension("wasm");
        std::fs::write(&file, made)?;
        println!("{}: {}", file.display(), mutant.does());
    }
    Ok(())
}
