//! What `init` of both CLIs does with a lock file that holds only some hashes of a release, by where the package comes
//! from. One table for every test that offers packages.

use futures_util::{StreamExt, stream};

use crate::cli::Cli;

/// How many CLIs run at once.
const AT_ONCE: usize = 3;

/// The lock file's name.
const NAME: &str = ".terraform.lock.hcl";

/// Where `init` finds the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The provider's registry, or one that stands for it.
    Registry,
    /// One that also tells the hashes of every package (`packages`): OpenTofu believes what is signed for.
    TellingRegistry,
    /// A network mirror that lists the `zh:` and the `h1:` hashes of every package.
    NetworkMirror,
    /// A filesystem mirror with zips.
    Packed,
    /// A filesystem mirror with unpacked packages.
    Unpacked,
}

/// A part of a release's hashes, as seen from the platform on which `init` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The `h1:` of its own package.
    OwnH1,
    /// The `h1:` of one other platform's package.
    OtherH1,
    /// The other `h1:` hashes.
    MoreH1,
    /// The `zh:` of its own package.
    OwnZh,
    /// The `zh:` of that other platform's package.
    OtherZh,
    /// The `zh:` hashes of the other packages.
    MoreZh,
    /// The `zh:` of what is no package, but has a line in the signed sums: the manifest.
    ManifestZh,
}

use Part::{ManifestZh, MoreH1, MoreZh, OtherH1, OtherZh, OwnH1, OwnZh};

/// All of them.
const WHOLE: &[Part] = &[OwnH1, OtherH1, MoreH1, OwnZh, OtherZh, MoreZh, ManifestZh];
/// What can be known from the packages themselves.
const NO_MANIFEST: &[Part] = &[OwnH1, OtherH1, MoreH1, OwnZh, OtherZh, MoreZh];
/// What a filesystem mirror of unpacked packages for all platforms tells.
const H1_ONLY: &[Part] = &[OwnH1, OtherH1, MoreH1];
/// What `init` of another platform locks from a registry.
const NO_OWN_H1: &[Part] = &[OtherH1, OwnZh, OtherZh, MoreZh, ManifestZh];
/// What it locks from a mirror.
const NO_OWN: &[Part] = &[OtherH1, OtherZh];

/// The rows: what the lock file holds before, all of it first.
pub const ROWS: [&[Part]; 5] = [WHOLE, NO_MANIFEST, H1_ONLY, NO_OWN_H1, NO_OWN];

/// A lock file with every hash of its only provider, and what some of them are for.
#[derive(Clone, Debug)]
pub struct Whole {
    text: String,
    packages: Vec<[String; 2]>,
}

impl Whole {
    /// `packages`: the `h1:` and the `zh:` of every package, the one for this machine first.
    ///
    /// # Panics
    /// If the lock file does not hold them.
    #[must_use]
    pub fn new(text: &str, packages: Vec<[String; 2]>) -> Self {
        for hash in packages.iter().flatten() {
            assert!(text.contains(hash.as_str()), "{hash} is missing in {text}");
        }
        Self { text: text.to_owned(), packages }
    }

    /// The lock file with these parts only.
    #[must_use]
    pub fn holding(&self, parts: &[Part]) -> String {
        let stays = |line: &&str| self.part(line).is_none_or(|part| parts.contains(&part));
        self.text.lines().filter(stays).map(|line| format!("{line}\n")).collect()
    }

    /// Which part a line belongs to, if it is a hash.
    fn part(&self, line: &str) -> Option<Part> {
        let hash = line.trim().trim_matches(['"', ',']);
        let kind = hash.split_once(':')?.0;
        let whose = self.packages.iter().position(|package| package.iter().any(|known| known == hash));
        Some(match (kind, whose) {
            ("h1", Some(0)) => OwnH1,
            ("h1", Some(1)) => OtherH1,
            ("h1", _) => MoreH1,
            ("zh", Some(0)) => OwnZh,
            ("zh", Some(1)) => OtherZh,
            ("zh", Some(_)) => MoreZh,
            ("zh", None) => ManifestZh,
            _ => return None,
        })
    }
}

/// The table: what a lock file holds after an `init` without `-lockfile=readonly`; nothing if that is refused. `folders`:
/// whether the zip has entries for its folders, so that no `h1:` of a lock file is the zip's.
fn after(tofu: bool, place: Place, folders: bool, row: &[Part]) -> Option<&'static [Part]> {
    use Place::{NetworkMirror, Packed, Registry, TellingRegistry, Unpacked};
    match (row, place) {
        (WHOLE, _) | (NO_MANIFEST, Registry | TellingRegistry) => Some(WHOLE),
        (NO_MANIFEST, _) => Some(NO_MANIFEST),
        (H1_ONLY, Registry | TellingRegistry | NetworkMirror | Packed) if folders => None,
        (H1_ONLY, Registry | TellingRegistry) => Some(WHOLE),
        // OpenTofu writes down each hash that the mirror lists and that it has seen to be right.
        (H1_ONLY, NetworkMirror) if tofu => Some(&[OwnH1, OtherH1, MoreH1, OwnZh]),
        (H1_ONLY, NetworkMirror | Packed | Unpacked) => Some(H1_ONLY),
        // What is unpacked matches no `zh:`.
        (NO_OWN_H1, Unpacked) => None,
        (NO_OWN_H1, TellingRegistry) if tofu => Some(WHOLE),
        (NO_OWN_H1, _) => Some(&[OwnH1, OtherH1, OwnZh, OtherZh, MoreZh, ManifestZh]),
        _ => None,
    }
}

/// Runs `init` for every row, with `-lockfile=readonly` and without, and tells where it does something else than the
/// table says. `cli` gives a CLI that finds the package at that place only, with a configuration that needs it; `folders`
/// says whether the zip has entries for its folders.
pub async fn differences(whole: &Whole, folders: bool, places: &[Place], cli: impl Fn(Place) -> Cli) -> Vec<String> {
    let rows = |place| ROWS.into_iter().flat_map(move |row| [(place, row, false), (place, row, true)]);
    let run = |(place, row, readonly): (Place, &'static [Part], bool)| {
        let cli = cli(place);
        async move {
            let after = after(cli.is_tofu(), place, folders, row);
            let found = difference(whole, &cli, row, after, readonly).await?;
            Some(format!("{place:?}, a lock file with {row:?}: {found}"))
        }
    };
    let cells = places.iter().copied().flat_map(rows);
    stream::iter(cells).map(run).buffer_unordered(AT_ONCE).filter_map(|found| async { found }).collect().await
}

/// What is otherwise than expected in one cell.
async fn difference(whole: &Whole, cli: &Cli, row: &[Part], after: Option<&[Part]>, readonly: bool) -> Option<String> {
    let before = whole.holding(row);
    cli.write(NAME, &before);
    let output = cli.run(if readonly { &["init", "-lockfile=readonly"] } else { &["init"] }).await;
    let left = std::fs::read_to_string(cli.folder().join(NAME)).expect("the lock file");
    // With `-lockfile=readonly` the same is accepted and refused; what would be written is a warning.
    let expected = after.filter(|_| !readonly).map_or_else(|| before.clone(), |parts| whole.holding(parts));
    let warned = output.stdout.contains("Provider lock file not updated");
    let warning = readonly && after.is_some_and(|parts| parts != row);
    let code = if after.is_some() { Some(0) } else { Some(1) };
    (output.code != code || left != expected || warned != warning).then(|| {
        let (stdout, stderr) = (&output.stdout, &output.stderr);
        format!("status {:?}\n{stdout}{stderr}\nbefore:\n{before}\nafter:\n{left}\nexpected:\n{expected}", output.code)
    })
}
