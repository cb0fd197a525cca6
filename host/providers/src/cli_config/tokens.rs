//! `TF_TOKEN_…` variables: <https://opentofu.org/docs/cli/config/config-file/#environment-variable-credentials>

use secrecy::SecretString;

use super::Environment;
use crate::address::normal_host;

const PREFIX: &str = "TF_TOKEN_";

impl Environment {
    /// The token that a variable has for `host`.
    pub(super) fn token(&self, host: &str) -> Option<SecretString> {
        let mut named = self.variables().filter_map(|(name, value)| {
            let meant = name.strip_prefix(PREFIX)?;
            // A dash is written as two underscores, a dot as one; both may also stand as they are.
            let meant = meant.replace("__", "-").replace('_', ".");
            (punycode(&meant)? == host && !value.is_empty()).then(|| SecretString::from(value.to_owned()))
        });
        named.next()
    }
}

/// Variables' names cannot hold all letters, so that punycode is allowed here, and only here.
fn punycode(host: &str) -> Option<String> {
    if host.split('.').any(|label| label.starts_with("xn--")) {
        return Some(host.to_ascii_lowercase());
    }
    normal_host(host)
}
