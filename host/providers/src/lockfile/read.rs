//! Reading a lock file. What the command lines would refuse is refused, with its place: to write it anew would lose it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use hcl_edit::Span;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Attribute, Block, BlockLabel, Structure};

use super::{Lock, LockFile};
use crate::problem::Problem;
use crate::{Address, Constraints, Hash, Style, Version};

impl LockFile {
    /// Reads a file's text. The file's name is only told.
    ///
    /// # Errors
    /// The first mistake.
    pub fn read(file: &Path, text: &str) -> Result<Self, Problem> {
        let body = hcl_edit::parser::parse_body(text).map_err(|error| Problem::syntax(file, &error))?;
        let reader = Reader { file, text };
        let mut locks = Self::default();
        for structure in &body {
            let block = match structure {
                Structure::Attribute(attribute) => return Err(reader.unknown_attribute(attribute)),
                Structure::Block(block) => block,
            };
            if block.ident.as_str() != "provider" {
                let message = format!("a block `{}` is not known in a lock file", block.ident.as_str());
                return Err(reader.problem(block.ident.span(), message));
            }
            let (provider, label) = reader.address(block)?;
            let lock = reader.lock(block)?;
            if locks.providers.contains_key(&provider) {
                return Err(reader.problem(label, format!("{provider} is locked twice in this file")));
            }
            locks.providers.insert(provider, lock);
        }
        Ok(locks)
    }
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn problem(&self, span: Option<Range<usize>>, message: impl Into<String>) -> Problem {
        Problem::at(self.file, self.text, span, message)
    }

    fn unknown_attribute(&self, attribute: &Attribute) -> Problem {
        let message = format!("an attribute `{}` is not known here in a lock file", attribute.key.as_str());
        self.problem(attribute.key.span(), message)
    }

    fn address(&self, block: &Block) -> Result<(Address, Option<Range<usize>>), Problem> {
        let [BlockLabel::String(label)] = block.labels.as_slice() else {
            let message = "a provider block has one label, the provider's address in quotes";
            return Err(self.problem(block.ident.span(), message));
        };
        let (span, label) = (label.span(), label.as_str());
        // The style decides only about what must not be left out here.
        let provider =
            Address::parse(label, Style::Tofu).map_err(|error| self.problem(span.clone(), error.to_string()))?;
        if !provider.is_lockable() {
            return Err(self.problem(span, format!("{provider} is never locked: it is part of the program")));
        }
        if provider.to_string() != *label {
            return Err(self.problem(span, format!("the address must be written in full: {provider}")));
        }
        Ok((provider, span))
    }

    fn lock(&self, block: &Block) -> Result<Lock, Problem> {
        let mut version = None;
        let mut constraints = Constraints::default();
        let mut hashes = BTreeSet::new();
        for structure in &block.body {
            let attribute = match structure {
                Structure::Attribute(attribute) => attribute,
                Structure::Block(inner) => {
                    return Err(self.problem(inner.ident.span(), "a provider's lock holds no blocks"));
                }
            };
            match attribute.key.as_str() {
                "version" => version = Some(self.version(&attribute.value)?),
                "constraints" => constraints = self.constraints(&attribute.value)?,
                "hashes" => hashes = self.hashes(&attribute.value)?,
                _ => return Err(self.unknown_attribute(attribute)),
            }
        }
        let version = version.ok_or_else(|| self.problem(block.ident.span(), "no version is locked here"))?;
        Ok(Lock { version, constraints, hashes })
    }

    fn string<'e>(&self, value: &'e Expression) -> Result<&'e str, Problem> {
        value.as_str().ok_or_else(|| self.problem(value.span(), "a text in quotes must stand here"))
    }

    fn version(&self, value: &Expression) -> Result<Version, Problem> {
        let text = self.string(value)?;
        let version: Version = text.parse().map_err(|error| self.wrong(value, &error))?;
        if version.to_string() == text {
            Ok(version)
        } else {
            Err(self.problem(value.span(), format!("the version must be written in full: {version}")))
        }
    }

    fn constraints(&self, value: &Expression) -> Result<Constraints, Problem> {
        let text = self.string(value)?;
        if text.is_empty() {
            return Ok(Constraints::default());
        }
        let constraints: Constraints = text.parse().map_err(|error| self.wrong(value, &error))?;
        if constraints.to_string() == text {
            Ok(constraints)
        } else {
            Err(self.problem(value.span(), format!("the constraints must be written as {constraints}")))
        }
    }

    fn hashes(&self, value: &Expression) -> Result<BTreeSet<Hash>, Problem> {
        let list = value.as_array().ok_or_else(|| self.problem(value.span(), "a list of hashes must stand here"))?;
        if list.is_empty() {
            return Err(self.problem(value.span(), "an empty list of hashes: leave it out"));
        }
        let hash = |value: &Expression| self.string(value)?.parse().map_err(|error| self.wrong(value, &error));
        list.iter().map(hash).collect()
    }

    fn wrong(&self, value: &Expression, error: &dyn std::error::Error) -> Problem {
        self.problem(value.span(), error.to_string())
    }
}
