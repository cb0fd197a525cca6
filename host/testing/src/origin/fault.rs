//! How an origin can misbehave.

/// A provider's misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `SHA256SUMS`, though well signed, has another sum than the zip.
    WrongSums,
    /// The description of a package has another sum than `SHA256SUMS`.
    WrongSum,
    /// Another key has signed `SHA256SUMS` than the registry names.
    WrongSignature,
    /// There is no signature.
    NoSignature,
    /// The registry names no key.
    NoKeys,
    /// The signature is text.
    NonsenseSignature,
    /// The next so many zips break off in the middle.
    Truncated(usize),
    /// The same, and the server knows no ranges.
    TruncatedWithoutRanges(usize),
    /// Zips are sent by a redirect that leads to itself.
    RedirectLoop,
    /// Lists of versions never come.
    Hangs,
    /// Lists of versions never end.
    Endless,
    /// No answer ever comes.
    AllHangs,
    /// Zips begin and never go on.
    ZipHangs,
    /// Zips come a few bytes at a time.
    ZipTrickles,
    /// The next so many requests of any kind are answered with this status.
    Refuses(usize, u16),
    /// The list has a version that does not exist, and one that is no version.
    FalseVersions,
    /// Packages are described as those of another platform.
    WrongPlatform,
    /// All answers are text.
    Nonsense,
}

impl Fault {
    /// Whether a fault that happens a number of times happens once more.
    pub(super) fn once_more(&mut self) -> bool {
        match self {
            Self::Truncated(left) | Self::TruncatedWithoutRanges(left) | Self::Refuses(left, _) => {
                let more = *left > 0;
                *left = left.saturating_sub(1);
                more
            }
            _ => true,
        }
    }
}
