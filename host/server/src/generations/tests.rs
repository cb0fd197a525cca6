//! Publishing, rolling back, and what is freed.

use std::sync::OnceLock;

use tofu_state_component::testing::FAULTY;
use tofu_state_component::{BUILT_IN, Engine, Limits};

use super::*;

/// Two components, compiled once.
fn parts(which: usize) -> Parts {
    static LOADED: OnceLock<[Protocol; 2]> = OnceLock::new();
    let load = || {
        let engine = Engine::new(Limits { concurrency: 4, ..Limits::default() }).unwrap();
        [BUILT_IN, FAULTY].map(|bytes| engine.load(bytes).unwrap())
    };
    let protocol = LOADED.get_or_init(load)[which % 2].clone();
    Parts::of(protocol, &format!("the test's {which}"))
}

fn generations() -> Generations {
    Generations::new(parts(0), Arc::new(Metrics::new().unwrap()))
}

fn publish(generations: &Generations, which: usize) -> Arc<Generation> {
    generations.publish(parts(which), Origin::Change, generations.begin()).unwrap()
}

#[test]
fn a_generation_lives_as_long_as_a_request_holds_it() {
    let generations = generations();
    let request = generations.current();
    let first = Arc::downgrade(&request);
    for which in 1..=3 {
        publish(&generations, which);
    }
    assert_eq!((request.number, generations.current().number), (1, 4));
    assert_eq!(request.parts.protocol_source, "the test's 0", "a request ends on what it began with");
    assert_eq!(generations.alive(), 3, "the current one, the one before, and the request's");
    drop(request);
    assert!(first.upgrade().is_none());
    assert_eq!(generations.alive(), 2);
}

#[test]
fn a_roll_back_is_a_new_generation_with_the_parts_of_the_one_before() {
    let generations = generations();
    assert_eq!(generations.roll_back().unwrap_err(), NothingBefore);
    publish(&generations, 1);
    generations.failed("broken".to_owned());
    let back = generations.roll_back().unwrap();
    assert_eq!((back.number, &*back.parts.protocol_source), (3, "the test's 0"));
    let listing = generations.listing();
    assert_eq!((listing.current, listing.previous, listing.rolled_back), (3, None, true));
    assert_eq!(listing.failure, None, "what was wrong is what was left");
    assert_eq!((listing.generations[0].origin, listing.generations[0].same_as), (Origin::RollBack, Some(1)));
    assert_eq!(generations.roll_back().unwrap_err(), NothingBefore, "there is nothing before it");
    publish(&generations, 1);
    assert!(!generations.listing().rolled_back);
    assert_eq!(generations.roll_back().unwrap().parts.protocol_source, "the test's 0");
}

#[test]
fn what_was_begun_before_a_roll_back_is_not_published_over_it() {
    let generations = generations();
    publish(&generations, 1);
    let begun = generations.begin();
    generations.roll_back().unwrap();
    assert_eq!(generations.publish(parts(1), Origin::Change, begun).unwrap_err(), Overtaken);
    assert_eq!(generations.current().number, 3);
}

#[test]
fn a_bounded_number_is_told_the_newest_first() {
    let generations = generations();
    for which in 1..=2 * TOLD {
        publish(&generations, which);
    }
    let listing = generations.listing();
    assert_eq!(listing.generations.len(), TOLD);
    assert_eq!(listing.generations[0].number, listing.current);
    assert_eq!(listing.previous, Some(listing.current - 1));
    assert_eq!(listing.alive, 2);
}
