//! Configuration in HCL's native syntax.

use std::ops::Range;
use std::path::Path;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, Object, ObjectKey, TraversalOperator};
use hcl_edit::structure::{Attribute, Block, Body};

use super::content::{Call, Content, MODES, ProviderBlock, Requirement, Resource, Source, constraints, implied_name};
use crate::Constraints;
use crate::problem::Problem;

/// Reads a file's text. Only what concerns providers and modules is looked at.
pub(super) fn read(file: &Path, text: &str) -> Content {
    let mut reader = Reader { file, text, content: Content::default() };
    match hcl_edit::parser::parse_body(text) {
        Ok(body) => reader.body(&body),
        Err(error) => reader.content.problems.push(Problem::syntax(file, &error)),
    }
    reader.content
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    content: Content,
}

impl Reader<'_> {
    fn place(&self, span: Option<Range<usize>>, message: impl Into<String>) -> Problem {
        Problem::at(self.file, self.text, span, message)
    }

    fn problem(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        let problem = self.place(span, message);
        self.content.problems.push(problem);
    }

    fn body(&mut self, body: &Body) {
        for block in body.blocks() {
            match block.ident.as_str() {
                "terraform" => self.settings(&block.body),
                "provider" => self.provider(block),
                "module" => self.call(block),
                "import" => self.import(block),
                "check" => block.body.get_blocks("data").for_each(|data| self.resource("data", data)),
                name => {
                    if let Some(mode) = MODES.iter().find(|mode| **mode == name) {
                        self.resource(mode, block);
                    }
                }
            }
        }
    }

    fn settings(&mut self, body: &Body) {
        for block in body.blocks() {
            match block.ident.as_str() {
                "required_providers" => {
                    let entries = block.body.attributes().filter_map(|entry| self.requirement(entry)).collect();
                    self.content.requirements.push(entries);
                }
                "backend" | "cloud" => self.content.stores_state = true,
                _ => {}
            }
        }
    }

    fn requirement(&mut self, entry: &Attribute) -> Option<Requirement> {
        let name = entry.key.as_str();
        let (source, version) = match bare(&entry.value) {
            Expression::String(_) => (None, Some(&entry.value)),
            Expression::Object(object) => self.requirement_parts(object)?,
            _ => {
                self.problem(entry.value.span(), "a required provider is an object with `source` and `version`");
                return None;
            }
        };
        let source_text = self.optional_text(source)?;
        let constraints = self.constraints(version)?.unwrap_or_default();
        let place = self.place(source.map_or_else(|| entry.key.span(), Span::span), String::new());
        Some(Requirement { name: name.to_owned(), source: source_text, constraints, place })
    }

    fn requirement_parts<'e>(
        &mut self,
        object: &'e Object,
    ) -> Option<(Option<&'e Expression>, Option<&'e Expression>)> {
        let (mut source, mut version) = (None, None);
        for (key, value) in object.iter() {
            let name = match key {
                ObjectKey::Ident(ident) => Some(ident.as_str()),
                ObjectKey::Expression(expression) => bare(expression).as_str(),
            };
            match name {
                Some("source") => source = Some(value.expr()),
                Some("version") => version = Some(value.expr()),
                Some("configuration_aliases") => {}
                _ => {
                    let message = "a required provider has `source`, `version` and `configuration_aliases` only";
                    self.problem(value.expr().span(), message);
                    return None;
                }
            }
        }
        Some((source, version))
    }

    /// The text, or none where there is no expression; `None` around it where it is another expression (told).
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn optional_text(&mut self, expression: Option<&Expression>) -> Option<Option<String>> {
        let Some(expression) = expression else { return Some(None) };
        match bare(expression).as_str() {
            Some(text) => Some(Some(text.to_owned())),
            None => {
                self.problem(expression.span(), "a text in quotes must stand here, without anything to be evaluated");
                None
            }
        }
    }

    /// The constraints, as [`Self::optional_text`] gives a text.
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn constraints(&mut self, expression: Option<&Expression>) -> Option<Option<Constraints>> {
        let text = self.optional_text(expression)?;
        match text.as_deref().map(constraints).transpose() {
            Ok(constraints) => Some(constraints),
            Err(reason) => {
                self.problem(expression.and_then(Span::span), reason);
                None
            }
        }
    }

    fn provider(&mut self, block: &Block) {
        let [name] = block.labels.as_slice() else {
            self.problem(block.ident.span(), "a provider block has one label, the provider's local name");
            return;
        };
        let alias = block.body.get_attribute("alias").and_then(|alias| bare(&alias.value).as_str()).map(str::to_owned);
        let version = block.body.get_attribute("version").map(|version| &version.value);
        let Some(version) = self.constraints(version) else { return };
        let name = name.as_str().to_owned();
        self.content.providers.push(ProviderBlock { name, alias, version });
    }

    fn resource(&mut self, mode: &'static str, block: &Block) {
        let [kind, name] = block.labels.as_slice() else {
            self.problem(block.ident.span(), format!("a {mode} block has two labels, its type and its name"));
            return;
        };
        let provider = match block.body.get_attribute("provider") {
            None => None,
            Some(attribute) => match reference(&attribute.value) {
                Some(provider) => Some(provider.to_owned()),
                None => {
                    let message = "`provider` is a provider's local name, or such a name with an alias: aws.west";
                    return self.problem(attribute.value.span(), message);
                }
            },
        };
        let (kind, name) = (kind.as_str().to_owned(), name.as_str().to_owned());
        self.content.resources.push(Resource { mode, kind, name, provider });
    }

    fn call(&mut self, block: &Block) {
        let [name] = block.labels.as_slice() else {
            return self.problem(block.ident.span(), "a module block has one label, its name");
        };
        let source = block.body.get_attribute("source");
        let place = self.place(source.map_or_else(|| block.ident.span(), |source| source.value.span()), String::new());
        let source = match source.map(|source| bare(&source.value)) {
            None => Source::Missing,
            Some(Expression::String(text)) => Source::Text(text.as_str().to_owned()),
            Some(_) => Source::Expression,
        };
        self.content.calls.push(Call { name: name.as_str().to_owned(), source, place });
    }

    fn import(&mut self, block: &Block) {
        let written = block.body.get_attribute("provider").and_then(|provider| reference(&provider.value));
        let name = match written {
            Some(name) => Some(name.to_owned()),
            None => block
                .body
                .get_attribute("to")
                .and_then(|to| resource_type(&to.value))
                .map(|kind| implied_name(&kind).to_owned()),
        };
        self.content.imports.extend(name);
    }
}

/// An expression without the parentheses around it.
fn bare(expression: &Expression) -> &Expression {
    match expression {
        Expression::Parenthesis(inner) => bare(inner.inner()),
        _ => expression,
    }
}

/// The local name in a reference to a provider's configuration: `aws`, `aws.west`, `aws.west["a"]`, or one of the first
/// two in quotes.
fn reference(expression: &Expression) -> Option<&str> {
    match bare(expression) {
        Expression::Variable(name) => Some(name.as_str()),
        // The provider of that name, not the keyword.
        Expression::Null(_) => Some("null"),
        Expression::Traversal(traversal) => match &traversal.expr {
            Expression::Variable(name) => Some(name.as_str()),
            Expression::Null(_) => Some("null"),
            _ => None,
        },
        Expression::String(text) => text.split('.').next(),
        _ => None,
    }
}

/// The type of the resource that an `import` block names: the first word that is no module.
fn resource_type(expression: &Expression) -> Option<String> {
    let Expression::Traversal(traversal) = bare(expression) else { return None };
    let Expression::Variable(first) = &traversal.expr else { return None };
    let mut words =
        std::iter::once(first.as_str()).chain(traversal.operators.iter().filter_map(
            |operator| match operator.value() {
                TraversalOperator::GetAttr(name) => Some(name.as_str()),
                _ => None,
            },
        ));
    loop {
        match words.next()? {
            "module" => drop(words.next()),
            kind => return Some(kind.to_owned()),
        }
    }
}
