//! The faults.
#![allow(clippy::panic, unconditional_recursion, reason = "faults are what this component is for")]

use std::hint::black_box;

use crate::bindings::handler::{ReplyBody, Response};
use crate::bindings::store;
use crate::handler::{reply, response};

/// Misbehaves in the way named, if it is one.
pub(crate) fn misbehave(behaviour: &str, rest: &str) -> Option<Response> {
    Some(match behaviour {
        "panic" => panic!("the secret is {rest}"),
        "exit" => std::process::exit(3),
        "loop" => loop {
            black_box(());
        },
        "recurse" => reply(200, &recurse(0).to_string()),
        "eat" => eat(),
        "hoard" => hoard(rest),
        "ask-forever" => loop {
            drop(store::get(rest));
        },
        "status" => reply(rest.parse().unwrap_or_default(), ""),
        "bodiless" => reply(204, "a body"),
        "giant-header" => response(200, &[("x-giant", &"x".repeat(1 << 20))], ReplyBody::None),
        "many-headers" => response(200, &[("x-many", "x"); 10_000], ReplyBody::None),
        "header-name" => response(200, &[("x bad", "x")], ReplyBody::None),
        "header-break" => response(200, &[("x-bad", "x\r\nset-cookie: y")], ReplyBody::None),
        "header-length" => response(200, &[("content-length", "1")], ReplyBody::None),
        "giant-event" => {
            let mut answer = reply(200, "");
            answer.event.lock_who = Some("ä".repeat(1 << 16));
            answer
        }
        "outcome" => {
            let mut answer = reply(200, "");
            answer.event.outcome = "not a word\n".to_owned();
            answer
        }
        _ => return None,
    })
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(depth + 1) + frame.iter().sum::<u64>()
}

/// Asks for more memory than there is.
fn eat() -> Response {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

/// Keeps every blob it can get.
fn hoard(key: &str) -> Response {
    let mut kept = Vec::new();
    loop {
        kept.push(store::get(key));
    }
}
