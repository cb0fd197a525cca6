//! One request for a state, from its head to its answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use time::OffsetDateTime;
use tofu_state_component::{
    BodySize, Caller, Granted, Reply, Right, Rights, Route, Settings, Surroundings, TraceContext, exchange,
};
use tofu_state_store::{Blob, Store};
use tokio_util::task::TaskTracker;

use super::accept::Answer;
use super::budget::Budget;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::reply::Unsendable;
use super::{Limits, body, head, path, reply};
use crate::access::Access;
use crate::generations::{Generation, Generations};
use crate::recordings::Recordings;
use crate::telemetry::{Record, Telemetry};

/// The largest body of a route that carries no state, in bytes (`body-size.small` in the contract).
const SMALL_BODY: usize = 64 * 1024;

/// What it takes to serve states.
pub struct States {
    /// The component that knows the protocol and the policies that judge changes, as they are when a request begins.
    pub generations: Arc<Generations>,
    /// Where states lie.
    pub store: Arc<dyn Store>,
    /// How long a request that the component says waits does wait for a store that fails over.
    pub store_wait: Option<Duration>,
    /// Who is let in.
    pub access: Access,
    /// The settings that concern the protocol.
    pub settings: Settings,
    /// The largest state in bytes.
    pub max_state_bytes: usize,
    /// Memory for bodies in flight.
    pub budget: Budget,
    /// Bounds on time and sizes.
    pub limits: Limits,
    /// Who is told of requests.
    pub telemetry: Arc<Telemetry>,
    /// Who takes requests down, if anybody does.
    pub recordings: Option<Recordings>,
    /// The calls that run, also those whose callers went away.
    pub calls: TaskTracker,
}

/// A request that has been let in, before its body.
struct Admitted {
    path: Vec<String>,
    route: Route,
    caller: Caller,
    rights: Granted,
}

impl Answer for States {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Outgoing> {
        let received = SystemTime::now();
        let (parts, mut body) = request.into_parts();
        let request_id = head::request_id(&parts.headers);
        // Whatever is published meanwhile, this request ends on the generation that it begins with.
        let generation = self.generations.current();
        let mut record = Record::begin(&self.telemetry, generation.number, &request_id, &parts, received);
        let mut response = match self.prepare(&generation, &parts, &mut body, received, &mut record).await {
            Ok((admitted, body)) => {
                let (waits, rights) = (admitted.route.waits_for_store, admitted.rights.clone());
                let request = self.request(parts, admitted, body, received, &request_id, record.trace());
                self.call(generation, request, waits, rights, record).await
            }
            Err(refusal) => {
                // Who asks first whether to send the body (RFC 9110, section 10.1.1) will not send it.
                let asks_first = parts.headers.contains_key(http::header::EXPECT);
                if !asks_first && !matches!(refusal, Refusal::BodyTooSlow | Refusal::BodyBroken) {
                    body::discard(&mut body, &self.limits).await;
                }
                record.refuse(refusal.status().as_u16(), refusal.code()).settled().await;
                refusal.response(&request_id)
            }
        };
        reply::seal(&mut response, &request_id);
        response.map(Outgoing::Whole)
    }
}

impl States {
    /// Everything before the component: who asks, whether it may, and the whole body.
    async fn prepare(
        &self,
        generation: &Generation,
        parts: &Parts,
        body: &mut Incoming,
        received: SystemTime,
        record: &mut Record,
    ) -> Result<(Admitted, Option<Blob>), Refusal> {
        let admitted = self.admit(generation, parts, received, record)?;
        let limit = match admitted.route.body {
            BodySize::Small => SMALL_BODY,
            BodySize::State => self.max_state_bytes,
        };
        let body = body::read(body, limit, &self.budget, &self.limits).await?;
        Ok((admitted, body))
    }

    fn admit(
        &self,
        generation: &Generation,
        parts: &Parts,
        received: SystemTime,
        record: &mut Record,
    ) -> Result<Admitted, Refusal> {
        let identity = self.access.authenticate(&parts.headers, OffsetDateTime::from(received))?;
        let path = path::segments(parts.uri.path());
        let (route, prefix) = generation.parts.protocol.route(parts.method.as_str(), &path);
        let caller = identity.caller(path.get(prefix..).unwrap_or_default());
        record.caller(&identity, caller.kind);
        record.takes(&route);
        if !suffices(caller.rights, route.right) {
            return Err(Refusal::MissingRight);
        }
        let rights = Granted::by(move |path| identity.rights_on(path));
        Ok(Admitted { path, route, caller, rights })
    }

    fn request(
        &self,
        parts: Parts,
        admitted: Admitted,
        body: Option<Blob>,
        received: SystemTime,
        request_id: &str,
        trace: Option<TraceContext>,
    ) -> exchange::Request {
        let Admitted { path, caller, .. } = admitted;
        exchange::Request {
            method: parts.method.as_str().to_owned(),
            path,
            query: parts.uri.query().map(str::to_owned),
            headers: head::passed_on(&parts.headers),
            body,
            caller,
            received,
            settings: self.settings,
            trace,
            request_id: request_id.to_owned(),
        }
    }

    /// Calls the component in a task that goes on to its end, record included, when the caller goes away.
    async fn call(
        &self,
        generation: Arc<Generation>,
        request: exchange::Request,
        waits: bool,
        rights: Granted,
        mut record: Record,
    ) -> Response<Full<Bytes>> {
        let request_id = request.request_id.clone();
        let taking = self.recordings.clone().map(|recordings| {
            let taking = recordings.begin(&request, generation.parts.protocol.digest());
            (recordings, taking, self.calls.clone())
        });
        let store = record.noting(&self.store);
        let around = Surroundings {
            store: taking
                .as_ref()
                .map_or_else(|| Arc::clone(&store), |(_, taking, _)| taking.noting(Arc::clone(&store))),
            store_wait: self.store_wait.filter(|_| waits),
            policies: Arc::clone(&generation.parts.policies),
            rights,
        };
        let budget = self.budget.clone();
        let task = self.calls.spawn(async move {
            let id = request.request_id.clone();
            let (answered, times) = generation.parts.protocol.measured(request, around).await;
            record.called(times);
            if let Some((recordings, taking, tasks)) = taking {
                recordings.keep(taking, answered.as_ref(), &tasks);
            }
            match answered {
                Ok(reply) => answer(reply, &budget, record, &id).await,
                Err(failure) => refuse(Refusal::from(&failure), record, &id).await,
            }
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, request_id, "a request's task ended early");
            Refusal::Failed.response(&request_id)
        })
    }
}

async fn answer(reply: Reply, budget: &Budget, mut record: Record, request_id: &str) -> Response<Full<Bytes>> {
    let response = reply::response(&reply, budget);
    record.event(reply.event);
    record.reviews(reply.reviews);
    match response {
        Ok(response) => {
            record.finish(reply.status).settled().await;
            response
        }
        Err(Unsendable::Overloaded) => refuse(Refusal::AnswerMemory, record, request_id).await,
        Err(Unsendable::Nonsense(what)) => {
            tracing::error!(request_id, what, "the component's answer is no HTTP");
            refuse(Refusal::Nonsense, record, request_id).await
        }
    }
}

async fn refuse(refusal: Refusal, record: Record, request_id: &str) -> Response<Full<Bytes>> {
    record.refuse(refusal.status().as_u16(), refusal.code()).settled().await;
    refusal.response(request_id)
}

/// Whether these rights are what a route asks for.
fn suffices(rights: Rights, asked: Right) -> bool {
    match asked {
        Right::None => true,
        Right::Read => rights.contains(Rights::READ),
        Right::Outputs => rights.intersects(Rights::READ | Rights::OUTPUTS),
        Right::Write => rights.contains(Rights::WRITE),
        Right::Delete => rights.contains(Rights::DELETE),
    }
}
