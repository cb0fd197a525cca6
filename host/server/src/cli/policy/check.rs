//! `tofu-state policy check`.

use std::io::{Read, Write};
use std::path::Path;

use tofu_state_component::policies::{Chain, Mode, Operations, World};
use tofu_state_component::{Allocation, Engine, Limits};

use crate::cli::{Flags, say};
use crate::config::{self, file};
use crate::generations::load::{LoadError, Loader};
use crate::policies::make;

/// What begins everything that is WebAssembly.
const MAGIC: &[u8] = b"\0asm";

/// Checks a policy file, or a module. Returns whether a server would take it.
///
/// # Errors
/// Why the file cannot be read, or a setting's mistake.
pub(super) fn check(path: &Path, flags: &Flags, out: &mut impl Write, err: &mut impl Write) -> Result<bool, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    if begins_with_magic(path).map_err(unreadable)? {
        return module(path, out).map(|()| true);
    }
    let text = file::read(path).map_err(unreadable)?;
    let wanted = match crate::policies::parse(&text) {
        Ok(wanted) => wanted,
        Err(mistakes) => {
            let mistakes: Vec<_> =
                mistakes.iter().map(|mistake| format!("POLICY_FILE {}: {mistake}", path.display())).collect();
            return Ok(refuse(&mistakes, err));
        }
    };
    if !crate::policies::is_guarded(&wanted) {
        say(err, "note: lineage-guard is not in force on all states: older states and those of other lineages pass");
    }
    let sources = flags.with_environment(|source| config::policy_sources(source, path));
    let sources = sources.map_err(|mistakes| mistakes.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    match runtime.block_on(Loader::new(engine()?).policies_alone(&sources)) {
        Ok(chain) => list(&chain, out),
        Err(LoadError::Wrong(mistakes)) => return Ok(refuse(&mistakes, err)),
        Err(LoadError::Passing(what)) => return Ok(refuse(&[what], err)),
    }
    Ok(true)
}

/// An engine that takes no more address space than it uses.
pub(super) fn engine() -> Result<Engine, String> {
    let limits = Limits { allocation: Some(Allocation::OnDemand), ..Limits::default() };
    Engine::new(limits).map_err(|error| error.to_string())
}

/// The world's name in the WIT.
pub(super) fn world(world: World) -> &'static str {
    match world {
        World::Policy => "policy-module",
        World::StatePolicy => "state-policy-module",
    }
}

fn begins_with_magic(path: &Path) -> std::io::Result<bool> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head == MAGIC)
}

fn refuse(mistakes: &[String], err: &mut impl Write) -> bool {
    mistakes.iter().for_each(|mistake| say(err, mistake));
    false
}

fn list(chain: &Chain, out: &mut impl Write) {
    let longest = chain.entries().map(|entry| entry.name.len()).max().unwrap_or_default().max("POLICY".len());
    let line = |name: &str, mode: &str, judges: &str, kind: &str, size: &str, digest: &str| {
        format!("{name:<longest$}  {mode:<7}  {judges:<17}  {kind:<19}  {size:>9}  {digest}")
    };
    say(out, &line("POLICY", "MODE", "JUDGES", "WORLD", "SIZE", "SHA-256"));
    for entry in chain.entries() {
        let mode = match entry.mode {
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
        };
        let module = &entry.module;
        let size = module.size().to_string();
        say(out, &line(&entry.name, mode, &judges(entry.operations), world(module.world()), &size, module.digest()));
    }
}

/// As the policy file writes them.
fn judges(operations: Operations) -> String {
    let Operations { lock, write, force_unlock, delete } = operations;
    let names = [(lock, "lock"), (write, "write"), (force_unlock, "force-unlock"), (delete, "delete")];
    if operations == Operations::ALL {
        return "all".to_owned();
    }
    names.iter().filter(|(judged, _)| *judged).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

/// A module alone: what can be checked without its configuration, and an entry for it.
fn module(path: &Path, out: &mut impl Write) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = make::read_module(path)?;
    let module = engine()?.load_policy(&bytes).map_err(|error| failed(&error))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase().replace('_', "-");
    let state = if module.world() == World::StatePolicy { "needs = [\"state\"]\n" } else { "" };
    say(out, &format!("# {}, {} bytes", world(module.world()), module.size()));
    say(
        out,
        &format!(
            "[[policy]]\nname = {name:?}\npath = {:?}\nsha256 = \"{}\"\n{state}configuration = \"\"\"\n\"\"\"",
            path.to_string_lossy(),
            module.digest()
        ),
    );
    Ok(())
}
