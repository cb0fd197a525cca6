//! The WASI that components get: what a standard library needs to start and to panic, all of it
//! empty. No arguments, environment, files, network, clock or randomness.

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliCtxView};
use wasmtime_wasi::p2::bindings::{cli, random};
use wasmtime_wasi_io::IoView;
use wasmtime_wasi_io::streams::DynOutputStream;

use crate::guest::Guest;

/// Adds the interfaces that `imports` allows.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi_io::add_to_linker_async(linker)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::stderr::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, empty)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, empty)?;
    random::insecure_seed::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

/// The default context is the empty one.
fn empty(guest: &mut Guest) -> WasiCliCtxView<'_> {
    WasiCliCtxView { ctx: &mut guest.cli, table: &mut guest.table }
}

impl IoView for Guest {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl cli::stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.messages.clone());
        Ok(self.table.push(stream)?)
    }
}

impl random::insecure_seed::Host for Guest {
    /// Constant, so that a component's answer depends on its imports' answers alone.
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((0, 0))
    }
}
