//! Where the client goes: what a registry answers names URLs, and they must not lead it everywhere.
//!
//! Private networks are reached, because private registries and their stores are there. Link-local addresses are not:
//! there are a cloud's metadata and its credentials, and no provider.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

/// More redirects than registries and their stores use; both CLIs stop here too.
const MOST_REDIRECTS: usize = 10;
/// Amazon's metadata over IPv6, which is not link-local.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Why a URL is not followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("more than {MOST_REDIRECTS} redirects")]
    TooMany,
    #[error("it redirects from https to http")]
    Downgrade,
    #[error("the address is link-local, where no provider is")]
    LinkLocal,
}

/// Follows redirects, but neither for ever, nor out of TLS, nor to where [`check`] refuses to go.
pub(super) fn redirects() -> Policy {
    Policy::custom(|attempt| match follows(attempt.previous(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(error) => attempt.error(error),
    })
}

fn follows(previous: &[Url], next: &Url) -> Result<(), Refused> {
    if previous.len() > MOST_REDIRECTS {
        return Err(Refused::TooMany);
    }
    let was_tls = previous.last().is_some_and(|url| url.scheme() == "https");
    if was_tls && next.scheme() != "https" { Err(Refused::Downgrade) } else { check(next) }
}

/// Refuses a URL whose host is a link-local address; names are looked at by [`Names`].
pub(super) fn check(url: &Url) -> Result<(), Refused> {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    if address.is_some_and(is_link_local) { Err(Refused::LinkLocal) } else { Ok(()) }
}

/// Resolves names as the operating system does, without what is link-local. The client connects to the addresses
/// that were looked at here, and asks for no name twice.
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            let reachable: Vec<_> = addresses.iter().filter(|it| !is_link_local(it.ip())).copied().collect();
            if reachable.is_empty() && !addresses.is_empty() {
                return Err(Refused::LinkLocal.into());
            }
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address == METADATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_neither_out_of_tls_nor_on_for_ever() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (plain, tls) = (url("http://a.example/x"), url("https://b.example/x"));
        assert_eq!(follows(std::slice::from_ref(&plain), &tls), Ok(()));
        assert_eq!(follows(std::slice::from_ref(&tls), &tls), Ok(()));
        assert_eq!(follows(&[plain.clone(), tls.clone()], &plain), Err(Refused::Downgrade));
        assert_eq!(follows(&vec![plain.clone(); MOST_REDIRECTS + 1], &plain), Err(Refused::TooMany));
        assert_eq!(follows(&[plain], &url("http://169.254.169.254/")), Err(Refused::LinkLocal));
    }

    #[test]
    fn metadata_is_out_of_reach_however_it_is_written() {
        for refused in [
            "http://169.254.169.254/latest",
            "http://2852039166/latest",
            "http://0xa9fea9fe/",
            "https://[::ffff:169.254.169.254]/",
            "http://[fe80::1]:80/",
            "http://[fd00:ec2::254]/",
        ] {
            assert_eq!(check(&refused.parse().unwrap()), Err(Refused::LinkLocal), "{refused}");
        }
        for reached in ["http://127.0.0.1:1/", "https://10.0.0.1/", "https://registry.example/", "http://[::1]/"] {
            assert_eq!(check(&reached.parse().unwrap()), Ok(()), "{reached}");
        }
    }
}
