//! The mirror's settings.

use std::path::PathBuf;
use std::time::Duration;

use tofu_state_providers::cli_config::Pattern;
use tofu_state_providers::mirror;
use tofu_state_providers::{Platform, Style};

use super::mistakes::Wrong;
use super::source::Reading;
use super::{settings, values};

/// Less would not hold one large provider.
const LEAST_BYTES: u64 = 64 << 20;
/// A list of versions may be old for longer than anybody waits for a new release.
const LONGEST_FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Both CLIs wait ten seconds for a document.
const ANSWER_IN: Duration = Duration::from_secs(5);
/// Long enough that an unsound package of hundreds of megabytes is not downloaded for everybody who asks, short
/// enough for whoever has mended it.
const WARY: Duration = Duration::from_secs(5 * 60);

/// A mirror that was asked for.
#[derive(Debug)]
pub struct MirrorConfig {
    /// How it is set up.
    pub settings: mirror::Settings,
    /// The file with registries' addresses and tokens, in the language of the CLIs' configuration.
    pub upstream: Option<PathBuf>,
}

/// The mirror, if a folder for it is named.
pub(super) fn mirror(r: &mut Reading<'_>) -> Option<MirrorConfig> {
    let folder = r.value(&settings::MIRROR_DIR, values::path);
    let allowed = r.value(&settings::MIRROR_PROVIDERS, patterns).unwrap_or_default();
    let uploaded = r.value(&settings::MIRROR_UPLOADS, patterns).unwrap_or_default();
    let most_bytes = r.value(&settings::MIRROR_MAX_BYTES, |text| values::size(text, LEAST_BYTES, u64::MAX));
    let platforms = r.value(&settings::MIRROR_PLATFORMS, platforms);
    let fresh = r.value(&settings::MIRROR_FRESH, |text| values::duration(text, Duration::ZERO, LONGEST_FRESH));
    let upstream = r.value(&settings::MIRROR_CLI_CONFIG_FILE, values::readable_file);
    let folder = folder?;
    if allowed.is_empty() && uploaded.is_empty() {
        let wrong = Wrong::new(
            "a mirror of nothing",
            "set MIRROR_PROVIDERS to the providers that are mirrored, such as `registry.terraform.io/hashicorp/*`, or \
             MIRROR_UPLOADS to those that are uploaded",
        );
        r.mistake(settings::MIRROR_PROVIDERS.name, None, wrong);
    }
    let most_bytes = most_bytes? as u64;
    let settings = mirror::Settings {
        folder,
        allowed,
        uploaded,
        most_bytes,
        platforms: platforms?,
        fresh: fresh?,
        answer_in: ANSWER_IN,
        wary: WARY,
    };
    Some(MirrorConfig { settings, upstream })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n']).filter(|word| !word.is_empty())
}

/// Patterns that name their host: here no program's default would be meant.
fn patterns(text: &str) -> Result<Vec<Pattern>, Wrong> {
    const WRITE: &str = "write HOST/NAMESPACE/TYPE, where TYPE or NAMESPACE/TYPE may be `*`, and commas between them";
    let pattern = |word: &str| match word.split('/').count() {
        3 => Pattern::parse(word, Style::Tofu).map_err(|what| Wrong::new(what, WRITE)),
        _ => Err(Wrong::new(format!("`{word}` does not have three parts"), WRITE)),
    };
    words(text).map(pattern).collect()
}

fn platforms(text: &str) -> Result<Vec<Platform>, Wrong> {
    if text == "all" {
        return Ok(Vec::new());
    }
    let platform = |word: &str| {
        word.parse()
            .map_err(|error| Wrong::new(format!("{error}"), "write platforms with commas between them, or `all`"))
    };
    words(text).map(platform).collect()
}
