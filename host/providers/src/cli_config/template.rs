//! `repository_template` of an `oci_mirror`: which repository has a provider.
//! (<https://opentofu.org/docs/cli/oci_registries/provider-mirror/>)

use std::str::FromStr;

use hcl_edit::expr::Expression;
use hcl_edit::template::{Element, Template as Parsed};

use super::Pattern;
use crate::Address;
use crate::oci::name::{is_registry, is_repository};

/// A template for the name of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Host,
    Namespace,
    Kind,
}

impl Template {
    /// Reads a template. Providers that `include` lets through must not share a repository.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str, include: &[Pattern]) -> Result<Self, String> {
        let wrong = |what: String| format!("`repository_template` {what}");
        let parsed = Parsed::from_str(text).map_err(|error| wrong(format!("is no template: {}", error.message())))?;
        let parts = parsed.iter().map(part).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let template = Self { text: text.to_owned(), parts };
        type Field = fn(&Pattern) -> Option<&String>;
        let needed: [(Part, &str, Field); 3] = [
            (Part::Host, "hostname", |pattern| pattern.host.as_ref()),
            (Part::Namespace, "namespace", |pattern| pattern.namespace.as_ref()),
            (Part::Kind, "type", |pattern| pattern.kind.as_ref()),
        ];
        for (part, name, field) in needed {
            let mut values: Vec<_> = include.iter().filter_map(field).collect();
            values.sort();
            values.dedup();
            if values.len() != 1 && !template.parts.contains(&part) {
                return Err(wrong(format!(
                    "must contain `${{{name}}}`, unless `include` lets through one {name} only: else several providers \
                     would share a repository"
                )));
            }
        }
        template
            .fill("example.com", "example-namespace", "example-type")
            .map_err(|_| wrong(format!("`{text}` makes no address of a repository: wanted is REGISTRY/REPOSITORY")))?;
        Ok(template)
    }

    /// The registry and the repository in it that have `provider`.
    ///
    /// # Errors
    /// A sentence, if its name makes no repository's name.
    pub fn repository(&self, provider: &Address) -> Result<(String, String), String> {
        self.fill(provider.host(), provider.namespace(), provider.kind())
            .map_err(|made| format!("`{made}`, which `{}` makes of {provider}, is no repository", self.text))
    }

    fn fill(&self, host: &str, namespace: &str, kind: &str) -> Result<(String, String), String> {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Host => host.to_owned(),
            Part::Namespace => namespace.to_owned(),
            Part::Kind => kind.to_owned(),
        };
        let made: String = self.parts.iter().map(text).collect();
        match made.split_once('/') {
            Some((registry, name)) if is_registry(registry) && is_repository(name) => {
                Ok((registry.to_owned(), name.to_owned()))
            }
            _ => Err(made),
        }
    }
}

fn part(element: &Element) -> Result<Part, String> {
    let only = "may contain `${hostname}`, `${namespace}` and `${type}`, and no other expressions";
    match element {
        Element::Literal(text) => Ok(Part::Text(text.as_str().to_owned())),
        Element::Interpolation(interpolation) => match &interpolation.expr {
            Expression::Variable(name) => match name.as_str() {
                "hostname" => Ok(Part::Host),
                "namespace" => Ok(Part::Namespace),
                "type" => Ok(Part::Kind),
                other => Err(format!("{only}, not `{other}`")),
            },
            _ => Err(only.to_owned()),
        },
        Element::Directive(_) => Err(only.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text, Style::Tofu).unwrap()).collect()
    }

    #[test]
    fn providers_have_repositories_of_their_own() {
        let address = |text: &str| Address::parse(text, Style::Tofu).unwrap();
        for (text, include, provider, made) in [
            ("r.io/${hostname}/${namespace}/${type}", &[][..], "acme/web", Some("r.io/registry.opentofu.org/acme/web")),
            ("r.io:5000/${ namespace }/${type}-x", &["a.example/*/*"], "a.example/b/c", Some("r.io:5000/b/c-x")),
            ("r.io/${type}", &["a.example/b/c", "a.example/b/d"], "a.example/b/d", Some("r.io/d")),
            ("r.io/x", &["a.example/b/c"], "a.example/b/c", Some("r.io/x")),
            ("${hostname}/${namespace}/${type}", &[], "a.example:8443/b/c", Some("a.example:8443/b/c")),
            ("r.io/${hostname}/${namespace}/${type}", &[], "a.example:8443/b/c", None),
        ] {
            let template = Template::parse(text, &patterns(include)).unwrap();
            let found = template.repository(&address(provider)).map(|(registry, name)| format!("{registry}/{name}"));
            assert_eq!(found.ok().as_deref(), made, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_told() {
        for (text, include, told) in [
            ("r.io/${namespace}/${type}", &[][..], "`${hostname}`"),
            ("r.io/${namespace}/${type}", &["a.example/*/*", "b.example/*/*"], "`${hostname}`"),
            ("r.io/${hostname}/${type}", &["a.example/*/*"], "`${namespace}`"),
            ("r.io/${hostname}/${namespace}", &[], "`${type}`"),
            ("r.io/${hostname}/${name}/${type}", &[], "not `name`"),
            ("r.io/${hostname}/${upper(namespace)}/${type}", &[], "no other expressions"),
            ("r.io/%{ if true }x%{ endif }/${hostname}/${namespace}/${type}", &[], "no other expressions"),
            ("r.io/${hostname", &[], "is no template"),
            ("${hostname}-${namespace}-${type}", &[], "REGISTRY/REPOSITORY"),
            ("https://r.io/${hostname}/${namespace}/${type}", &[], "REGISTRY/REPOSITORY"),
            ("r.io/${hostname}/${namespace}/$${x}/${type}", &[], "REGISTRY/REPOSITORY"),
        ] {
            let error = Template::parse(text, &patterns(include)).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
