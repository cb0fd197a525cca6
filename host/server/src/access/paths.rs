//! Path rules: globs over a state's path. `*` does not cross a `/`, `**` does.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of globs, compiled.
#[derive(Clone, Debug)]
pub struct Paths(GlobSet);

impl Paths {
    /// Compiles globs such as `platform/*` or `team/**`.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn compile(globs: &[String]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(compile(glob)?);
        }
        set.build().map(Self).map_err(|error| error.to_string())
    }

    /// Whether one of them matches the state's path, given as segments that were split first and then
    /// decoded.
    ///
    /// A path that could be read in two ways matches nothing: with a segment that is empty or made of
    /// dots, or in which a `/` (sent as `%2F`) or an undecodable byte was hidden.
    #[must_use]
    pub fn match_segments(&self, segments: &[String]) -> bool {
        let ambiguous = |segment: &String| {
            segment.is_empty()
                || segment == "."
                || segment == ".."
                || segment.contains(['/', '\\', '\0', char::REPLACEMENT_CHARACTER])
        };
        !segments.is_empty() && !segments.iter().any(ambiguous) && self.0.is_match(segments.join("/"))
    }

    /// Whether one of them matches a state's path as the protocol has checked it.
    #[must_use]
    pub fn match_path(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

fn compile(glob: &str) -> Result<Glob, String> {
    if glob.is_empty() || glob.starts_with('/') || glob.ends_with('/') {
        return Err(format!("the path `{glob}` is empty, or starts or ends with `/`: write `group/project`"));
    }
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| format!("the path `{glob}` is not a glob: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        let segments: Vec<_> = path.split('/').map(str::to_owned).collect();
        Paths::compile(&[glob.to_owned()]).unwrap().match_segments(&segments)
    }

    #[test]
    fn one_star_stays_in_a_segment_and_two_do_not() {
        assert!(matches("platform/*", "platform/talos"));
        assert!(!matches("platform/*", "platform/a/b"));
        assert!(!matches("platform/*", "platform"));
        assert!(!matches("platform/*", "platforms/a"));
        assert!(matches("team/**", "team/a/b"));
        assert!(matches("**", "a/b/c"));
        assert!(matches("*/prod-*", "a/prod-1") && !matches("*/prod-*", "a/test-1"));
        assert!(!matches("Team/*", "team/a"), "case counts");
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_matches_nothing() {
        let all = Paths::compile(&["**".to_owned(), "team/**".to_owned()]).unwrap();
        for segments in [
            &["team", "../other/x"][..],
            &["team/x"],
            &["team", "..", "other"],
            &["team", "."],
            &["team", ""],
            &["", "x"],
            &["team", "a\0"],
            &["team", "\u{FFFD}"],
            &["team", "a\\b"],
            &[],
        ] {
            let segments: Vec<_> = segments.iter().map(|s| (*s).to_owned()).collect();
            assert!(!all.match_segments(&segments), "{segments:?}");
        }
    }

    #[test]
    fn bad_globs_are_named() {
        for bad in ["", "/a", "a/", "a[", "{a"] {
            assert!(Paths::compile(&[bad.to_owned()]).unwrap_err().contains(bad));
        }
    }
}
