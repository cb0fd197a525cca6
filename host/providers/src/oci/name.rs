//! Names of registries and of the repositories in them.

use std::net::IpAddr;

/// The longest repository that registries take.
const LONGEST_REPOSITORY: usize = 255;

/// Whether `text` is a registry: a host, with a port if it is not the usual one.
#[must_use]
pub fn is_registry(text: &str) -> bool {
    let host = host(text);
    let is_name = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) && !host.is_empty()
    };
    let is_ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()));
    is_name(host) || is_ipv6
}

/// Whether `text` is a repository: lower-case words with single separators between them (the distribution
/// specification's grammar, without its finer points: the registry has the last word).
#[must_use]
pub fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    text.len() <= LONGEST_REPOSITORY && text.split('/').all(part)
}

/// Whether `host`, as it stands in a URL, is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The registry without its port.
#[must_use]
pub fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}
