//! What it does without a fault, for the tests to compare with.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a component may talk; nobody listens")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bindings::handler::{ReplyBody, Request, Response};
use crate::bindings::store::{self, Outcome, Retention, Slot};
use crate::handler::{reply, response};

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Does the calm thing named, if it is one.
pub(crate) fn behave(behaviour: &str, rest: &str, request: &Request) -> Option<Response> {
    Some(match behaviour {
        // How many calls this instance has answered: 1, if each request has an instance of its own.
        "count" => reply(200, &(CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
        "outside" => reply(200, &outside()),
        "chatter" => {
            for _ in 0..1_000 {
                eprintln!("chatter");
            }
            reply(200, "said")
        }
        "read" => reply(200, &read(request)),
        "echo" => response(200, &[("content-type", "application/json")], echo(request)),
        "get" => get(rest),
        "get-twice" => {
            drop(store::get(rest));
            get(rest)
        }
        "digests" => reply(200, &digests_of(rest)),
        "get-many" => get_many(rest),
        "move" => reply(200, &move_content(rest)),
        "put" => reply(200, &put(rest, request)),
        "delete" => reply(200, &format!("{:?}", store::delete(rest))),
        _ => return None,
    })
}

/// What it sees of the world outside: nothing.
fn outside() -> String {
    let mut input = Vec::new();
    let read = std::io::stdin().read_to_end(&mut input);
    let hashed = RandomState::new().hash_one("the same in every instance");
    let map: HashMap<u8, u8> = [(1, 2)].into();
    println!("to standard output");
    format!(
        "{} arguments, {} variables, {:?} input, hash {hashed:x}, {} entries",
        std::env::args().count(),
        std::env::vars().count(),
        read.ok(),
        map.len()
    )
}

/// The sizes of the pieces in which the host hands out a body, and the body's digests.
fn read(request: &Request) -> String {
    let Some(body) = &request.body else { return "no body".to_owned() };
    let mut offset = 0;
    let mut pieces = String::new();
    loop {
        let piece = body.read(offset, u32::MAX);
        let _ = write!(pieces, "{} ", piece.len());
        if piece.is_empty() {
            break;
        }
        offset += piece.len() as u64;
    }
    let digests = body.digests();
    let beyond = body.read(u64::MAX, 1).len();
    format!("{pieces}of {}, beyond {beyond}, {:02x?} {:02x?}", body.len(), digests.md5, digests.sha256)
}

fn echo(request: &Request) -> ReplyBody {
    let header = |header: &crate::bindings::handler::Header| format!("{}={}", header.name, header.value);
    let headers: Vec<String> = request.headers.iter().map(header).collect();
    let text = format!(
        "{} {} {:?} [{}] {} {} {}",
        request.method,
        request.path.join("|"),
        request.query,
        headers.join(","),
        request.caller.name,
        request.received,
        request.request_id
    );
    ReplyBody::Bytes(text.into_bytes())
}

fn get(key: &str) -> Response {
    match store::get(key) {
        Ok(Slot::Entry(entry)) => match entry.content {
            Some(content) => response(200, &[], ReplyBody::Blob(content)),
            None => response(200, &[], ReplyBody::Bytes(entry.meta)),
        },
        Ok(Slot::Absent) => reply(404, "absent"),
        Ok(Slot::Removed(revision)) => reply(410, &revision.to_string()),
        Err(error) => reply(503, &format!("{error:?}")),
    }
}

fn digests_of(key: &str) -> String {
    let content = match store::get(key) {
        Ok(Slot::Entry(entry)) => entry.content,
        _ => None,
    };
    let Some(content) = content else { return "no content".to_owned() };
    let digests = content.digests();
    format!("{:02x?} {:02x?}", digests.md5, digests.sha256)
}

/// `a+b+c`: each key's revision, or what it is instead.
fn get_many(keys: &str) -> Response {
    let keys: Vec<String> = keys.split('+').map(str::to_owned).collect();
    let words: Vec<String> = store::get_many(&keys)
        .into_iter()
        .map(|slot| match slot {
            Ok(Slot::Entry(entry)) => entry.revision.to_string(),
            Ok(Slot::Absent) => "absent".to_owned(),
            Ok(Slot::Removed(_)) => "removed".to_owned(),
            Err(error) => format!("{error:?}"),
        })
        .collect();
    reply(200, &words.join(" "))
}

/// Writes the content of `from` to `to` (`from+to`) without looking at it.
fn move_content(keys: &str) -> String {
    let Some((from, to)) = keys.split_once('+') else { return "no keys".to_owned() };
    match store::get(from) {
        Ok(Slot::Entry(entry)) => outcome(store::put_cas(to, b"{}", entry.content.as_ref(), 0, Retention::Latest)),
        other => format!("{:?}", other.err()),
    }
}

fn put(key: &str, request: &Request) -> String {
    outcome(store::put_cas(key, b"{}", request.body.as_ref(), 0, Retention::History))
}

fn outcome(answer: Result<Outcome, store::Error>) -> String {
    match answer {
        Ok(Outcome::Written(revision)) => format!("written {revision}"),
        Ok(Outcome::Conflict) => "conflict".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}
