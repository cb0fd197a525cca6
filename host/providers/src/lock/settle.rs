//! Writing the lock files, or telling how they differ from what they should be.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use similar::TextDiff;

use super::Request;
use super::gather::{Facts, Failure, Found};
use super::report::{Locked, Outcome, Report, Root};
use super::select::{Selected, Wanted};
use super::survey::Surveyed;
use crate::plan::Package;
use crate::problem::Problem;
use crate::sources::Provenance;
use crate::{Address, Hash, Lock, LockFile, Platform, lockfile};

/// Settles every root module.
pub(super) fn settle(request: &Request, roots: Vec<Selected>, facts: &Facts, report: &mut Report) {
    for selected in roots {
        let Selected { root, providers } = selected;
        let mut new = root.old.clone();
        let mut locked = Vec::new();
        let mut problems = Vec::new();
        for wanted in &providers {
            match lock(&root, wanted, facts) {
                Ok((lock, told)) => {
                    new.select(wanted.release.provider.clone(), lock);
                    locked.push(told);
                }
                Err(reason) => problems.push(Problem::new(&root.folder, reason)),
            }
        }
        let not_required = not_required(request, &root);
        if request.prune {
            new.providers.retain(|provider, _| !not_required.contains(provider));
        }
        let outcome = if problems.is_empty() { write(request.check, &root, &new) } else { Outcome::Failed(problems) };
        report.roots.push(Root { folder: root.folder, style: root.style, outcome, providers: locked, not_required });
    }
}

/// What the lock file has and nothing requires. Without the modules' own requirements that cannot be told.
fn not_required(request: &Request, root: &Surveyed) -> Vec<Address> {
    let locked = root.old.providers.keys().filter(|provider| !request.shallow && !root.needs.contains_key(*provider));
    locked.cloned().collect()
}

/// What a provider is to be locked to.
fn lock(root: &Surveyed, wanted: &Wanted, facts: &Facts) -> Result<(Lock, Locked), String> {
    let release = &wanted.release;
    let old = root.old.providers.get(&release.provider).filter(|old| old.version == release.version);
    let package = |platform: &Platform| Package { release: release.clone(), platform: platform.clone() };
    // All that is known to belong to the release.
    let found = wanted.platforms.iter().filter_map(|platform| facts.get(&package(platform))?.as_ref().ok());
    let seen: BTreeSet<&Hash> = found.flat_map(|found| &found.hashes).collect();
    let mut hashes = BTreeSet::new();
    let mut told = Locked::new(release, wanted.locked.as_ref().map(|locked| locked.version.clone()));
    for platform in &wanted.platforms {
        let package = package(platform);
        let found = match facts.get(&package) {
            Some(Ok(found)) => found,
            Some(Err(Failure::NoPlatform)) if !wanted.by_name => continue,
            Some(Err(failure)) => return Err(reason(&package, failure)),
            None => return Err(format!("{} {} was not asked for", release.provider, release.version)),
        };
        if let Some(old) = old {
            doubt(&package, old, found, &seen, &mut told)?;
        }
        hashes.extend(found.hashes.iter().cloned());
        told.add(platform, found.bytes, &found.provenance);
    }
    if told.platforms.is_empty() {
        return Err(format!(
            "{} {} has no package for any of the platforms that are wanted: give --platform",
            release.provider, release.version
        ));
    }
    told.notes.extend(missing_h1(&told.platforms, &hashes, old));
    told.hashes_added = hashes.iter().filter(|hash| old.is_none_or(|old| !old.hashes.contains(hash))).count();
    let lock = Lock { version: release.version.clone(), constraints: wanted.constraints.clone(), hashes };
    Ok((lock, told))
}

/// Fewer `h1:` hashes than platforms: some are missing, whichever they are.
fn missing_h1(platforms: &[Platform], hashes: &BTreeSet<Hash>, old: Option<&Lock>) -> Option<String> {
    let old = old.iter().flat_map(|old| &old.hashes);
    let known: BTreeSet<&Hash> = hashes.iter().chain(old).filter(|hash| hash.is_files()).collect();
    let missing = platforms.len().checked_sub(known.len()).filter(|missing| *missing > 0)?;
    Some(format!(
        "{missing} h1: hashes are missing, because no package was downloaded that would tell them: `init` may add them"
    ))
}

fn reason(package: &Package, failure: &Failure) -> String {
    let (release, platform) = (&package.release, &package.platform);
    match failure {
        Failure::NoPlatform => format!("{} {} has no package for {platform}", release.provider, release.version),
        Failure::Other(reason) => format!("{} {} for {platform}: {reason}", release.provider, release.version),
    }
}

/// Compares a package with what is locked for the same version. `seen`: the hashes of all its packages in this run.
///
/// # Errors
/// A mirror's package whose archive is none of those that are locked: nobody has signed it. Only where all that is locked
/// is seen to be the mirror's, too, it may be one that was not wanted so far; signed sums have more than packages in them.
fn doubt(
    package: &Package,
    old: &Lock,
    found: &Found,
    seen: &BTreeSet<&Hash>,
    told: &mut Locked,
) -> Result<(), String> {
    let Some(zip) = &found.zip else { return Ok(()) };
    let mut locked = old.hashes.iter().filter(|hash| hash.is_zip());
    if old.hashes.contains(zip) || locked.clone().next().is_none() {
        return Ok(());
    }
    let Package { release, platform } = package;
    match &found.provenance {
        Provenance::Signed(_) | Provenance::Registry => {
            told.notes.push(format!(
                "the package for {platform} is none of those that were locked before: was the release changed, or the \
                 lock file?"
            ));
            Ok(())
        }
        Provenance::Mirror { .. } | Provenance::Folder(_) if locked.all(|hash| seen.contains(hash)) => Ok(()),
        Provenance::Mirror { .. } | Provenance::Folder(_) => Err(format!(
            "{} {} for {platform}: the package that the mirror has is none of those that are locked ({zip} is not among \
             them). If the lock file was made from this mirror, give --platform for each platform that it has, too; else \
             lock from the registry (--registry)",
            release.provider, release.version
        )),
    }
}

fn write(check: bool, root: &Surveyed, new: &LockFile) -> Outcome {
    let text = new.write(root.style);
    let old = root.text.as_deref();
    if old == Some(text.as_str()) {
        return Outcome::Unchanged;
    }
    let file = root.folder.join(lockfile::NAME);
    if check {
        let name = file.display().to_string();
        let diff = TextDiff::from_lines(old.unwrap_or_default(), &text);
        let diff = diff.unified_diff().header(&name, &format!("{name} (as it should be)")).to_string();
        return Outcome::Differs(diff);
    }
    match replace(&file, old, &text) {
        Ok(true) => Outcome::Written,
        // Another run was faster, and came to the same.
        Ok(false) => Outcome::Unchanged,
        Err(reason) => Outcome::Failed(vec![Problem::new(&file, reason)]),
    }
}

/// Puts the text in the file's place at once, unless somebody else has changed it since it was read. Gives whether that
/// was still to be done.
fn replace(file: &Path, old: Option<&str>, text: &str) -> Result<bool, String> {
    let cannot = |error: io::Error| format!("cannot be written: {error}");
    let (now, permissions) = match std::fs::read_to_string(file) {
        Ok(now) => (Some(now), Some(std::fs::metadata(file).map_err(cannot)?.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
        Err(error) => return Err(cannot(error)),
    };
    if now.as_deref() == Some(text) {
        return Ok(false);
    }
    if now.as_deref() != old {
        return Err("was changed by somebody else meanwhile, and is left as it is: run this once more".to_owned());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(lockfile::NAME).suffix("~");
    // As a program's own new file would be; tempfile's would be readable by its owner only.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder).map_err(cannot)?;
    temporary.write_all(text.as_bytes()).map_err(cannot)?;
    if let Some(permissions) = permissions {
        temporary.as_file().set_permissions(permissions).map_err(cannot)?;
    }
    temporary.persist(file).map_err(|error| cannot(error.error))?;
    Ok(true)
}
