//! What is needed over all root modules, each thing once: the releases, and of each the platforms.

use std::collections::{BTreeMap, BTreeSet};

use crate::cache::{Cache, Known};
use crate::{Address, Hash, Platform, Version};

/// A version of a provider as one place has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Release {
    /// The place ([`Source::identity`](crate::sources::Source::identity)).
    pub place: String,
    /// The provider.
    pub provider: Address,
    /// The version.
    pub version: Version,
}

/// A package: a release for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Package {
    /// The release.
    pub release: Release,
    /// The platform.
    pub platform: Platform,
}

/// Unique packages, and which of them need nobody to be asked.
#[derive(Debug, Default)]
pub struct Plan {
    /// Packages that somebody is to be asked about, and perhaps to be downloaded from.
    pub asked: BTreeSet<Package>,
    /// Packages of which everything is remembered from earlier runs.
    pub remembered: BTreeSet<Package>,
    /// Of each package that is asked about, the hashes that every root module which wants it has locked already.
    pub locked: BTreeMap<Package, BTreeSet<Hash>>,
}

impl Plan {
    /// Adds a package, however often it is wanted. `locked`: what who wants it has locked for its release.
    pub fn want(&mut self, package: Package, locked: Option<&BTreeSet<Hash>>, memory: &Memory) {
        if memory.package(&package).is_some() {
            self.remembered.insert(package);
            return;
        }
        match self.locked.get_mut(&package) {
            Some(all) => all.retain(|hash| locked.is_some_and(|locked| locked.contains(hash))),
            None => drop(self.locked.insert(package.clone(), locked.cloned().unwrap_or_default())),
        }
        self.asked.insert(package);
    }
}

/// What earlier runs have verified of the releases of this one.
#[derive(Debug, Default)]
pub struct Memory {
    releases: BTreeMap<Release, Remembered>,
}

/// A release whose signed sums were verified once.
#[derive(Debug)]
pub struct Remembered {
    /// The hashes of all its archives and of its other files, as the signed sums have them.
    pub sums: Vec<Hash>,
    /// The key that signed them.
    pub signed_by: String,
    /// Its packages, each with what it was found to be if it was ever downloaded.
    pub packages: BTreeMap<Platform, Option<Known>>,
}

impl Memory {
    /// Looks up every release once.
    #[must_use]
    pub fn of(cache: Option<&Cache>, releases: BTreeSet<Release>) -> Self {
        let remembered = |release: Release| Some((release.clone(), Remembered::of(cache?, &release)?));
        Self { releases: releases.into_iter().filter_map(remembered).collect() }
    }

    /// A release, if its signed sums are remembered.
    #[must_use]
    pub fn release(&self, release: &Release) -> Option<&Remembered> {
        self.releases.get(release)
    }

    /// A package, if it was downloaded and matched the signed sums.
    #[must_use]
    pub fn package(&self, package: &Package) -> Option<(&Remembered, &Known)> {
        let release = self.releases.get(&package.release)?;
        Some((release, release.packages.get(&package.platform)?.as_ref()?))
    }
}

impl Remembered {
    fn of(cache: &Cache, Release { place, provider, version }: &Release) -> Option<Self> {
        let kept = cache.release(place, provider, version)?;
        // What no key signed may have come with more hashes than its sums: that is asked for again.
        let signed_by = kept.signed_by?;
        let package = |(name, sum): &(String, _)| Some((platform_of(name)?, cache.package(sum)));
        let packages = kept.sums.iter().filter_map(package).collect();
        Some(Self { sums: kept.sums.iter().map(|(_, sum)| sum.zh()).collect(), signed_by, packages })
    }

    /// The platforms whose `h1:` hash is among `hashes`.
    #[must_use]
    pub fn platforms_in(&self, hashes: &BTreeSet<Hash>) -> BTreeMap<Hash, Platform> {
        let one = |(platform, known): (&Platform, &Option<Known>)| {
            let h1 = known.as_ref()?.hashes()?.h1;
            hashes.contains(&h1).then(|| (h1, platform.clone()))
        };
        self.packages.iter().filter_map(one).collect()
    }
}

/// The platform in an archive's name: `terraform-provider-aws_5.100.0_linux_amd64.zip`.
fn platform_of(name: &str) -> Option<Platform> {
    let mut words = name.strip_suffix(".zip")?.rsplit('_');
    let (architecture, os) = (words.next()?, words.next()?);
    format!("{os}_{architecture}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_name_tells_its_platform() {
        let platform = |name| platform_of(name).map(|platform| platform.to_string());
        assert_eq!(platform("terraform-provider-a_b_1.0.0_linux_amd64.zip").as_deref(), Some("linux_amd64"));
        assert_eq!(platform("terraform-provider-a_1.0.0_manifest.json"), None);
        assert_eq!(platform("x.zip"), None);
    }
}
