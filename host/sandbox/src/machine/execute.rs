//! One execution: a request of the component, driven with the answers known so far until it waits for another.
//!
//! There is no runtime and no clock. The call, and what it has done in the background, are polled until nothing
//! moves; then the next answer is given.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use tofu_state_component::policies::Chain;
use tofu_state_component::{Granted, Protocol, ReplyBody, Request, Settings, Surroundings};
use tofu_state_store::layout::{self, Layout, Work};
use tofu_state_store::{Blob, Key};

use crate::store::scripted::{Memory, NotTheSame, RawAnswer, RawCall, RawLesson, Scripted, Shared, Taken};

/// A request as the listener would pass it on.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Blob>,
    pub(crate) caller: tofu_state_component::Caller,
    /// Milliseconds since 1970.
    pub(crate) received: u64,
    pub(crate) settings: Settings,
    /// What tells its chunk sets from those of other requests.
    pub(crate) tag: u32,
}

/// How the layout is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Laying {
    pub(crate) entry_bytes: Option<usize>,
    pub(crate) garbage_age: Duration,
    pub(crate) remembers: bool,
}

/// A component with what it is given.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) protocol: Protocol,
    pub(crate) policies: Arc<Chain>,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// A word for people, from the component's event.
    pub(crate) outcome: String,
}

/// How far a request got.
pub(crate) struct Reached {
    pub(crate) calls: Vec<(u16, RawCall)>,
    pub(crate) asked: Option<(u16, Key)>,
    pub(crate) lessons: Vec<RawLesson>,
    pub(crate) reply: Option<RawReply>,
    pub(crate) failure: Option<String>,
}

/// Executes `request` with these answers.
pub(crate) fn execute(
    serving: &Serving,
    request: &Prepared,
    laying: Laying,
    answers: Vec<(u16, RawAnswer)>,
) -> Reached {
    let script = Shared::new(answers);
    let background = Arc::new(Mutex::new(Vec::<Work>::new()));
    let layout = Arc::new(Layout::new(
        Arc::new(Scripted(script.clone())),
        layout::Settings {
            entry_bytes: laying.entry_bytes,
            garbage_age: laying.garbage_age,
            around: surroundings(request, &background),
        },
    ));
    let store = Arc::new(Memory { inner: layout, script: script.clone(), remembers: laying.remembers });
    let around =
        Surroundings { store, store_wait: None, policies: Arc::clone(&serving.policies), rights: Granted::default() };
    let answered = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answered);
    let call = async move {
        let reply = serving.protocol.answer(component_request(request), around).await;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    };
    let driven = drive(Box::pin(call), &background, &script);
    let Taken { calls, asked, lessons } = script.take();
    let answered = answered.lock().unwrap_or_else(PoisonError::into_inner).take();
    // What it does after a question that has no answer yet is not what it will do.
    let answered = if asked.is_some() { None } else { answered };
    let (reply, mut failure) = match answered {
        None => (None, None),
        Some(Ok(reply)) => {
            let body = match reply.body {
                ReplyBody::None => Bytes::new(),
                ReplyBody::Bytes(bytes) | ReplyBody::State(bytes) => bytes,
            };
            (Some(RawReply { status: reply.status, body, outcome: reply.event.outcome }), None)
        }
        Some(Err(failure)) => (None, Some(failure.to_string())),
    };
    if driven.is_err() {
        failure = Some("it does not do the same thing twice with the same answers".to_owned());
    }
    Reached { calls, asked, lessons, reply, failure }
}

/// A clock that stands at the request's time, and numbers instead of chance.
fn surroundings(request: &Prepared, background: &Arc<Mutex<Vec<Work>>>) -> layout::Surroundings {
    let now = moment(request.received);
    let tasks = Arc::clone(background);
    let tag = request.tag.to_be_bytes();
    let made = Mutex::new(0_u16);
    layout::Surroundings {
        clock: Arc::new(move || now),
        background: Arc::new(move |work| tasks.lock().unwrap_or_else(PoisonError::into_inner).push(work)),
        chance: Arc::new(move || {
            let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
            *made = made.saturating_add(1);
            let [high, low] = made.to_be_bytes();
            let [a, b, c, d] = tag;
            [0, 0, 0, 0, a, b, c, d, high, low]
        }),
    }
}

/// A time of the virtual clock.
pub(crate) fn moment(millis: u64) -> std::time::SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

pub(crate) fn component_request(request: &Prepared) -> Request {
    Request {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        caller: request.caller.clone(),
        received: moment(request.received),
        settings: request.settings,
        trace: None,
        request_id: "sandbox".to_owned(),
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    flag: Arc<Flag>,
}

impl<'a> Task<'a> {
    fn new(future: Pin<Box<dyn Future<Output = ()> + Send + 'a>>) -> Self {
        Self { future, flag: Arc::new(Flag(AtomicBool::new(true))) }
    }

    /// True once it is done.
    fn poll(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.flag));
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

fn drive<'a>(
    call: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    background: &Mutex<Vec<Work>>,
    script: &Shared,
) -> Result<(), NotTheSame> {
    let mut tasks = vec![Task::new(call)];
    loop {
        settle(&mut tasks, background);
        if !script.allow_next()? {
            return Ok(());
        }
    }
}

/// Polls until nothing moves.
fn settle(tasks: &mut Vec<Task<'_>>, background: &Mutex<Vec<Work>>) {
    loop {
        let mut moved = false;
        tasks.retain_mut(|task| {
            if !task.flag.0.swap(false, Ordering::Relaxed) {
                return true;
            }
            moved = true;
            !task.poll()
        });
        let spawned = std::mem::take(&mut *background.lock().unwrap_or_else(PoisonError::into_inner));
        moved |= !spawned.is_empty();
        tasks.extend(spawned.into_iter().map(Task::new));
        if !moved {
            return;
        }
    }
}
