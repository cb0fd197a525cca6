//! Settings of where the component and the policies come from.

use std::path::{Path, PathBuf};

use super::source::{Reading, Source};
use super::{Mistakes, Wrong, settings, values};
use crate::generations::signature::Key;
use crate::generations::source::{Place, ProtocolSource, Sources};
use crate::oci;
use crate::policies::PolicyFile;

/// The policy file at `path` and what modules may come from, for `policy check`.
///
/// # Errors
/// All mistakes at once.
pub fn policy_sources(source: &Source<'_>, path: &Path) -> Result<Sources, Mistakes> {
    let mut reading = Reading::new(source);
    match modules(&mut reading) {
        Some((registries, key)) if reading.is_clean() => {
            Ok(Sources { protocol: ProtocolSource::BuiltIn, policies: Some(path.to_owned()), registries, key })
        }
        _ => Err(reading.mistakes()),
    }
}

/// The component and the policies.
pub(super) fn sources(r: &mut Reading<'_>) -> Option<Sources> {
    let protocol = component(r);
    let modules = modules(r);
    let policies = policies(r);
    let (registries, key) = modules?;
    Some(Sources { protocol, policies, registries, key })
}

/// How registries are reached, and who signs what comes from anywhere.
fn modules(r: &mut Reading<'_>) -> Option<(oci::Settings, Option<Key>)> {
    let cache = r.value(&settings::MODULE_CACHE_DIR, values::path);
    let credentials = r.value(&settings::OCI_CREDENTIALS_FILE, values::path);
    let ca = r.value(&settings::OCI_CACERT, values::path);
    let key = r.value(&settings::MODULE_PUBLIC_KEY, |text| {
        text.parse::<Key>()
            .map_err(|error| Wrong::new(error.to_string(), "write the second line of the .pub file that minisign made"))
    });
    Some((oci::Settings { cache: cache?, credentials, ca }, key))
}

fn component(r: &mut Reading<'_>) -> ProtocolSource {
    let named_in = r.value(&settings::PROTOCOL_COMPONENT_FILE, values::path);
    if r.given(&settings::PROTOCOL_COMPONENT).is_none() {
        return named_in.map_or(ProtocolSource::BuiltIn, ProtocolSource::NamedIn);
    }
    if named_in.is_some() {
        let wrong = Wrong::new("PROTOCOL_COMPONENT_FILE is set too", "set one of the two");
        r.mistake(settings::PROTOCOL_COMPONENT.name, None, wrong);
    }
    let pinned = r.value(&settings::PROTOCOL_COMPONENT, |text| {
        text.parse::<Place>()
            .map_err(|error| Wrong::new(error.to_string(), "write `PATH@sha256:` and 64 hexadecimal digits"))
    });
    pinned.map_or(ProtocolSource::BuiltIn, ProtocolSource::Pinned)
}

/// The file is read when the server starts; here so that its mistakes are told with all others.
fn policies(r: &mut Reading<'_>) -> Option<PathBuf> {
    r.given(&settings::POLICY_FILE)?;
    let path = r.value(&settings::POLICY_FILE, values::path)?;
    match PolicyFile::read(&path) {
        Ok(_) => Some(path),
        Err(mistakes) => {
            for what in mistakes {
                let wrong = Wrong::new(what, "correct it");
                r.mistake(settings::POLICY_FILE.name, Some(path.display().to_string()), wrong);
            }
            None
        }
    }
}
