//! A request's path, split and decoded.

use percent_encoding::percent_decode_str;

/// Splits a path at its `/`s, without the first, and decodes each segment once. Split first: an encoded
/// `/` stays inside its segment, where the component refuses it. Bytes that are not UTF-8 become U+FFFD,
/// which it refuses too.
#[must_use]
pub fn segments(path: &str) -> Vec<String> {
    path.strip_prefix('/')
        .unwrap_or(path)
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn split_first_then_decoded_once() {
        for (path, expected) in [
            ("/a/b", &["a", "b"][..]),
            ("/", &[""]),
            ("/a/", &["a", ""]),
            ("//a", &["", "a"]),
            ("/a%2Fb/c", &["a/b", "c"]),
            ("/%2e%2e/a", &["..", "a"]),
            ("/%252e", &["%2e"]),
            ("/%ff/%zz", &["\u{FFFD}", "%zz"]),
            ("/a%00", &["a\0"]),
            ("*", &["*"]),
            ("", &[""]),
        ] {
            assert_eq!(segments(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn as_many_segments_as_slashes_whatever_is_encoded(path in "/[a-z0-9%/.]{0,60}") {
            prop_assert_eq!(segments(&path).len(), path.matches('/').count());
        }
    }
}
