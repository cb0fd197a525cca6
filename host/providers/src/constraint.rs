//! Version constraints, read, written and met exactly as OpenTofu and Terraform do.
//!
//! Sources: go-versions' `ParseRubyStyleMulti` and `MeetingConstraints`, and OpenTofu's `VersionConstraintsString`. What
//! stands in a configuration goes through hashicorp/go-version as well, which is stricter here and more lenient there;
//! this takes what both take.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::version::{Parsed, Version, words};

/// How a version is compared with a boundary. Ordered as constraints with the same boundary are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Equal,
    /// `~>` with three numbers: the last one may grow.
    PatchOnly,
    /// `~>` with one or two numbers: the second and third may grow.
    MinorOnly,
    LessOrEqual,
    Less,
    NotEqual,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Constraint {
    operator: Operator,
    boundary: Version,
}

/// Constraints that all hold; none at all is met by every release.
///
/// They are kept in the canonical form of lock files: duplicates left out, sorted by boundary and then by operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Constraints(Vec<Constraint>);

/// Why a text is no version constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no version constraint: {reason}")]
pub struct ConstraintError {
    /// The part of the constraints that is wrong.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Constraints {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Only this version.
    #[must_use]
    pub fn exactly(version: Version) -> Self {
        Self(vec![Constraint { operator: Operator::Equal, boundary: version }])
    }

    /// Adds the constraints of another module.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
        self.normalize();
    }

    /// Whether `version` may be selected. A prerelease only when it is asked for exactly.
    #[must_use]
    pub fn allow(&self, version: &Version) -> bool {
        let asked = || self.0.iter().any(|one| one.operator == Operator::Equal && one.boundary == *version);
        self.0.iter().all(|constraint| constraint.holds(version)) && (!version.is_prerelease() || asked())
    }

    /// The newest of `versions` that may be selected.
    #[must_use]
    pub fn newest<'a>(&self, versions: impl IntoIterator<Item = &'a Version>) -> Option<&'a Version> {
        versions.into_iter().filter(|version| self.allow(version)).max()
    }

    fn normalize(&mut self) {
        self.0.sort_by(Constraint::order);
        self.0.dedup();
    }
}

impl Constraint {
    fn read(text: &str) -> Result<Self, &'static str> {
        let end = text.find(|c: char| !"<>=!~^|&".contains(c)).unwrap_or(text.len());
        let (sign, rest) = text.split_at(end);
        let version = match sign {
            "" => rest,
            _ => rest.strip_prefix(' ').unwrap_or(rest),
        };
        if version.starts_with(char::is_whitespace) {
            return Err("only one space may follow the operator");
        }
        // Both command lines pass over a dash with nothing behind it.
        let dashless = version.strip_suffix('-').filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
        let version = dashless.filter(|rest| !rest.contains(['-', '+'])).unwrap_or(version);
        let Parsed { version: boundary, numbers } = match sign {
            "=<" => return Err("did you mean <=?"),
            "=>" => return Err("did you mean >=?"),
            "" | "=" | "!=" | ">" | ">=" | "<" | "<=" | "~>" => Parsed::read(version)?,
            _ => return Err("the operators are =, !=, >, >=, <, <= and ~>"),
        };
        let operator = match sign {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "~>" if numbers == 3 => Operator::PatchOnly,
            "~>" => Operator::MinorOnly,
            _ => Operator::Equal,
        };
        Ok(Self { operator, boundary })
    }

    fn order(&self, other: &Self) -> Ordering {
        let boundaries = self.boundary.precedence(&other.boundary);
        boundaries
            .then_with(|| words(&self.boundary.metadata, &other.boundary.metadata))
            .then(self.operator.cmp(&other.operator))
    }

    fn holds(&self, version: &Version) -> bool {
        let at_least = || version.precedence(&self.boundary).is_ge();
        match self.operator {
            // Metadata counts for these two only.
            Operator::Equal => *version == self.boundary,
            Operator::NotEqual => *version != self.boundary,
            Operator::Greater => version.precedence(&self.boundary).is_gt(),
            Operator::GreaterOrEqual => at_least(),
            Operator::Less => version.precedence(&self.boundary).is_lt(),
            Operator::LessOrEqual => version.precedence(&self.boundary).is_le(),
            Operator::PatchOnly => at_least() && version.precedence(&self.next_minor()).is_lt(),
            Operator::MinorOnly => at_least() && version.precedence(&self.next_major()).is_lt(),
        }
    }

    fn next_minor(&self) -> Version {
        let Version { major, minor, .. } = self.boundary;
        release(major, minor.saturating_add(1))
    }

    fn next_major(&self) -> Version {
        release(self.boundary.major.saturating_add(1), 0)
    }
}

fn release(major: u64, minor: u64) -> Version {
    Version { major, minor, patch: 0, prerelease: String::new(), metadata: String::new() }
}

impl FromStr for Constraints {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        let mut constraints = Self::default();
        for part in text.split(',') {
            let part = part.trim();
            let constraint =
                Constraint::read(part).map_err(|reason| ConstraintError { text: part.to_owned(), reason })?;
            constraints.0.push(constraint);
        }
        constraints.normalize();
        Ok(constraints)
    }
}

impl fmt::Display for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Constraint { operator, boundary }) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            f.write_str(match operator {
                Operator::Greater => "> ",
                Operator::GreaterOrEqual => ">= ",
                Operator::Equal => "",
                Operator::PatchOnly | Operator::MinorOnly => "~> ",
                Operator::LessOrEqual => "<= ",
                Operator::Less => "< ",
                Operator::NotEqual => "!= ",
            })?;
            if *operator == Operator::MinorOnly {
                write!(f, "{}.{}", boundary.major, boundary.minor)?;
                boundary.fmt_extras(f)?;
            } else {
                write!(f, "{boundary}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints(text: &str) -> Constraints {
        text.parse().unwrap()
    }

    #[test]
    fn the_written_form_is_canonical() {
        for (text, canonical) in [
            ("=1.2", "1.2.0"),
            ("~> 1", "~> 1.0"),
            ("~> 1.2", "~> 1.2"),
            ("~> 1.2.0", "~> 1.2.0"),
            (">=1.0,<2.0", ">= 1.0.0, < 2.0.0"),
            ("< 2.0, >= 1.0", ">= 1.0.0, < 2.0.0"),
            ("~> 1.0, >= 1.0", ">= 1.0.0, ~> 1.0"),
            ("1.2.0 , ~>1.0", "~> 1.0, 1.2.0"),
            (">= 2, >= 2.0, >= 2.0.0", ">= 2.0.0"),
            ("1.0.0-beta.1", "1.0.0-beta.1"),
            ("!= 1.1.0, < 1.1.0, > 1.1.0, <= 1.1.0", "> 1.1.0, <= 1.1.0, < 1.1.0, != 1.1.0"),
        ] {
            assert_eq!(constraints(text).to_string(), canonical, "{text}");
            assert_eq!(constraints(canonical).to_string(), canonical);
        }
    }

    #[test]
    fn constraints_of_modules_are_joined() {
        let mut all = constraints("~> 1.0");
        all.extend(&constraints("1.2.0, ~> 1.0"));
        all.extend(&Constraints::default());
        assert_eq!(all.to_string(), "~> 1.0, 1.2.0");
    }

    #[test]
    fn what_is_no_constraint_is_refused() {
        for text in [
            "", ",", ">= 1.0,", "v1.2.0", ">= v1", "1.2.*", "=> 1", "=< 1", "~ 1", "^1", ">=  1.0", "1.0 2.0",
            "1.2.3.4", ">", "1.0 ||",
        ] {
            assert!(text.parse::<Constraints>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_selected_as_the_command_lines_do() {
        for (text, allowed, others) in [
            ("~> 1.2", "1.2.0 1.9.9", "1.1.9 2.0.0 2.0.0-rc1"),
            ("~> 1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~> 1", "1.0.0 1.99.0", "0.9.0 2.0.0"),
            ("> 1.0", "1.0.1", "1.0.0"),
            ("!= 1.1.0, ~> 1.0", "1.0.0 1.2.0", "1.1.0"),
            ("1.0.0-beta.1", "1.0.0-beta.1", "1.0.0 1.0.0-beta.2"),
            (">= 1.0.0-beta.1", "1.0.0", "1.0.0-beta.1 1.0.0-beta.2"),
            (">= 1.0.0-beta.1, 1.0.0-beta.2", "1.0.0-beta.2", "1.0.0-beta.1"),
            ("~> 1.0.0-beta", "1.0.0 1.0.5", "1.0.0-beta 1.1.0"),
            ("1.0.0", "1.0.0", "1.0.0+build"),
        ] {
            let constraints = constraints(text);
            for version in allowed.split(' ') {
                assert!(constraints.allow(&version.parse().unwrap()), "{text}: {version}");
            }
            for version in others.split(' ') {
                assert!(!constraints.allow(&version.parse().unwrap()), "{text}: {version}");
            }
        }
        assert!(Constraints::default().allow(&"3.0.0".parse().unwrap()));
        assert!(!Constraints::default().allow(&"3.0.0-rc1".parse().unwrap()));
    }

    #[test]
    fn the_newest_allowed_version_is_selected() {
        let versions: Vec<Version> =
            ["1.9.0", "1.10.0", "2.0.0-rc1", "1.2.0"].iter().map(|version| version.parse().unwrap()).collect();
        assert_eq!(constraints(">= 1.0").newest(&versions), versions.get(1));
        assert_eq!(constraints("> 2.0").newest(&versions), None);
    }

    /// What the command lines' own libraries say (go-versions 1.0.3, go-version 1.8.0, OpenTofu 1.12.6's
    /// `VersionConstraintsString`) about constraints made at random: the canonical form or `-`, and which of the versions
    /// in the first line are allowed.
    #[test]
    fn the_libraries_of_the_command_lines_agree() {
        let table = include_str!("../testdata/constraints.tsv");
        let (head, rows) = table.split_once('\n').unwrap();
        let versions: Vec<&str> = head.trim_start_matches("# Versions: ").split(' ').collect();
        for row in rows.lines() {
            let mut columns = row.split('\t');
            let (text, canonical) = (columns.next().unwrap(), columns.next().unwrap());
            let parsed = text.parse::<Constraints>();
            if canonical == "-" {
                assert!(parsed.is_err(), "{text:?}");
                continue;
            }
            let parsed = parsed.unwrap();
            assert_eq!(parsed.to_string(), canonical, "{text:?}");
            let allowed: Vec<&str> =
                versions.iter().copied().filter(|version| parsed.allow(&version.parse().unwrap())).collect();
            assert_eq!(allowed.join(" "), columns.next().unwrap(), "{text:?}");
        }
    }
}
