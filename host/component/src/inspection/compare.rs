//! Where two JSON values differ: part by part, in their own bytes.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::address::Step;
use super::bounded::{Items, Members};

/// How deep values are taken apart. What is nested deeper is compared as a whole.
const MAX_DEPTH: usize = 64;

/// A part that differs: what it was and what it is, where there was and is one.
type Differing<'a> = (Option<&'a RawValue>, Option<&'a RawValue>);

/// Tells `found` of each part in which `before` and `after` differ, with the path from `path` on, until it says that
/// it is enough (false).
pub(super) fn parts<'a>(
    path: &mut Vec<Step>,
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    found: &mut dyn FnMut(&[Step], Differing<'a>) -> bool,
) -> bool {
    let (Some(old), Some(new)) = (before, after) else {
        return (before.is_none() && after.is_none()) || found(path, (before, after));
    };
    if old.get() == new.get() {
        return true;
    }
    if path.len() < MAX_DEPTH {
        match (old.get().as_bytes().first(), new.get().as_bytes().first()) {
            (Some(b'{'), Some(b'{')) => {
                if let (Ok(Members(old)), Ok(Members(new))) = (read(old), read(new)) {
                    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                    return names.into_iter().all(|name| {
                        let (old, new) = (old.get(name).copied(), new.get(name).copied());
                        below(path, Step::Member(name.clone()), old, new, found)
                    });
                }
            }
            (Some(b'['), Some(b'[')) => {
                if let (Ok(Items(old)), Ok(Items(new))) = (read::<Items<&RawValue>>(old), read::<Items<&RawValue>>(new))
                {
                    return (0..old.len().max(new.len())).all(|at| {
                        let (old, new) = (old.get(at).copied(), new.get(at).copied());
                        below(path, Step::Item(at), old, new, found)
                    });
                }
            }
            _ => {}
        }
    }
    means_the_same(old, new) || found(path, (before, after))
}

fn below<'a>(
    path: &mut Vec<Step>,
    step: Step,
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    found: &mut dyn FnMut(&[Step], Differing<'a>) -> bool,
) -> bool {
    path.push(step);
    let goes_on = parts(path, before, after, found);
    path.pop();
    goes_on
}

fn read<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> serde_json::Result<T> {
    serde_json::from_str(value.get())
}

/// Texts that are spaced or escaped in different ways.
fn means_the_same(before: &RawValue, after: &RawValue) -> bool {
    match (read::<Value>(before), read::<Value>(after)) {
        // Numbers are compared as they are written: large ones would lose digits.
        (Ok(Value::Number(_)), _) | (Err(_), _) | (_, Err(_)) => false,
        (Ok(before), Ok(after)) => before == after,
    }
}
