//! Which provider: the source addresses of `required_providers`, and the host that stands where none is written.
//!
//! Rules: OpenTofu's registry-address module (v2) and svchost, and Terraform's `terraform-registry-address`.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Whose lock files and defaults are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Style {
    /// OpenTofu.
    Tofu,
    /// Terraform.
    Terraform,
}

impl Style {
    /// The host of a source that names none.
    #[must_use]
    pub fn default_host(self) -> &'static str {
        match self {
            Self::Tofu => "registry.opentofu.org",
            Self::Terraform => "registry.terraform.io",
        }
    }

    /// The program's name, as it stands in the head of a lock file.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Tofu => "tofu",
            Self::Terraform => "terraform",
        }
    }
}

/// The namespace of a source that names none.
const DEFAULT_NAMESPACE: &str = "hashicorp";

/// The namespace of addresses from before Terraform 0.13, which no lock file can hold.
const LEGACY_NAMESPACE: &str = "-";

const BUILT_IN_NAMESPACE: &str = "builtin";

/// A provider's full address. Ordered as the blocks of a lock file are: by host, namespace and type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    host: String,
    namespace: String,
    kind: String,
}

/// Why a text is no provider address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one to three parts.
    #[error("`{0}` is no provider source: write it as [hostname/][namespace/]type")]
    Shape(String),
    /// A namespace or type with other characters than a DNS label has.
    #[error("`{part}` in the provider source `{source_text}` may hold only letters, digits and single dashes inside")]
    Part {
        /// The part.
        part: String,
        /// The whole.
        source_text: String,
    },
    /// A host that is none.
    #[error(
        "`{host}` in the provider source `{source_text}` is no host name (a name and perhaps a port; no URL, no punycode)"
    )]
    Host {
        /// The host.
        host: String,
        /// The whole.
        source_text: String,
    },
    /// `terraform-provider-…` is a repository's name, not a provider's.
    #[error("the type in the provider source `{0}` may not start with `{1}`: leave it out")]
    Prefix(String, &'static str),
}

impl Address {
    /// Reads a source as `required_providers` has it; `style` says which host stands where none is written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(source: &str, style: Style) -> Result<Self, AddressError> {
        let parts: Vec<&str> = source.split('/').collect();
        let (host, namespace, kind) = match parts.as_slice() {
            [kind] => (None, None, *kind),
            [namespace, kind] => (None, Some(*namespace), *kind),
            [host, namespace, kind] => (Some(*host), Some(*namespace), *kind),
            _ => return Err(AddressError::Shape(source.to_owned())),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(AddressError::Shape(source.to_owned()));
        }
        let part = |part: &str| {
            label(part).ok_or_else(|| AddressError::Part { part: part.to_owned(), source_text: source.to_owned() })
        };
        let kind = part(kind)?;
        let namespace = match namespace {
            None => DEFAULT_NAMESPACE.to_owned(),
            Some(LEGACY_NAMESPACE) => LEGACY_NAMESPACE.to_owned(),
            Some(namespace) => part(namespace)?,
        };
        let host = match host {
            None => style.default_host().to_owned(),
            Some(host) => normal_host(host)
                .ok_or_else(|| AddressError::Host { host: host.to_owned(), source_text: source.to_owned() })?,
        };
        let prefixes: &[&'static str] = match style {
            Style::Tofu => &["terraform-", "opentofu-"],
            Style::Terraform => &["terraform-"],
        };
        if let Some(prefix) = prefixes.iter().find(|prefix| kind.starts_with(**prefix)) {
            return Err(AddressError::Prefix(source.to_owned(), prefix));
        }
        if namespace == LEGACY_NAMESPACE && host != style.default_host() {
            return Err(AddressError::Part { part: namespace, source_text: source.to_owned() });
        }
        Ok(Self { host, namespace, kind })
    }

    /// The provider that a local name means where `required_providers` does not say: `terraform` is built in, any other
    /// is the default namespace's on the default host.
    ///
    /// # Errors
    /// A name that no provider has.
    pub fn implied(name: &str, style: Style) -> Result<Self, AddressError> {
        if name == "terraform" {
            return Ok(Self {
                host: "terraform.io".to_owned(),
                namespace: BUILT_IN_NAMESPACE.to_owned(),
                kind: name.to_owned(),
            });
        }
        let kind =
            label(name).ok_or_else(|| AddressError::Part { part: name.to_owned(), source_text: name.to_owned() })?;
        Ok(Self { host: style.default_host().to_owned(), namespace: DEFAULT_NAMESPACE.to_owned(), kind })
    }

    /// An address of parts that are all in their normal form, as in the URLs of registries and mirrors.
    #[must_use]
    pub fn from_normal(host: &str, namespace: &str, kind: &str) -> Option<Self> {
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let (shown, _) = Uts46::new().to_unicode(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        let shown = port.map_or_else(|| shown.to_string(), |port| format!("{shown}:{port}"));
        let address = Self::parse(&format!("{shown}/{namespace}/{kind}"), Style::Tofu).ok()?;
        (address.host == host && address.namespace == namespace && address.kind == kind).then_some(address)
    }

    /// The host as it is compared, sorted and asked: non-ASCII names in punycode; a port other than 443.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The host as people write it.
    #[must_use]
    pub fn display_host(&self) -> String {
        let (name, port) = self.host.split_once(':').map_or((self.host.as_str(), None), |(n, p)| (n, Some(p)));
        let (name, _) = Uts46::new().to_unicode(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        match port {
            None => name.into_owned(),
            Some(port) => format!("{name}:{port}"),
        }
    }

    /// Whether it is part of the program itself, and so never fetched.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        matches!(self.host.as_str(), "terraform.io" | "opentofu.org") && self.namespace == BUILT_IN_NAMESPACE
    }

    /// Whether a lock file can hold it.
    #[must_use]
    pub fn is_lockable(&self) -> bool {
        !self.is_built_in() && self.namespace != LEGACY_NAMESPACE
    }

    /// What OpenTofu takes in its place: the same name on its own registry, for the predecessor's default providers.
    #[must_use]
    pub fn successor(&self) -> Option<Self> {
        (self.host == Style::Terraform.default_host() && self.namespace == DEFAULT_NAMESPACE)
            .then(|| Self { host: Style::Tofu.default_host().to_owned(), ..self.clone() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.display_host(), self.namespace, self.kind)
    }
}

/// A namespace or type in its normal form: one DNS label, in Unicode and lower case.
fn label(text: &str) -> Option<String> {
    if text.is_empty() || text.contains('.') || text.contains("--") {
        return None;
    }
    let (label, valid) = Uts46::new().to_unicode(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    (valid.is_ok() && !label.is_empty()).then(|| label.into_owned())
}

/// A host's name in the form in which hosts are compared: non-ASCII names in punycode, a port other than 443.
pub(crate) fn normal_host(text: &str) -> Option<String> {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if name.split('.').any(|label| label.is_empty() || label.starts_with("xn--")) {
        return None;
    }
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(port.parse::<u16>().ok()?).filter(|port| *port != 443)
        }
        Some(_) => return None,
    };
    let ascii = Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify).ok()?;
    Some(port.map_or_else(|| ascii.to_string(), |port| format!("{ascii}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_left_out_are_the_defaults_of_the_style() {
        for (source, tofu, terraform) in [
            ("aws", "registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws"),
            ("Acme/Web", "registry.opentofu.org/acme/web", "registry.terraform.io/acme/web"),
            ("EXAMPLE.com:443/a/b", "example.com/a/b", "example.com/a/b"),
            ("localhost:08080/a/b-c", "localhost:8080/a/b-c", "localhost:8080/a/b-c"),
            ("Испытание.com/a/b", "испытание.com/a/b", "испытание.com/a/b"),
        ] {
            assert_eq!(Address::parse(source, Style::Tofu).unwrap().to_string(), tofu);
            assert_eq!(Address::parse(source, Style::Terraform).unwrap().to_string(), terraform);
        }
        assert_eq!(Address::parse("Испытание.com/a/b", Style::Tofu).unwrap().host(), "xn--80akhbyknj4f.com");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (source, reason) in [
            ("", "no provider source"),
            ("a/b/c/d", "no provider source"),
            ("a//c", "no provider source"),
            ("a/b.c", "`b.c`"),
            ("a/b--c", "`b--c`"),
            ("a/-b", "`-b`"),
            ("a b/c", "`a b`"),
            ("https://example.com/x", "no provider source"),
            ("xn--80akhbyknj4f.com/a/b", "no host name"),
            ("example.com:x/a/b", "no host name"),
            ("example.com:65536/a/b", "no host name"),
            ("hashicorp/terraform-provider-aws", "may not start with"),
        ] {
            let error = Address::parse(source, Style::Tofu).unwrap_err().to_string();
            assert!(error.contains(reason), "{source}: {error}");
        }
    }

    #[test]
    fn built_in_and_legacy_providers_are_not_locked() {
        assert!(!Address::implied("terraform", Style::Tofu).unwrap().is_lockable());
        assert!(!Address::parse("terraform.io/builtin/terraform", Style::Terraform).unwrap().is_lockable());
        assert!(!Address::parse("-/aws", Style::Terraform).unwrap().is_lockable());
        assert!(Address::implied("aws", Style::Tofu).unwrap().is_lockable());
    }

    #[test]
    fn a_default_provider_of_terraform_has_a_successor() {
        let aws = Address::parse("aws", Style::Terraform).unwrap();
        assert_eq!(aws.successor(), Some(Address::parse("aws", Style::Tofu).unwrap()));
        assert_eq!(Address::parse("acme/web", Style::Terraform).unwrap().successor(), None);
    }
}
