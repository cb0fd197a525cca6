//! A walk through the store in the order of paths, bit by bit: a page needs no more than its own part.

use std::collections::BTreeMap;

use crate::archive::{Archive, Child};
use crate::outside::StoreError;
use crate::path::{LOCK_SUFFIX, fault_of};

/// How many folders are listed for one page. A store in which most folders are somebody else's then answers with
/// short pages instead of late ones.
const MOST_LISTINGS: usize = 250;

/// What a page is about.
pub(super) struct Wanted<'q> {
    /// Only paths that begin so.
    pub(super) prefix: Vec<String>,
    /// Only paths after this one.
    pub(super) after: Vec<String>,
    /// How many at most.
    pub(super) limit: usize,
    /// The folder under which to look, if it is not the top.
    pub(super) root: Option<&'q str>,
    /// How many segments a path has at most.
    pub(super) most_segments: usize,
    /// Whether names end in `.lock` for the lock of the state beside them.
    pub(super) with_locks: bool,
    /// Whether somebody may know of a path.
    pub(super) may_know: &'q dyn Fn(&[String]) -> bool,
}

/// A path that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: Vec<String>,
    /// There is a document, and not only its lock.
    pub(super) document: bool,
    /// There is a lock document.
    pub(super) lock: bool,
}

/// What was found for a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) found: Vec<Found>,
    /// After what the next page begins; none: this is the last one.
    pub(super) next: Option<Vec<String>>,
}

/// What a name below a folder is; it can be all at once.
#[derive(Default)]
struct Name {
    document: bool,
    lock: bool,
    folder: bool,
}

/// Walks until the page is full.
pub(super) fn walk<A: Archive>(archive: &A, wanted: &Wanted<'_>) -> Result<Page, StoreError> {
    let mut walk = Walk { archive, wanted, listings: 0, page: Page::default() };
    // What the prefix names may itself be a document, which its folder tells.
    let mut folder: Vec<String> = wanted.prefix.clone();
    folder.pop();
    let is_path = wanted.prefix.iter().all(|segment| fault_of(segment).is_none());
    if is_path && wanted.prefix.len() <= wanted.most_segments {
        walk.folder(&mut folder)?;
    }
    Ok(walk.page)
}

struct Walk<'a, A> {
    archive: &'a A,
    wanted: &'a Wanted<'a>,
    listings: usize,
    page: Page,
}

impl<A: Archive> Walk<'_, A> {
    /// Walks through a folder and all below it; false: the page is full.
    fn folder(&mut self, folder: &mut Vec<String>) -> Result<bool, StoreError> {
        if self.listings == MOST_LISTINGS {
            self.page.next = Some(folder.clone());
            return Ok(false);
        }
        self.listings += 1;
        for (name, is) in self.names(folder)? {
            folder.push(name);
            let goes_on = self.name(folder, &is);
            folder.pop();
            if !goes_on? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn name(&mut self, path: &mut Vec<String>, is: &Name) -> Result<bool, StoreError> {
        let wanted = self.wanted;
        let (document, lock) = (is.document, is.lock);
        if (document || lock) && path.starts_with(&wanted.prefix) && *path > wanted.after && (wanted.may_know)(path) {
            if self.page.found.len() == wanted.limit {
                self.page.next = self.page.found.last().map(|last| last.path.clone());
                return Ok(false);
            }
            self.page.found.push(Found { path: path.clone(), document, lock });
        }
        let common = path.len().min(wanted.prefix.len());
        let leads_to_prefix = path.get(..common) == wanted.prefix.get(..common);
        let begun = wanted.after.get(..path.len().min(wanted.after.len())).unwrap_or_default();
        let is_passed = path.as_slice() < begun;
        if is.folder && path.len() < wanted.most_segments && leads_to_prefix && !is_passed {
            return self.folder(path);
        }
        Ok(true)
    }

    /// The names below a folder that can be a path's, in order.
    fn names(&self, folder: &[String]) -> Result<BTreeMap<String, Name>, StoreError> {
        let mut key = self.wanted.root.map(str::to_owned).unwrap_or_default();
        for segment in folder {
            if !key.is_empty() {
                key.push('/');
            }
            key.push_str(segment);
        }
        let children = self.archive.list(Some(key.as_str()).filter(|key| !key.is_empty()))?;
        let mut names: BTreeMap<String, Name> = BTreeMap::new();
        for child in children {
            let (name, is): (String, fn(&mut Name)) = match child {
                Child::Folder(name) => (name, |is| is.folder = true),
                Child::Document(name) => match name.strip_suffix(LOCK_SUFFIX) {
                    Some(stem) if self.wanted.with_locks => (stem.to_owned(), |is| is.lock = true),
                    _ => (name, |is| is.document = true),
                },
            };
            if fault_of(&name).is_none() {
                is(names.entry(name).or_default());
            }
        }
        Ok(names)
    }
}
