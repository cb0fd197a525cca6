//! Places for what runs pass through.
//!
//! KV keeps the newest `max_versions` of a key, and counts destroyed ones among them: it has no way to let one go in
//! favour of an older one. So what a run passes through ([`Retention::Passing`](crate::Retention)) stays, and for each
//! such revision the key is given one place more. Then it pushes out nothing of before it.
//!
//! The places are taken back once the revisions they were made for are older than those that count. For that the key's
//! custom metadata tell how many were made lately: its history is cut into blocks of at least as many ends of runs as
//! are to be kept, and what was made for the present block and for the one before it stays.

use std::fmt;
use std::str::FromStr;

use super::OpenBao;
use super::current::Demand;
use super::history::found;
use super::keeping::{Change, Metadata};
use crate::{Error, Key, Revision};

/// What of a key's custom metadata is ours.
const NAME: &str = "tofu-state-places";

/// How many places are made at most, five hours of an apply: KV writes what it knows of all of them at each write.
const MOST: u32 = 1000;

impl OpenBao {
    /// Gives `key` a place for its newest revision, from which the run that made it goes on.
    ///
    /// Another server may change the metadata in between. Then it is left at that: one of the two writes that they are
    /// for is going to be refused.
    pub(super) async fn make_place(&self, key: &Key, newest: Revision, demand: &Demand) -> Result<(), Error> {
        let Some(metadata) = self.fetch(&self.metadata(key), found::<Metadata>).await? else { return Ok(()) };
        let change = metadata.with_place(newest, self.keep_versions);
        self.change_metadata(key, &demand.headers, &change).await.map(drop)
    }
}

impl Metadata {
    /// The change that makes a place more. Where `max_versions` is not what this program has set, somebody has: it is
    /// the base that the places are added to.
    fn with_place(self, newest: Revision, keep_versions: u32) -> Change {
        let Self { max_versions, current_metadata_version, custom_metadata } = self;
        let mut custom_metadata = custom_metadata.unwrap_or_default();
        let told: Places = custom_metadata.get(NAME).and_then(|told| told.parse().ok()).unwrap_or_default();
        let (base, before) = match max_versions.checked_sub(told.made) {
            _ if max_versions == 0 => (keep_versions, Places::default()),
            None | Some(0) => (max_versions, Places::default()),
            Some(base) => (base, told),
        };
        let after = before.and_one(newest, base);
        custom_metadata.insert(NAME.to_owned(), after.to_string());
        Change {
            max_versions: base.saturating_add(after.made),
            metadata_cas: current_metadata_version,
            custom_metadata: Some(custom_metadata),
        }
    }
}

/// Places that were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    /// How many are part of `max_versions`.
    made: u32,
    /// For how many revisions of the block before the present one.
    earlier: u64,
    /// For how many since then.
    lately: u64,
    /// The newest revision when the present block began.
    since: Revision,
}

impl Places {
    /// The places after one more for `newest`, where the ends of `base` runs are kept.
    fn and_one(self, newest: Revision, base: u32) -> Self {
        let Self { mut earlier, mut lately, mut since, .. } = self;
        lately = lately.saturating_add(1);
        let ends = newest.saturating_sub(since).saturating_sub(lately);
        if ends >= u64::from(base) {
            (earlier, lately, since) = (lately, 0, newest);
        }
        let made = u32::try_from(earlier.saturating_add(lately)).map_or(MOST, |made| made.min(MOST));
        Self { made, earlier, lately, since }
    }
}

/// `made earlier lately since`, in decimal.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, earlier, lately, since } = self;
        write!(f, "{made} {earlier} {lately} {since}")
    }
}

/// Not what this program has written.
struct Foreign;

impl FromStr for Places {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let mut numbers = text.split(' ').map(|number| number.parse::<u64>().map_err(|_| Foreign));
        let mut next = || numbers.next().unwrap_or(Err(Foreign));
        let made = u32::try_from(next()?).map_err(|_| Foreign)?;
        Ok(Self { made, earlier: next()?, lately: next()?, since: next()? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What a KV of this many versions for a start has left, as runs of these lengths are written; which run each
    /// version that is left is of, how many places there were at most, and how many there are in the end.
    fn runs(keep: u32, lengths: &[u64]) -> (Vec<usize>, u32, u32) {
        let (mut max_versions, mut custom_metadata) = (keep, None);
        let (mut newest, mut most, mut kept): (Revision, u32, Vec<usize>) = (0, keep, Vec::new());
        for (run, &length) in lengths.iter().enumerate() {
            for step in 0..length {
                if step > 0 {
                    let now = Metadata { max_versions, current_metadata_version: Some(1), custom_metadata };
                    let change = now.with_place(newest, keep);
                    (max_versions, custom_metadata) = (change.max_versions, change.custom_metadata);
                    most = most.max(max_versions);
                }
                newest += 1;
                kept.push(run);
                let surplus = kept.len().saturating_sub(max_versions as usize);
                kept.drain(..surplus);
            }
        }
        (kept, most, max_versions)
    }

    #[test]
    fn what_runs_pass_through_pushes_out_no_end_of_a_run_before() {
        for seed in 1..200_u64 {
            let lengths: Vec<u64> = (0..80).map(|run| 1 + (seed.wrapping_mul(run * run + 7) >> 3) % 5).collect();
            let (mut kept, ..) = runs(10, &lengths);
            kept.dedup();
            // The first of them may have lost some that it passed through, but not its end.
            assert!(kept.len() >= 10, "{lengths:?} leaves {kept:?}");
        }
    }

    #[test]
    fn places_are_taken_back_when_their_revisions_no_longer_count() {
        let mut lengths = vec![50];
        lengths.extend([1; 30]);
        // Something small has to be made room for now and then, or nobody looks.
        lengths.extend([2; 30]);
        let (_, most, left) = runs(10, &lengths);
        assert_eq!((most, left >= 20, left <= 35), (69, true, true), "{left}");
    }

    #[test]
    fn there_is_an_end_to_places() {
        let (_, most, _) = runs(10, &[5000, 1, 5000, 1, 5000, 1]);
        assert_eq!(most, 10 + MOST);
    }

    #[test]
    fn what_somebody_else_has_set_stays() {
        let of = |max_versions, told: Option<&str>| {
            let custom =
                told.map(|told| BTreeMap::from([(NAME.to_owned(), told.to_owned()), ("team".into(), "a".into())]));
            let metadata = Metadata { max_versions, current_metadata_version: Some(7), custom_metadata: custom };
            let change = metadata.with_place(40, 100);
            assert_eq!(change.metadata_cas, Some(7));
            let custom = change.custom_metadata.unwrap();
            assert_eq!(custom.contains_key("team"), told.is_some());
            (change.max_versions, custom[NAME].clone())
        };
        assert_eq!(of(500, None), (501, "1 0 1 0".to_owned()));
        assert_eq!(of(507, Some("7 0 7 0")), (508, "8 0 8 0".to_owned()));
        // Less than what was made: somebody has set it anew.
        assert_eq!(of(30, Some("50 0 50 0")), (31, "1 1 0 40".to_owned()));
        // A key without a number of its own.
        assert_eq!(of(0, None), (101, "1 0 1 0".to_owned()));
        assert_eq!(of(100, Some("x 0 7 0")), (101, "1 0 1 0".to_owned()));
    }
}
