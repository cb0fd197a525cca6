//! Where the programs are that tests run.

use std::path::PathBuf;

/// The pinned OpenBao (`tools/fetch-peers` fetches it).
const BAO: (&str, &str) = ("bao", "bao-2.7.2");
/// The pinned OpenTofu.
const TOFU: (&str, &str) = ("tofu", "tofu-1.12.6");
/// The pinned Terraform; any on `PATH` will do.
const TERRAFORM: (&str, &str) = ("terraform", "terraform-1.5.7");

/// Prometheus and its tool; any version will do.
const PROMETHEUS: (&str, &str) = ("prometheus", "prometheus-debian");
const PROMTOOL: (&str, &str) = ("promtool", "promtool-debian");
/// The registry of `tools/ociregistry`.
const REGISTRY: (&str, &str) = ("ociregistry", "ociregistry-0.20.6");
/// The checker of `tools/historycheck`.
const HISTORYCHECK: (&str, &str) = ("historycheck", "historycheck-1.3.1-3");

/// The storage of `tools/s3server`.
const STORAGE: (&str, &str) = ("s3server", "s3server-1.2.0");

/// The `bao` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn bao() -> PathBuf {
    find(BAO)
}

/// The `tofu` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn tofu() -> PathBuf {
    find(TOFU)
}

/// The `terraform` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn terraform() -> PathBuf {
    find(TERRAFORM)
}

/// The `ociregistry` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn registry() -> PathBuf {
    find(REGISTRY)
}

/// The `historycheck` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn historycheck() -> PathBuf {
    find(HISTORYCHECK)
}

/// The `s3server` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn storage() -> PathBuf {
    find(STORAGE)
}

/// The `prometheus` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn prometheus() -> PathBuf {
    find(PROMETHEUS)
}

/// The `promtool` program.
///
/// # Panics
/// If it is neither on `PATH` nor in the cache.
#[must_use]
pub fn promtool() -> PathBuf {
    find(PROMTOOL)
}

fn find((name, pinned): (&str, &str)) -> PathBuf {
    let on_path = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    let cached = || cache().map(|folder| folder.join(pinned).join(name)).filter(|file| file.is_file());
    match on_path.or_else(cached) {
        Some(program) => program,
        None => panic!("`{name}` is neither on PATH nor in the cache: run `make peers`"),
    }
}

/// `$TOFU_STATE_CACHE`, or `tofu-state` in the user's cache folder (XDG Base Directory).
fn cache() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("TOFU_STATE_CACHE") {
        return Some(folder.into());
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("tofu-state"))
}
