//! Configuration in HCL's JSON syntax. At every level an array of objects stands for several blocks.

use std::path::Path;

use serde_json::{Map, Value};

use super::content::{Call, Content, MODES, ProviderBlock, Requirement, Resource, Source, constraints, implied_name};
use crate::problem::Problem;

/// Reads a file's text. Only what concerns providers and modules is looked at.
pub(super) fn read(file: &Path, text: &str) -> Content {
    let mut reader = Reader { file, content: Content::default() };
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(body)) => reader.body(&body),
        Ok(_) => reader.problem("must be a JSON object"),
        Err(error) => {
            let position = Some((error.line(), error.column()));
            let message = format!("not valid JSON: {error}");
            reader.content.problems.push(Problem { file: file.to_owned(), position, message });
        }
    }
    reader.content
}

struct Reader<'a> {
    file: &'a Path,
    content: Content,
}

type Body = Map<String, Value>;

impl Reader<'_> {
    fn problem(&mut self, message: impl Into<String>) {
        self.content.problems.push(Problem::new(self.file, message));
    }

    fn body(&mut self, body: &Body) {
        for settings in bodies(body.get("terraform")) {
            self.content.stores_state |= settings.contains_key("backend") || settings.contains_key("cloud");
            for entries in bodies(settings.get("required_providers")) {
                let entries = named(entries).filter_map(|(name, value)| self.requirement(name, value)).collect();
                self.content.requirements.push(entries);
            }
        }
        for (name, block) in labelled(body.get("provider")) {
            self.provider(name, block);
        }
        for (name, block) in labelled(body.get("module")) {
            self.call(name, block);
        }
        for block in bodies(body.get("import")) {
            self.import(block);
        }
        for mode in MODES {
            self.resources(mode, body.get(mode));
        }
        for (_, block) in labelled(body.get("check")) {
            self.resources("data", block.get("data"));
        }
    }

    fn requirement(&mut self, name: &str, value: &Value) -> Option<Requirement> {
        let place = format!("terraform.required_providers.{name}");
        let (source, version) = match value {
            Value::String(version) => (None, Some(version.as_str())),
            Value::Object(parts) => {
                let known = ["source", "version", "configuration_aliases"];
                if let Some((key, _)) = named(parts).find(|(key, _)| !known.contains(key)) {
                    self.problem(format!("{place}.{key} is not known: there are {}", known.join(", ")));
                    return None;
                }
                (self.text(&place, parts, "source")?, self.text(&place, parts, "version")?)
            }
            _ => {
                self.problem(format!("{place} must be an object with `source` and `version`"));
                return None;
            }
        };
        let constraints = match version.map(constraints).transpose() {
            Ok(constraints) => constraints.unwrap_or_default(),
            Err(reason) => {
                self.problem(format!("{place}: {reason}"));
                return None;
            }
        };
        let place = Problem::new(self.file, place);
        Some(Requirement { name: name.to_owned(), source: source.map(str::to_owned), constraints, place })
    }

    /// The text of a key, or none where there is no such key; `None` around it where it is something else (told).
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn text<'v>(&mut self, place: &str, body: &'v Body, key: &str) -> Option<Option<&'v str>> {
        match body.get(key) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(_) => {
                self.problem(format!("{place}.{key} must be a text"));
                None
            }
        }
    }

    fn provider(&mut self, name: &str, block: &Body) {
        let place = format!("provider.{name}");
        let Some(version) = self.text(&place, block, "version") else { return };
        match version.map(constraints).transpose() {
            Ok(version) => {
                let alias = block.get("alias").and_then(Value::as_str).map(str::to_owned);
                self.content.providers.push(ProviderBlock { name: name.to_owned(), alias, version });
            }
            Err(reason) => self.problem(format!("{place}.version: {reason}")),
        }
    }

    fn resources(&mut self, mode: &'static str, value: Option<&Value>) {
        for kinds in bodies(value) {
            for (kind, resources) in named(kinds) {
                for (name, block) in labelled(Some(resources)) {
                    let provider = block.get("provider").and_then(Value::as_str).map(|text| reference(text).to_owned());
                    let (kind, name) = (kind.to_owned(), name.to_owned());
                    self.content.resources.push(Resource { mode, kind, name, provider });
                }
            }
        }
    }

    fn call(&mut self, name: &str, block: &Body) {
        let source = match block.get("source") {
            None => Source::Missing,
            Some(Value::String(text)) if !text.contains("${") => Source::Text(text.clone()),
            Some(_) => Source::Expression,
        };
        let place = Problem::new(self.file, String::new());
        self.content.calls.push(Call { name: name.to_owned(), source, place });
    }

    fn import(&mut self, block: &Body) {
        let provider = block.get("provider").and_then(Value::as_str).map(reference);
        let target = || {
            let mut words =
                evaluated(block.get("to")?.as_str()?).split('.').map(|word| word.split('[').next().unwrap_or(word));
            loop {
                match words.next()? {
                    "module" => drop(words.next()),
                    kind => return Some(implied_name(kind)),
                }
            }
        };
        self.content.imports.extend(provider.or_else(target).map(str::to_owned));
    }
}

/// The local name in a reference to a provider's configuration: `aws` or `aws.west`, perhaps within `${…}`.
fn reference(text: &str) -> &str {
    evaluated(text).split(['.', '[']).next().unwrap_or_default()
}

fn evaluated(text: &str) -> &str {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or(text).trim()
}

/// The blocks that a value stands for.
fn bodies(value: Option<&Value>) -> Vec<&Body> {
    match value {
        Some(Value::Object(body)) => vec![body],
        Some(Value::Array(values)) => values.iter().flat_map(|value| bodies(Some(value))).collect(),
        _ => Vec::new(),
    }
}

/// The entries of a body; `//` is a comment.
fn named(body: &Body) -> impl Iterator<Item = (&str, &Value)> {
    body.iter().filter(|(name, _)| *name != "//").map(|(name, value)| (name.as_str(), value))
}

/// The blocks with one label that a value stands for.
fn labelled(value: Option<&Value>) -> Vec<(&str, &Body)> {
    bodies(value)
        .into_iter()
        .flat_map(named)
        .flat_map(|(label, value)| bodies(Some(value)).into_iter().map(move |body| (label, body)))
        .collect()
}
