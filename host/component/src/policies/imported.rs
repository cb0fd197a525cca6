//! The host's side of `policies`: the protocol's questions, passed to the chain.

use bytes::Bytes;
use wasmtime::component::Resource;

use super::contract::{Change, Operation};
use crate::bindings::tofu_state::backend::policies;
use crate::content::Content;
use crate::guest::Guest;

impl policies::Host for Guest {
    fn needed(&mut self, operation: Operation, path: String) -> wasmtime::Result<policies::Needs> {
        let needed = self.reached()?.policies.needed(operation, &path);
        let flag = |set, flag| if set { flag } else { policies::Needs::empty() };
        Ok(flag(needed.review, policies::Needs::REVIEW)
            | flag(needed.current, policies::Needs::CURRENT)
            | flag(needed.content, policies::Needs::CONTENT))
    }

    async fn review(
        &mut self,
        change: Change,
        current: Option<Resource<Content>>,
        proposed: Option<Resource<Content>>,
    ) -> wasmtime::Result<Option<policies::Denial>> {
        let chain = self.reached()?.policies;
        let current = self.bytes_of(current)?;
        let proposed = self.bytes_of(proposed)?;
        let judgement = self.meter.waive(chain.review(&change, current.as_ref(), proposed.as_ref())).await;
        // The last judgement of a request is the one that counts.
        self.reviews = judgement.reviews;
        Ok(judgement.refusal.map(|refusal| policies::Denial {
            policy: refusal.policy.to_string(),
            reason: refusal.reason,
            keep: refusal.keep,
        }))
    }
}

impl Guest {
    fn bytes_of(&self, blob: Option<Resource<Content>>) -> wasmtime::Result<Option<Bytes>> {
        blob.map(|blob| Ok(self.table.get(&blob)?.bytes().clone())).transpose()
    }
}
