//! The component as a function of its store's answers: executed where its value is not known yet, remembered where
//! it is.
//!
//! A node stands for a request with the answers it got so far; what it does next (its calls, its reply) is its
//! value. A state needs no more than a node's number for each of its requests.

pub(crate) mod execute;

use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use tofu_state_store::history::Child;
use tofu_state_store::{Outcome, Remembered, Retention};

use self::execute::{Laying, Prepared, RawReply, Reached, Serving, execute};
use crate::store::scripted::{Of, RawAnswer, RawCall, RawLesson};
use crate::store::tables::{Body, Table, Tables};
use crate::store::{Answer, Call, Lesson, Older};

/// A request with the answers it got, in [`Machine`].
pub(crate) type NodeId = u32;
/// A reply, in [`Machine`].
pub(crate) type ReplyId = u32;

/// What a request does next.
#[derive(Default)]
pub(crate) struct Next {
    /// The calls that wait for an answer, by their numbers.
    pub(crate) calls: Vec<(u16, Call)>,
    /// What it asks the server's memory.
    pub(crate) asked: Option<(u16, u32)>,
    /// What the last answer taught the server.
    pub(crate) lessons: Vec<Lesson>,
    pub(crate) reply: Option<ReplyId>,
    pub(crate) failure: Option<Arc<str>>,
}

struct Node {
    server: u16,
    request: u32,
    parent: Option<NodeId>,
    got: Option<(u16, Answer)>,
    depth: u16,
    next: Next,
}

/// An execution that is wanted: the node that lacks this answer's child, or a request's first step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    Root { server: u16, request: u32 },
    Child { node: NodeId, number: u16, answer: Answer },
}

/// See the module.
pub(crate) struct Machine {
    pub(crate) servers: Vec<Serving>,
    pub(crate) requests: Vec<Prepared>,
    pub(crate) laying: Laying,
    pub(crate) tables: Tables,
    pub(crate) replies: Table<RawReply>,
    nodes: Vec<Node>,
    roots: FxHashMap<(u16, u32), NodeId>,
    children: FxHashMap<(NodeId, u16, Answer), NodeId>,
    /// How many instances were executed.
    pub(crate) executions: u64,
}

impl Machine {
    pub(crate) fn new(servers: Vec<Serving>, laying: Laying) -> Self {
        Self {
            servers,
            requests: Vec::new(),
            laying,
            tables: Tables::default(),
            replies: Table::default(),
            nodes: Vec::new(),
            roots: FxHashMap::default(),
            children: FxHashMap::default(),
            executions: 0,
        }
    }

    /// The beginning of a request.
    pub(crate) fn root(&self, server: u16, request: u32) -> Result<NodeId, Wanted> {
        self.roots.get(&(server, request)).copied().ok_or(Wanted::Root { server, request })
    }

    /// What follows an answer.
    pub(crate) fn child(&self, node: NodeId, number: u16, answer: &Answer) -> Result<NodeId, Wanted> {
        let key = (node, number, answer.clone());
        self.children.get(&key).copied().ok_or(Wanted::Child { node, number, answer: key.2 })
    }

    /// What a request does next; nothing for a number that is no node's.
    pub(crate) fn next(&self, node: NodeId) -> &Next {
        static NOTHING: std::sync::LazyLock<Next> = std::sync::LazyLock::new(Next::default);
        self.nodes.get(node as usize).map_or(&NOTHING, |node| &node.next)
    }

    /// How many answers a request has got.
    pub(crate) fn depth(&self, node: NodeId) -> u16 {
        self.nodes.get(node as usize).map_or(0, |node| node.depth)
    }

    /// Whether a fault was among the answers that a request got.
    pub(crate) fn met_fault(&self, node: NodeId) -> bool {
        let mut at = self.nodes.get(node as usize);
        while let Some(node) = at {
            if matches!(node.got, Some((_, Answer::Failed(_)))) {
                return true;
            }
            at = node.parent.and_then(|parent| self.nodes.get(parent as usize));
        }
        false
    }

    /// Executes what is wanted, on all processors. The numbers that come of it depend on the order of `wanted` only.
    pub(crate) fn execute(&mut self, wanted: &[Wanted]) {
        let reached: Vec<Option<Reached>> = wanted.par_iter().map(|wanted| self.reach(wanted)).collect();
        for (wanted, reached) in wanted.iter().zip(reached) {
            if let Some(reached) = reached {
                self.remember(wanted, reached);
            }
        }
    }

    fn reach(&self, wanted: &Wanted) -> Option<Reached> {
        let (server, request, answers) = match wanted {
            Wanted::Root { server, request } => (*server, *request, Vec::new()),
            Wanted::Child { node, number, answer } => {
                let (server, request, mut answers) = self.history(*node)?;
                answers.push((*number, self.raw_answer(answer)));
                (server, request, answers)
            }
        };
        let serving = self.servers.get(usize::from(server))?;
        Some(execute(serving, self.requests.get(request as usize)?, self.laying, answers))
    }

    fn history(&self, node: NodeId) -> Option<(u16, u32, Vec<Of<RawAnswer>>)> {
        let (mut answers, mut at) = (Vec::new(), self.nodes.get(node as usize)?);
        let (server, request) = (at.server, at.request);
        while let (Some((number, answer)), Some(parent)) = (&at.got, at.parent) {
            answers.push((*number, self.raw_answer(answer)));
            at = self.nodes.get(parent as usize)?;
        }
        answers.reverse();
        Some((server, request, answers))
    }

    fn remember(&mut self, wanted: &Wanted, reached: Reached) {
        self.executions += 1;
        let next = self.next_of(reached);
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = match wanted.clone() {
            Wanted::Root { server, request } => {
                self.roots.insert((server, request), id);
                Node { server, request, parent: None, got: None, depth: 0, next }
            }
            Wanted::Child { node, number, answer } => {
                let Some(parent) = self.nodes.get(node as usize) else { return };
                let (server, request, depth) = (parent.server, parent.request, parent.depth.saturating_add(1));
                self.children.insert((node, number, answer.clone()), id);
                Node { server, request, parent: Some(node), got: Some((number, answer)), depth, next }
            }
        };
        self.nodes.push(node);
    }

    fn next_of(&mut self, reached: Reached) -> Next {
        let Reached { calls, asked, lessons, reply, failure } = reached;
        Next {
            calls: calls.into_iter().map(|(number, call)| (number, self.call(call))).collect(),
            asked: asked.map(|(number, key)| (number, self.tables.keys.number(key))),
            lessons: lessons.into_iter().map(|lesson| self.lesson(lesson)).collect(),
            reply: reply.map(|reply| self.replies.number(reply)),
            failure: failure.map(Into::into),
        }
    }

    fn call(&mut self, call: RawCall) -> Call {
        let keys = &mut self.tables.keys;
        match call {
            RawCall::Get(key) => Call::Get(keys.number(key)),
            RawCall::Put(key, write) => Call::Put {
                key: keys.number(key),
                body: self.tables.bodies.number(Body { meta: write.meta, content: write.content }),
                expected: write.expected,
                older: match write.retention {
                    Retention::History | Retention::Passing { .. } | Retention::Thinned { .. } => Older::Kept,
                    Retention::Latest => Older::Unneeded,
                    Retention::Erased => Older::Erased,
                },
            },
            RawCall::Delete(key) => Call::Delete(keys.number(key)),
            RawCall::List(key) => Call::List(keys.number(key)),
            RawCall::Top => Call::Top,
            RawCall::Revisions(key) => Call::Revisions(keys.number(key)),
            RawCall::Revision(key, revision) => Call::Revision(keys.number(key), revision),
        }
    }

    fn lesson(&mut self, lesson: RawLesson) -> Lesson {
        let Tables { keys, bodies, .. } = &mut self.tables;
        let mut body = |meta: Bytes| bodies.number(Body { meta, content: None });
        match lesson {
            RawLesson::Seen(key, seen) => Lesson::Seen(keys.number(key), seen.revision, body(seen.meta)),
            RawLesson::Written(key, seen) => Lesson::Written(keys.number(key), seen.revision, body(seen.meta)),
            RawLesson::Absent(key) => Lesson::Absent(keys.number(key)),
            RawLesson::Unknown(key) => Lesson::Unknown(keys.number(key)),
        }
    }

    fn raw_answer(&self, answer: &Answer) -> RawAnswer {
        match answer {
            Answer::Recalled(seen) => RawAnswer::Recalled(
                seen.map(|(revision, body)| Remembered { revision, meta: self.tables.body(body).meta }),
            ),
            Answer::Slot(seen) => RawAnswer::Slot(self.tables.slot(*seen)),
            Answer::Written(revision) => RawAnswer::Put(Outcome::Written(*revision)),
            Answer::Conflict => RawAnswer::Put(Outcome::Conflict),
            Answer::Done => RawAnswer::Done,
            Answer::Children(children) => {
                let child = |(is_folder, name): &(bool, String)| {
                    if *is_folder { Child::Folder(name.clone()) } else { Child::Document(name.clone()) }
                };
                RawAnswer::Children(children.iter().map(child).collect())
            }
            Answer::Revisions(revisions) => RawAnswer::Revisions(revisions.to_vec()),
            Answer::Failed(failed) => RawAnswer::Failed(failed.error()),
        }
    }
}

impl Machine {
    /// Takes a request in, and tells its number.
    pub(crate) fn add(&mut self, mut request: Prepared) -> u32 {
        let number = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        request.tag = number;
        self.requests.push(request);
        number
    }
}
