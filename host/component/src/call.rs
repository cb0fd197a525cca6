//! One call: a permit, an instance of its own, and a task that ends when the call does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;
use wasmtime::component::{Instance, TypedFunc};

use crate::bindings::exports::tofu_state::backend::handler as contract;
use crate::exchange::{Failure, Reply, Request, Surroundings, Times};
use crate::guest::{Guest, Reachable};
use crate::load::{Loaded, Protocol};
use crate::{convert, fault};

impl Protocol {
    /// Answers one request in a fresh instance.
    ///
    /// The call runs in a task of its own: once begun, it is finished (or cut at its deadline) even if
    /// this future is dropped, because a write that is half done leaves a lock or a state in doubt.
    /// Must be called inside a tokio runtime with time enabled.
    ///
    /// # Errors
    /// See [`Failure`]. All but [`Failure::Busy`] are logged here, where they are seen also when the
    /// caller has gone away.
    pub async fn handle(&self, request: Request, around: Surroundings) -> Result<Reply, Failure> {
        let call = self.begin(request, around).await.map_err(|(failure, _)| failure)?;
        let ended = tokio::spawn(call.in_current_span()).await;
        ended.map_or_else(
            |_| Err(Failure::Trapped("the runtime ended before the call".to_owned())),
            |(answer, _)| answer,
        )
    }

    /// As [`handle`](Self::handle), and how long its parts took; but in no task of its own. Who calls this sees to it
    /// that the future is polled to its end, in a task that nobody aborts. A request that is handed to one task more
    /// and back often wakes another thread for it.
    pub async fn measured(&self, request: Request, around: Surroundings) -> (Result<Reply, Failure>, Times) {
        match self.begin(request, around).await {
            Ok(call) => call.await,
            Err((failure, times)) => (Err(failure), times),
        }
    }

    /// Waits for a permit; the call that is then to be made.
    async fn begin(
        &self,
        request: Request,
        around: Surroundings,
    ) -> Result<impl Future<Output = (Result<Reply, Failure>, Times)> + Send + use<>, (Failure, Times)> {
        let shared = &self.loaded.shared;
        let arrived = Instant::now();
        let deadline = arrived + shared.limits.deadline;
        let permit = self.permit().await;
        let times = Times { queued: arrived.elapsed(), ..Times::default() };
        let permit = permit.map_err(|failure| (failure, times))?;
        let call = finish(Arc::clone(&self.loaded), request, around, deadline, permit);
        let call = shared.calls.track_future(AssertUnwindSafe(call).catch_unwind());
        Ok(async move {
            // What a panic leaves half-done is the call's own: its instance, which is dropped.
            if let Ok((answer, ran)) = call.await {
                return (answer, Times { queued: times.queued, ..ran });
            }
            let failure = Failure::Trapped("the host's part of the call panicked".to_owned());
            tracing::error!(%failure, "call failed");
            (Err(failure), times)
        })
    }

    /// As [`handle`](Self::handle), in the caller's own task: without a permit, a deadline, or a log. Dropped
    /// half-way, the call ends there. It waits for nothing but the store, and needs no runtime: so whoever
    /// answers the store's calls decides how far it gets.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn answer(&self, request: Request, around: Surroundings) -> Result<Reply, Failure> {
        let reachable =
            Reachable { store: around.store, wait_until: None, policies: around.policies, rights: around.rights };
        let mut store = Guest::fresh(&self.loaded.shared, self.loaded.allowance(), Some(reachable));
        run(&self.loaded, request, &mut store).await
    }

    pub(crate) async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let shared = &self.loaded.shared;
        match timeout(shared.limits.queueing, Arc::clone(&shared.gate).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Failure::Busy),
        }
    }
}

/// Makes the call, whoever still waits for it. The permit and the body's share of memory are held to
/// its end, also when the component has dropped its handle to the body.
async fn finish(
    loaded: Arc<Loaded>,
    request: Request,
    around: Surroundings,
    deadline: Instant,
    _permit: OwnedSemaphorePermit,
) -> (Result<Reply, Failure>, Times) {
    let request_id = request.request_id.clone();
    let _body = request.body.clone();
    let (began, since) = (SystemTime::now(), Instant::now());
    let wait_until = around.store_wait.map(|wait| since + wait);
    let Surroundings { store, policies, rights, .. } = around;
    let reachable = Reachable { store, wait_until, policies, rights };
    let mut store = Guest::fresh(&loaded.shared, loaded.allowance(), Some(reachable));
    let meter = Arc::clone(&store.data().meter);
    let answer = timeout_at(deadline, run(&loaded, request, &mut store)).await.unwrap_or(Err(Failure::Deadline));
    let times = Times { queued: Duration::ZERO, ran: Some((began, since.elapsed())), computed: meter.spent() };
    match &answer {
        Ok(_) | Err(Failure::Busy) => {}
        Err(failure) => tracing::error!(%failure, request_id, component = loaded.digest(), "call failed"),
    }
    (answer, times)
}

async fn run(loaded: &Loaded, request: Request, store: &mut wasmtime::Store<Guest>) -> Result<Reply, Failure> {
    let meter = Arc::clone(&store.data().meter);
    let call = async {
        let request = convert::request(request, store.data_mut())?;
        let instance = loaded.pre.instance_pre().instantiate_async(&mut *store).await?;
        let (response,) = handle(loaded, &instance, store)?.call_async(&mut *store, (&request,)).await?;
        wasmtime::Result::Ok(response)
    };
    match meter.charge(call).await {
        Ok(response) => convert::reply(response, store.data_mut()),
        Err(error) => Err(fault::diagnose(&error, store.data())),
    }
}

/// The function `handle` of an instance.
///
/// The generated bindings would compare the types of all exports with those of the contract, name by name, in each
/// instance anew: a microsecond or two of every request.
#[allow(unsafe_code, reason = "wasmtime cannot tell that the types were compared when the component was loaded")]
fn handle<'a>(
    loaded: &Loaded,
    instance: &Instance,
    store: &mut wasmtime::Store<Guest>,
) -> wasmtime::Result<TypedFunc<(&'a contract::Request,), (contract::Response,)>> {
    let function = instance
        .get_func(&mut *store, loaded.handle)
        .ok_or_else(|| wasmtime::Error::msg("the component exports no `handle`"))?;
    // SAFETY: wasmtime demands that these are the function's types. They are a component's, the same in all of its
    // instances, and `Engine::load` has had them compared by the bindings when it asked this component for its routes.
    Ok(unsafe { TypedFunc::new_unchecked(function) })
}
