//! `.terraform.lock.hcl`: read as strictly as the command lines read it, written byte for byte as they write it.

mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Address, Constraints, Hash, Style, Version};

/// The file's name, next to the root module's configuration. Both command lines use it.
pub const NAME: &str = ".terraform.lock.hcl";

/// The versions and hashes that a root module is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    /// In the order of the file.
    pub providers: BTreeMap<Address, Lock>,
}

/// The selected version of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The version.
    pub version: Version,
    /// The constraints that led to it.
    pub constraints: Constraints,
    /// Hashes of its packages, for any platform, in the order of the file.
    pub hashes: BTreeSet<Hash>,
}

impl LockFile {
    /// Sets a provider's selection. Hashes that the same version has already are kept, whatever is told now; those of
    /// another version go.
    pub fn select(&mut self, provider: Address, mut lock: Lock) {
        if let Some(old) = self.providers.remove(&provider)
            && old.version == lock.version
        {
            lock.hashes.extend(old.hashes);
        }
        self.providers.insert(provider, lock);
    }

    /// What OpenTofu does with a lock file of Terraform's: the default providers are selected in the same version from
    /// OpenTofu's registry, where they are not yet; without hashes, since its packages are others.
    pub fn adopt_predecessors(&mut self) {
        let successors: Vec<(Address, Lock)> = self
            .providers
            .iter()
            .filter_map(|(provider, lock)| {
                let successor = provider.successor().filter(|successor| !self.providers.contains_key(successor))?;
                Some((successor, Lock { hashes: BTreeSet::new(), ..lock.clone() }))
            })
            .collect();
        self.providers.extend(successors);
    }
}

/// Whose lock file a text is, by its first line.
#[must_use]
pub fn style_of(text: &str) -> Option<Style> {
    let head = text.lines().next()?;
    [Style::Tofu, Style::Terraform].into_iter().find(|style| head == write::head(*style))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = r#"# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/acme/bare" {
  version = "0.1.0-beta.1"
}

provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = ">= 4.0.0, ~> 5.0"
  hashes = [
    "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
    "zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644",
  ]
}

provider "registry.terraform.io/hashicorp/null" {
  version = "3.2.1"
  hashes = [
    "h1:x",
  ]
}
"#;

    fn read(text: &str) -> LockFile {
        LockFile::read(Path::new(NAME), text).unwrap()
    }

    #[test]
    fn a_file_is_written_as_it_was_read() {
        assert_eq!(read(FILE).write(Style::Terraform), FILE);
        assert_eq!(
            read("").write(Style::Tofu),
            FILE.split_inclusive('\n').take(2).collect::<String>().replace("terraform", "tofu")
        );
    }

    #[test]
    fn hashes_of_the_same_version_are_kept() {
        let mut locks = read(FILE);
        let null = Address::parse("null", Style::Terraform).unwrap();
        let lock = |version: &str| Lock {
            version: version.parse().unwrap(),
            constraints: Constraints::default(),
            hashes: ["zh:y".parse().unwrap()].into(),
        };
        locks.select(null.clone(), lock("3.2.1"));
        let hashes = |locks: &LockFile| locks.providers[&null].hashes.iter().map(Hash::to_string).collect::<Vec<_>>();
        assert_eq!(hashes(&locks), ["h1:x", "zh:y"]);
        locks.select(null.clone(), lock("3.2.2"));
        assert_eq!(hashes(&locks), ["zh:y"]);
    }

    #[test]
    fn the_predecessors_default_providers_are_adopted() {
        let mut locks = read(FILE);
        locks.adopt_predecessors();
        let adopted: Vec<String> = locks.providers.keys().map(ToString::to_string).collect();
        assert_eq!(
            adopted,
            [
                "registry.opentofu.org/hashicorp/aws",
                "registry.opentofu.org/hashicorp/null",
                "registry.terraform.io/acme/bare",
                "registry.terraform.io/hashicorp/aws",
                "registry.terraform.io/hashicorp/null",
            ]
        );
        assert!(locks.providers.values().next().unwrap().hashes.is_empty());
    }

    #[test]
    fn the_style_is_told_by_the_first_line() {
        assert_eq!(style_of(FILE), Some(Style::Terraform));
        assert_eq!(style_of(&read(FILE).write(Style::Tofu)), Some(Style::Tofu));
        assert_eq!(style_of("# mine\n"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, problem) in [
            ("provider \"a/b/c\" {", ":1:"),
            ("x = 1\n", ":1:1: an attribute `x`"),
            ("\nmodule \"x\" {}\n", ":2:1: a block `module`"),
            (
                "provider \"hashicorp/aws\" {}\n",
                ":1:10: the address must be written in full: registry.opentofu.org/hashicorp/aws",
            ),
            (
                "provider \"terraform.io/builtin/terraform\" {}\n",
                ":1:10: terraform.io/builtin/terraform is never locked",
            ),
            ("provider \"x.com/a/b\" {\n}\n", ":1:1: no version"),
            ("provider \"x.com/a/b\" {\n  version = \"1\"\n}\n", ":2:13: the version must be written in full: 1.0.0"),
            ("provider \"x.com/a/b\" {\n  version = 1.0\n}\n", ":2:13: a text in quotes"),
            (
                "provider \"x.com/a/b\" {\n  version = \"1.0.0\"\n  constraints = \"~>1\"\n}\n",
                ":3:17: the constraints must be written as ~> 1.0",
            ),
            ("provider \"x.com/a/b\" {\n  version = \"1.0.0\"\n  hashes = [\"h1\"]\n}\n", ":3:13: `h1` is no hash"),
            ("provider \"x.com/a/b\" {\n  version = \"1.0.0\"\n  hashes = []\n}\n", ":3:12: an empty list"),
            ("provider \"x.com/a/b\" {\n  version = \"1.0.0\"\n  more = 1\n}\n", ":3:3: an attribute `more`"),
            (
                "provider \"x.com/a/b\" {\n  version = \"1.0.0\"\n}\nprovider \"x.com/a/b\" {\n  version = \"1.0.0\"\n}\n",
                ":4:10: x.com/a/b is locked twice",
            ),
        ] {
            let error = LockFile::read(Path::new(NAME), text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{NAME}{problem}")), "{error}");
        }
    }
}
