//! What a provider's package runs on: an operating system and a processor, in Go's names.

use std::fmt;
use std::str::FromStr;

/// An operating system and an architecture, written `linux_amd64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    os: String,
    architecture: String,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no platform: write it as OS_ARCHITECTURE in Go's names, such as linux_amd64 or darwin_arm64")]
pub struct PlatformError(String);

impl Platform {
    /// The operating system, such as `linux`, `darwin` or `windows`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture, such as `amd64` or `arm64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The platform that this program was built for, in Go's names.
    #[must_use]
    pub fn current() -> Self {
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            os => os,
        };
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            architecture => architecture,
        };
        Self { os: os.to_owned(), architecture: architecture.to_owned() }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        // Stricter than the command lines: the parts become parts of URLs and of file names.
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once('_') {
            Some((os, architecture)) if plain(os) && plain(architecture) => {
                Ok(Self { os: os.to_owned(), architecture: architecture.to_owned() })
            }
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.os, self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_two_words() {
        assert_eq!("linux_amd64".parse::<Platform>().unwrap().to_string(), "linux_amd64");
        for text in ["", "linux", "linux_", "linux_amd64_x", "linux-amd64", "../_x", "linux _amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
