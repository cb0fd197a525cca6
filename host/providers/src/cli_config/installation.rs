//! `provider_installation`: which providers come from where.
//! (<https://opentofu.org/docs/cli/config/config-file/#provider-installation>)

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::find;
use super::hcl1::{Item, Value};
use super::template::Template;
use crate::address::normal_host;
use crate::{Address, Style};

/// One method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Where it looks.
    pub place: Place,
    /// For which providers; empty: for all.
    pub include: Vec<Pattern>,
    /// For which providers not, even if they are included.
    pub exclude: Vec<Pattern>,
}

/// Where a method looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The provider's own registry.
    Direct,
    /// A folder.
    Filesystem(PathBuf),
    /// Repositories of OCI registries, by the template of their names.
    Oci(Template),
    /// A network mirror.
    Network {
        /// Its base URL.
        url: String,
        /// Whether the hashes that it lists may be locked for all platforms (`trust_all_hashes`).
        trusted: bool,
    },
}

impl Method {
    /// Whether it looks for `provider`.
    #[must_use]
    pub fn serves(&self, provider: &Address) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(provider));
        !any(&self.exclude) && (self.include.is_empty() || any(&self.include))
    }
}

/// Which providers: `HOST/NAMESPACE/TYPE`, each part a name or, from the right, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) host: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) kind: Option<String>,
}

impl Pattern {
    /// Reads a pattern; `style` says which host stands where none is written.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str, style: Style) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is no pattern for providers: {what}");
        let parts: Vec<&str> = text.split('/').collect();
        let (host, namespace, kind) = match parts.as_slice() {
            [namespace, kind] => (style.default_host(), *namespace, *kind),
            [host, namespace, kind] => (*host, *namespace, *kind),
            _ => return Err(wrong("write it as [HOST/]NAMESPACE/TYPE")),
        };
        let host = match host {
            "*" => None,
            host => Some(normal_host(host).ok_or_else(|| wrong("its host is none"))?),
        };
        let part = |part: &str, what: &str| match part {
            "*" => Ok(None),
            part => match Address::parse(&format!("{part}/{part}"), style) {
                Ok(address) => Ok(Some(address.namespace().to_owned())),
                Err(_) => Err(wrong(what)),
            },
        };
        let namespace = part(namespace, "its namespace is none")?;
        let kind = part(kind, "its type is none")?;
        match (&host, &namespace, &kind) {
            (None, Some(_), _) | (None, _, Some(_)) | (_, None, Some(_)) => {
                Err(wrong("after a `*` there may be nothing but `*`"))
            }
            _ => Ok(Self { host, namespace, kind }),
        }
    }

    /// Whether it means `provider`.
    #[must_use]
    pub fn matches(&self, provider: &Address) -> bool {
        let is = |wanted: &Option<String>, part: &str| wanted.as_ref().is_none_or(|wanted| wanted == part);
        is(&self.host, provider.host()) && is(&self.namespace, provider.namespace()) && is(&self.kind, provider.kind())
    }
}

type Overrides = BTreeMap<String, PathBuf>;

/// The methods in a block, in order, and its `dev_overrides`.
pub(super) fn methods(items: &[Item], style: Style) -> Result<(Vec<Method>, Overrides), (usize, String)> {
    let (mut methods, mut overrides) = (Vec::new(), BTreeMap::new());
    for Item { keys, value, line } in items {
        let wrong = |what: String| (*line, what);
        let [name] = keys.as_slice() else { return Err(wrong("a method has no labels".to_owned())) };
        let inner = value.object().ok_or_else(|| wrong(format!("{name} {{ … }} is wanted")))?;
        let setting = |key: &str| {
            let text = find(inner, key).and_then(Value::text).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| wrong(format!("`{name}` needs `{key}`, a string")))
        };
        let patterns = |key: &str| {
            let Some(value) = find(inner, key) else { return Ok(Vec::new()) };
            let texts = value.texts().ok_or_else(|| wrong(format!("`{key}` must be a list of strings")))?;
            texts.iter().map(|text| Pattern::parse(text, style).map_err(wrong)).collect()
        };
        let (include, exclude) = (patterns("include")?, patterns("exclude")?);
        let place = match name.as_str() {
            "direct" => Place::Direct,
            "filesystem_mirror" => Place::Filesystem(setting("path")?.into()),
            "network_mirror" => {
                let url = setting("url")?;
                let sound = reqwest::Url::parse(&url).is_ok_and(|url| url.scheme() == "https" && url.has_host());
                if !sound {
                    return Err(wrong(format!("the network mirror's `url` must be an https URL, not `{url}`")));
                }
                let trusted = matches!(find(inner, "trust_all_hashes"), Some(Value::Word(word)) if word == "true");
                Place::Network { url, trusted }
            }
            "oci_mirror" if style == Style::Terraform => {
                return Err(wrong(
                    "`oci_mirror` is a method of OpenTofu's (1.10 and later), and Terraform refuses it: lock with \
                     `--style tofu`, or keep it in a file that only OpenTofu reads (.tofurc)"
                        .to_owned(),
                ));
            }
            "oci_mirror" => Place::Oci(Template::parse(&setting("repository_template")?, &include).map_err(wrong)?),
            "dev_overrides" => {
                for item in inner {
                    let (Some(source), Some(path)) = (item.keys.first(), item.value.text()) else {
                        return Err((item.line, "`dev_overrides` must map providers to folders".to_owned()));
                    };
                    overrides.insert(source.clone(), path.into());
                }
                continue;
            }
            other => {
                return Err(wrong(format!(
                    "`{other}` is no installation method that is known here \
                     (direct, filesystem_mirror, network_mirror, oci_mirror, dev_overrides)"
                )));
            }
        };
        methods.push(Method { place, include, exclude });
    }
    Ok((methods, overrides))
}
