//! A module: the files of one folder, with what its override files change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Requirements;
use super::content::{Call, Content, ProviderBlock, Requirement, Resource, Source, implied_name};
use crate::problem::Problem;
use crate::{Address, Style};

/// What a module says, after its override files.
#[derive(Debug, Default)]
pub(super) struct Module {
    requirements: BTreeMap<String, Requirement>,
    providers: BTreeMap<(String, Option<String>), ProviderBlock>,
    resources: BTreeMap<(&'static str, String, String), Resource>,
    imports: Vec<String>,
    pub(super) calls: BTreeMap<String, Call>,
    pub(super) stores_state: bool,
    pub(super) problems: Vec<Problem>,
}

impl Module {
    /// Puts a folder's files together, as the command lines do.
    pub(super) fn of(primary: &[Arc<Content>], overrides: &[Arc<Content>]) -> Self {
        let mut module = Self::default();
        let mut required = false;
        for content in primary {
            module.common(content);
            module.imports.extend(content.imports.iter().cloned());
            for entries in &content.requirements {
                if required && let Some(entry) = entries.first() {
                    let message = "a module has one required_providers block, and this is another";
                    module.problems.push(Problem { message: message.to_owned(), ..entry.place.clone() });
                }
                required = true;
                module.require(entries);
            }
            for block in &content.providers {
                module.providers.insert((block.name.clone(), block.alias.clone()), block.clone());
            }
            for resource in &content.resources {
                module.resources.insert(key(resource), resource.clone());
            }
            for call in &content.calls {
                module.calls.insert(call.name.clone(), call.clone());
            }
        }
        for content in overrides {
            module.common(content);
            content.requirements.iter().for_each(|entries| module.require(entries));
            module.change(content);
        }
        module
    }

    fn common(&mut self, content: &Content) {
        self.problems.extend(content.problems.iter().cloned());
        self.stores_state |= content.stores_state;
    }

    fn require(&mut self, entries: &[Requirement]) {
        self.requirements.extend(entries.iter().map(|entry| (entry.name.clone(), entry.clone())));
    }

    /// What an override file leaves out stays as it is.
    fn change(&mut self, content: &Content) {
        for block in &content.providers {
            let known = self.providers.entry((block.name.clone(), block.alias.clone()));
            let known = known.or_insert_with(|| block.clone());
            if block.version.is_some() {
                known.version.clone_from(&block.version);
            }
        }
        for resource in &content.resources {
            let known = self.resources.entry(key(resource)).or_insert_with(|| resource.clone());
            if resource.provider.is_some() {
                known.provider.clone_from(&resource.provider);
            }
        }
        for call in &content.calls {
            let known = self.calls.entry(call.name.clone()).or_insert_with(|| call.clone());
            if call.source != Source::Missing {
                *known = call.clone();
            }
        }
    }

    /// Adds what this module itself needs. What cannot be told is added to `problems`.
    pub(super) fn add_requirements(&self, style: Style, needs: &mut Requirements, problems: &mut Vec<Problem>) {
        let mut names: BTreeMap<&str, Address> = BTreeMap::new();
        for (name, requirement) in &self.requirements {
            let provider = match &requirement.source {
                Some(source) => Address::parse(source, style),
                None => Address::implied(name, style),
            };
            match provider {
                Ok(provider) => {
                    needs.entry(provider.clone()).or_default().extend(&requirement.constraints);
                    names.insert(name, provider);
                }
                Err(error) => {
                    problems.push(Problem { message: error.to_string(), ..requirement.place.clone() });
                }
            }
        }
        // A name that no provider has is the command lines' to refuse: it does not keep the others from being locked.
        let provider = |name: &str| names.get(name).cloned().or_else(|| Address::implied(name, style).ok());
        let resources = self
            .resources
            .values()
            .map(|resource| resource.provider.as_deref().unwrap_or_else(|| implied_name(&resource.kind)));
        for name in resources.chain(self.imports.iter().map(String::as_str)) {
            if let Some(provider) = provider(name) {
                needs.entry(provider).or_default();
            }
        }
        for block in self.providers.values() {
            if let Some(provider) = provider(&block.name) {
                let constraints = needs.entry(provider).or_default();
                constraints.extend(block.version.as_ref().unwrap_or(&crate::Constraints::default()));
            }
        }
    }
}

fn key(resource: &Resource) -> (&'static str, String, String) {
    (resource.mode, resource.kind.clone(), resource.name.clone())
}
