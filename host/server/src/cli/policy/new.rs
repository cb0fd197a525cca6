//! `tofu-state policy new`: a template that builds and tests as it is.

use std::io::Write;
use std::path::Path;

use crate::cli::say;

/// The files, by their paths in the new folder; `NAME` and `CRATE` are filled in.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md")),
    ("cases.toml", include_str!("template/cases.toml")),
    (".gitignore", "/target\n"),
    ("src/lib.rs", include_str!("template/src/lib.rs")),
    ("src/component.rs", include_str!("template/src/component.rs")),
    ("wit/policy.wit", include_str!("../../../../../wit/deps/policy/policy.wit")),
    ("wit/types.wit", include_str!("../../../../../wit/deps/policy/types.wit")),
    ("wit/worlds.wit", include_str!("../../../../../wit/deps/policy/worlds.wit")),
];

/// The longest name.
const LONGEST: usize = 50;

/// Writes the template into a new folder below `parent`.
///
/// # Errors
/// What is wrong with the name, or that the folder exists or cannot be written.
pub(super) fn create(parent: &Path, name: &str, out: &mut impl Write) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || name.ends_with('-')
        || name.len() > LONGEST
        || !name.bytes().all(allowed)
    {
        return Err(format!(
            "{name:?} is no name for a module: write a-z, 0-9 and `-`, a letter first, at most {LONGEST} characters"
        ));
    }
    let folder = parent.join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    // Fails where there is something: nothing of anybody's is written over.
    std::fs::create_dir(&folder).map_err(failed)?;
    for (path, text) in FILES {
        let file = folder.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = text.replace("CRATE", &name.replace('-', "_")).replace("NAME", name);
        std::fs::write(&file, text).map_err(failed)?;
    }
    say(
        out,
        &format!(
            "{name}/ is a policy module in Rust. Its rule is in src/lib.rs.\n\n  cd {name}\n  cargo test\n  \
             cargo build --release --target wasm32-wasip2\n  tofu-state policy test cases.toml\n  \
             tofu-state policy check target/wasm32-wasip2/release/{}.wasm",
            name.replace('-', "_")
        ),
    );
    Ok(())
}
