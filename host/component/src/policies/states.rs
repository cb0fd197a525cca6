//! The host's side of `states`: the states that a policy may read.

use wasmtime::component::Resource;

use super::bindings::state_policy::tofu_state::policy::states;
use crate::content::{Content, piece};
use crate::guest::Guest;

impl states::Host for Guest {}

impl states::HostState for Guest {
    fn len(&mut self, state: Resource<Content>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&state)?.bytes().len() as u64)
    }

    fn read(&mut self, state: Resource<Content>, offset: u64, len: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(piece(self.table.get(&state)?.bytes(), offset, len))
    }

    fn drop(&mut self, state: Resource<Content>) -> wasmtime::Result<()> {
        self.take_back(state).map(drop)
    }
}
