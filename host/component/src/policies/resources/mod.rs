//! What a write does to the resources: counted once for the whole chain, and never a value in it.
//!
//! Of each state one streaming pass is made, which keeps two fixed-size digests for each resource instance:
//! of its address, and of its attributes. A state beyond the bounds is not counted, nor is an encrypted one.

mod inventory;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::contract::{Change, Operation, ResourceChanges, TypeChanges};
use inventory::Inventory;

/// Counting more than this is done off the threads that serve.
const MAX_COUNTED_IN_PLACE: usize = 64 << 10;

/// The counts for a write, if they can be had: none if one of the states is encrypted, or was not given.
pub(super) async fn count_for(
    change: &Change,
    current: Option<&Bytes>,
    proposed: Option<&Bytes>,
) -> Option<ResourceChanges> {
    let headers = || change.current.iter().chain(&change.proposed);
    if change.operation != Operation::Write || headers().any(|header| header.encrypted) {
        return None;
    }
    if change.current.is_some() != current.is_some() {
        return None;
    }
    let (current, proposed) = (current.cloned(), proposed?.clone());
    let is_small = current.as_ref().map_or(0, Bytes::len) + proposed.len() <= MAX_COUNTED_IN_PLACE;
    // Without a runtime, as in the sandbox, nobody else waits for this thread.
    if is_small || tokio::runtime::Handle::try_current().is_err() {
        return count(current.as_deref(), &proposed);
    }
    tokio::task::spawn_blocking(move || count(current.as_deref(), &proposed)).await.ok().flatten()
}

/// What a write of the state `proposed` over `current` does to the resources; none if one of them is not
/// what a state is (version 4 of the format), or is beyond the bounds: 100,000 instances, 2,000 types and 4,000
/// outputs in a state, names of 256 bytes.
#[must_use]
pub fn count(current: Option<&[u8]>, proposed: &[u8]) -> Option<ResourceChanges> {
    let before = match current {
        Some(current) => Inventory::of(current)?,
        None => Inventory::default(),
    };
    let after = Inventory::of(proposed)?;
    let mut by_type: BTreeMap<&str, TypeChanges> = BTreeMap::new();
    for (address, instance) in &after.instances {
        match before.instances.get(address) {
            None => of_type(&mut by_type, after.type_of(instance)).added += 1,
            Some(old) if old.attributes != instance.attributes => {
                of_type(&mut by_type, after.type_of(instance)).changed += 1;
            }
            Some(_) => {}
        }
    }
    for (address, instance) in &before.instances {
        if !after.instances.contains_key(address) {
            of_type(&mut by_type, before.type_of(instance)).removed += 1;
        }
    }
    let by_type: Vec<TypeChanges> = by_type.into_values().collect();
    let sum = |of: fn(&TypeChanges) -> u32| by_type.iter().map(of).sum();
    Some(ResourceChanges {
        before: before.len(),
        after: after.len(),
        added: sum(|changes| changes.added),
        changed: sum(|changes| changes.changed),
        removed: sum(|changes| changes.removed),
        outputs: after.outputs.into_iter().collect(),
        by_type,
    })
}

fn of_type<'a, 'b>(by_type: &'a mut BTreeMap<&'b str, TypeChanges>, name: &'b str) -> &'a mut TypeChanges {
    by_type.entry(name).or_insert_with(|| TypeChanges {
        resource_type: name.to_owned(),
        added: 0,
        changed: 0,
        removed: 0,
    })
}

#[cfg(test)]
mod tests;
