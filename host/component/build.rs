//! Builds the components that the crate embeds: the protocol, the policies, and with the feature `testing` those
//! that misbehave. A nested cargo does it, in a target directory of its own: cargo locks the one that it builds in,
//! and two that wait for each other would hang. Then compiles them to native code, so that no start has to.
#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest, Sha256};

#[path = "src/settings.rs"]
mod settings;

/// The policies that are shipped: `guest/policies/<name>`, a package called `tofu-state-<name>`.
const POLICIES: &[&str] =
    &["lineage-guard", "version-pin", "deletion-guard", "freeze", "require-lock", "encrypted-only"];

const TARGET: &str = "wasm32-wasip2";

/// Variables of the outer cargo that would change what the nested one builds: flags for the host's
/// compiler, wrappers such as clippy's, the outer package's own. What says where to download from,
/// and how many jobs may run, stays.
const LEFT_OUT: &[&str] =
    &["RUSTC", "RUSTDOC", "RUSTFLAGS", "CLIPPY_", "TARGET", "PROFILE", "OPT_LEVEL", "DEBUG", "CARGO_"];
const KEPT: &[&str] =
    &["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..");
    for input in [
        "wit",
        "guest/protocol/src",
        "guest/protocol/build.rs",
        "guest/protocol/Cargo.toml",
        "guest/policies",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    check_target()?;
    println!("cargo::rerun-if-changed=src/settings.rs");
    let mut nested = Nested { target_dir: target_dir(&out)?.join("guest"), workspace, out, built: Vec::new() };
    nested.shipped()?;
    if env::var_os("CARGO_FEATURE_TESTING").is_some() {
        println!("cargo::rerun-if-changed={}", nested.workspace.join("guest/mutants/faulty").display());
        nested.component("tofu-state-faulty", &[], "faulty.wasm")?;
        nested.component("tofu-state-faulty", &["--features", "reaches-out"], "reaching.wasm")?;
        println!("cargo::rerun-if-changed={}", nested.workspace.join("guest/mutants/protocol").display());
        nested.component("tofu-state-mutants", &[], "mutants.wasm")?;
        println!("cargo::rerun-if-changed={}", nested.workspace.join("guest/mutants/policy").display());
        nested.component("tofu-state-faulty-policy", &[], "faulty-policy.wasm")?;
        for feature in ["reads-states", "reaches-out", "judges-wrongly", "vast"] {
            let name = format!("faulty-policy-{feature}.wasm");
            nested.component("tofu-state-faulty-policy", &["--features", feature], &name)?;
        }
    }
    compile(&nested.out, &nested.built)
}

/// Compiles the components in `out` and lists digests and code for `src/native.rs`.
///
/// For any processor of the target's architecture: the program may run on another machine than this one. A component
/// that is meant to be refused, and a target that this cargo's wasmtime cannot compile for, get no code.
fn compile(out: &Path, names: &[String]) -> Result<(), Box<dyn Error>> {
    let mut config = settings::compiling(settings::MEMORY_BYTES);
    config.target(&env::var("TARGET")?)?;
    let mut list = String::from("&[");
    if let Ok(engine) = wasmtime::Engine::new(&config) {
        for name in names {
            let component = fs::read(out.join(name))?;
            let Ok(code) = engine.precompile_component(&component) else { continue };
            let path = out.join(name).with_extension("code");
            fs::write(&path, code)?;
            let digest = hex::encode(Sha256::digest(&component));
            list.push_str(&format!("({digest:?}, include_bytes!({path:?}).as_slice()),"));
        }
    }
    list.push(']');
    Ok(fs::write(out.join("native_code.rs"), list)?)
}

struct Nested {
    workspace: PathBuf,
    target_dir: PathBuf,
    out: PathBuf,
    /// Names of the components that lie in `out` by now.
    built: Vec<String>,
}

impl Nested {
    /// Builds the protocol and the policies that are shipped, in one call of cargo, and lists the policies for
    /// `src/policies/built_in.rs`.
    fn shipped(&mut self) -> Result<(), Box<dyn Error>> {
        let packages: Vec<_> = POLICIES.iter().map(|name| format!("tofu-state-policy-{name}")).collect();
        let mut options = vec!["--package", "tofu-state-protocol"];
        packages.iter().for_each(|package| options.extend(["--package", package]));
        self.cargo(&options)?;
        self.take("tofu-state-protocol", "protocol.wasm")?;
        let mut list = String::from("&[");
        for (name, package) in POLICIES.iter().zip(&packages) {
            let file = format!("policy-{name}.wasm");
            self.take(package, &file)?;
            let path = self.out.join(&file);
            list.push_str(&format!("({name:?}, include_bytes!({path:?}).as_slice()),"));
        }
        list.push(']');
        Ok(fs::write(self.out.join("built_in_policies.rs"), list)?)
    }

    /// Builds `package` and puts the component into `OUT_DIR` as `name`.
    fn component(&mut self, package: &str, options: &[&str], name: &str) -> Result<(), Box<dyn Error>> {
        self.cargo(&[&["--package", package], options].concat())?;
        self.take(package, name)
    }

    fn cargo(&self, options: &[&str]) -> Result<(), Box<dyn Error>> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (variable, _) in env::vars_os() {
            let text = variable.to_string_lossy();
            let starts = |prefix: &&str| text.starts_with(prefix);
            if LEFT_OUT.iter().any(starts) && !KEPT.iter().any(starts) {
                cargo.env_remove(&variable);
            }
        }
        let status = cargo
            .current_dir(&self.workspace)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags())
            .args(["build", "--locked", "--profile", "guest", "--target", TARGET])
            .arg("--target-dir")
            .arg(&self.target_dir)
            .args(options)
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(format!("`cargo build {}` failed; cargo's messages stand above", options.join(" ")).into())
    }

    /// Flags for the compiler, as cargo takes them: no component names a folder of the machine that built it, so two
    /// machines with the same compiler build the same bytes, which have the same digest.
    fn flags(&self) -> OsString {
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
        let folders = [(self.workspace.canonicalize().ok(), "/src"), (cargo_home, "/cargo")];
        let flags = folders.into_iter().filter_map(|(folder, name)| {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(folder?);
            flag.push("=");
            flag.push(name);
            Some(flag)
        });
        flags.collect::<Vec<_>>().join(OsStr::new("\u{1f}"))
    }

    /// Puts the component that was built of `package` into `OUT_DIR` as `name`.
    fn take(&mut self, package: &str, name: &str) -> Result<(), Box<dyn Error>> {
        let file = format!("{}.wasm", package.replace('-', "_"));
        let built = self.target_dir.join(TARGET).join("guest").join(file);
        fs::copy(&built, self.out.join(name)).map_err(|error| format!("{}: {error}", built.display()))?;
        self.built.push(name.to_owned());
        Ok(())
    }
}

/// The target directory that all profiles share: the one that cargo has marked as such.
fn target_dir(out: &Path) -> Result<&Path, Box<dyn Error>> {
    out.ancestors()
        .find(|ancestor| ancestor.join("CACHEDIR.TAG").is_file())
        .or_else(|| out.ancestors().nth(4))
        .ok_or_else(|| "OUT_DIR lies outside a target directory".into())
}

/// A missing target would show as pages of "can't find crate for `std`".
fn check_target() -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let directory = String::from_utf8(answer.stdout)?;
    if answer.status.success() && Path::new(directory.trim()).is_dir() {
        return Ok(());
    }
    Err(format!("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}` or `make setup`").into())
}
