//! The JSON documents of both protocols.

use std::collections::BTreeMap;

use http::Response;
use serde_json::{Value, json};
use tofu_state_providers::mirror::{Mirror, Record};
use tofu_state_providers::sources::{Archive, Archives, Index};
use tofu_state_providers::{Address, Platform, Version};

use super::packages::{SIGNATURE, SUMS};
use super::reply::{self, Refused};
use super::target::{self, Target};
use crate::listener::outgoing::Outgoing;

/// The document that `target` is.
pub(super) async fn answer(mirror: &Mirror, target: Target) -> Result<Response<Outgoing>, Refused> {
    match target {
        Target::Index(address) => {
            let versions = mirror.versions(&address).await?;
            let versions = versions.iter().map(|version| (version.to_string(), serde_json::Map::new())).collect();
            reply::json(&Index { versions })
        }
        Target::Archives(address, version) => {
            let record = mirror.release(&address, &version).await?;
            reply::json(&archives(mirror, &address, &version, &record))
        }
        Target::Lock(address, version) => reply::json(&mirror.release(&address, &version).await?.lock_set()),
        Target::Versions(address) => {
            let versions = mirror.versions(&address).await?;
            let mut listed = Vec::new();
            for version in &versions {
                // What is not known yet of a version is asked for when the version is.
                listed.push(json!({"version": version.to_string()}));
            }
            reply::json(&json!({"versions": listed}))
        }
        Target::Download { address, version, platform } => {
            let record = mirror.release(&address, &version).await?;
            reply::json(&download(mirror, &address, &version, &platform, &record)?)
        }
        Target::Package { .. } | Target::File { .. } => Err(Refused::not_found("There is no such document.")),
    }
}

fn url(mirror: &Mirror, address: &Address, version: &Version, name: &str) -> String {
    let target = target::link(address, version, name);
    // A path, so that it holds under whatever name this server is known.
    format!("/-/mirror/files/{}/{target}", mirror.links().grant(&target))
}

fn archives(mirror: &Mirror, address: &Address, version: &Version, record: &Record) -> Archives {
    let archive = |platform: &String, name: &str| Archive {
        url: url(mirror, address, version, name),
        hashes: record.hashes(platform),
    };
    let archives =
        record.packages.iter().map(|(platform, package)| (platform.clone(), archive(platform, &package.filename)));
    Archives { archives: archives.collect(), lock: Some(record.lock_set()) }
}

fn download(
    mirror: &Mirror,
    address: &Address,
    version: &Version,
    platform: &Platform,
    record: &Record,
) -> Result<Value, Refused> {
    let package = record.packages.get(&platform.to_string());
    let package =
        package.ok_or_else(|| Refused::not_found(&format!("{address} {version} has no package for {platform}")))?;
    let mut answer = json!({
        "protocols": record.protocols,
        "os": platform.os(),
        "arch": platform.architecture(),
        "filename": package.filename,
        "download_url": url(mirror, address, version, &package.filename),
        "shasum": package.sha256,
        "shasums_url": url(mirror, address, version, SUMS),
        "shasums_signature_url": url(mirror, address, version, SIGNATURE),
        "signing_keys": mirror.signing_keys(record),
    });
    // OpenTofu takes it only when it names every platform.
    if record.is_complete()
        && let Some(answer) = answer.as_object_mut()
    {
        let packages: BTreeMap<_, _> = record
            .packages
            .iter()
            .filter_map(|(platform, package)| {
                let known = package.known.as_ref()?;
                let h1 = known.hashes()?.h1.to_string();
                let hashes = [h1, package.sha256.zh().to_string()];
                Some((platform, json!({"hashes": hashes, "package_size": known.bytes})))
            })
            .collect();
        answer.insert("packages".to_owned(), json!(packages));
    }
    Ok(answer)
}
