//! The rule, natively.

use tofu_state_policy_kit::examples::{change, during, example, expectation, state, try_all, unlocked, write};
use tofu_state_policy_kit::{Needs, check, review};

use super::*;

/// From Friday afternoon to Monday morning in Berlin.
const WEEKEND: &str = "time-zone = \"Europe/Berlin\"\n[[weekly]]\nfrom = \"Fri 16:00\"\nto = \"Mon 08:00\"\n";

fn judge(configuration: &str, at: &str, change: Change) -> Verdict {
    let instant: Timestamp = at.parse().unwrap();
    let received = instant.as_millisecond().try_into().unwrap();
    let example = example("", configuration, Change { received, ..change }, Expectation::Allow);
    review::<Freeze>(&example.change, &example.context)
}

/// Whether an apply is refused at an instant.
fn frozen(configuration: &str, at: &str) -> bool {
    expectation(&judge(configuration, at, change(Operation::Lock))) == Expectation::Deny
}

fn check_all(configuration: &str, instants: &[(&str, bool)]) {
    for (at, expected) in instants {
        assert_eq!(frozen(configuration, at), *expected, "{at}");
    }
}

fn window(zone: &str, kind: &str, from: &str, to: &str) -> String {
    format!("time-zone = \"{zone}\"\n[[{kind}]]\nfrom = \"{from}\"\nto = \"{to}\"\n")
}

#[test]
fn its_examples_hold() {
    try_all::<Freeze>().unwrap();
}

#[test]
fn a_weekly_window_goes_by_the_wall_clock_in_winter_and_summer() {
    check_all(
        WEEKEND,
        &[
            ("2026-01-16T14:59:59Z", false),
            ("2026-01-16T15:00:00Z", true),
            ("2026-01-18T12:00:00Z", true),
            ("2026-01-19T06:59:59Z", true),
            ("2026-01-19T07:00:00Z", false),
            ("2026-07-17T13:59:59Z", false),
            ("2026-07-17T14:00:00Z", true),
            ("2026-07-20T05:59:59Z", true),
            ("2026-07-20T06:00:00Z", false),
            // The weekend in which summer time begins, and the one in which it ends.
            ("2026-03-30T05:59:59Z", true),
            ("2026-03-30T06:00:00Z", false),
            ("2026-10-26T06:59:59Z", true),
            ("2026-10-26T07:00:00Z", false),
        ],
    );
}

#[test]
fn an_hour_that_is_skipped_or_repeated_makes_a_window_longer() {
    // On 2026-03-29 Berlin goes from 02:00 to 03:00 at 01:00Z.
    check_all(
        &window("Europe/Berlin", "weekly", "Sun 02:30", "Sun 04:00"),
        &[("2026-03-29T00:29:59Z", false), ("2026-03-29T00:30:00Z", true), ("2026-03-29T02:00:00Z", false)],
    );
    // On 2026-10-25 it goes from 03:00 to 02:00 at 01:00Z: half past two comes twice, an hour apart.
    check_all(
        &window("Europe/Berlin", "weekly", "Sun 02:30", "Sun 02:45"),
        &[
            ("2026-10-25T00:29:59Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T01:10:00Z", true),
            ("2026-10-25T01:44:59Z", true),
            ("2026-10-25T01:45:00Z", false),
        ],
    );
}

#[test]
fn a_window_may_take_nearly_a_week_or_a_night() {
    check_all(
        &window("UTC", "weekly", "Wed 10:00", "Wed 09:00"),
        &[("2026-01-14T09:30:00Z", false), ("2026-01-14T10:00:00Z", true), ("2026-01-14T08:59:00Z", true)],
    );
    check_all(
        &window("UTC", "weekly", "sunday 22:00", "monday 06:00"),
        &[("2026-01-18T23:00:00Z", true), ("2026-01-19T05:59:00Z", true), ("2026-01-19T23:00:00Z", false)],
    );
}

#[test]
fn dates_are_local_and_the_last_day_is_whole() {
    check_all(
        &window("America/New_York", "dates", "2026-12-24", "2026-12-26"),
        &[
            ("2026-12-24T04:59:59Z", false),
            ("2026-12-24T05:00:00Z", true),
            ("2026-12-27T04:59:59Z", true),
            ("2026-12-27T05:00:00Z", false),
        ],
    );
    check_all(
        "time-zone = \"UTC\"\n[[dates]]\nfrom = 2026-12-24T18:00:00\nto = \"2026-12-24T18:30\"\n",
        &[("2026-12-24T18:29:59Z", true), ("2026-12-24T18:30:00Z", false)],
    );
}

#[test]
fn windows_may_have_zones_of_their_own_and_the_last_to_close_is_told() {
    let two = "time-zone = \"UTC\"\nmessage = \"ask #platform\"\n\
               [[dates]]\nfrom = 2026-01-15\nto = 2026-01-15\n\
               [[dates]]\nfrom = 2026-01-15\nto = 2026-01-16\ntime-zone = \"Asia/Tokyo\"\nreason = \"audit\"\n";
    let Verdict::Deny(denial) = judge(two, "2026-01-15T12:00:00Z", change(Operation::Lock)) else { panic!() };
    let told = "frozen until Sat 2026-01-17 00:00 JST: audit: ask #platform";
    assert!(denial.reason.contains(told), "{}", denial.reason);
}

#[test]
fn only_what_begins_a_change_is_refused() {
    let verdict = |change| expectation(&judge(WEEKEND, "2026-01-17T12:00:00Z", change));
    assert_eq!(verdict(during(PLAN, change(Operation::Lock))), Expectation::Allow);
    for operation in [APPLY, "OperationTypeRefresh", "OperationTypeInvalid", "state-push", "state-rm", ""] {
        assert_eq!(verdict(during(operation, change(Operation::Lock))), Expectation::Deny, "{operation}");
    }
    assert_eq!(verdict(unlocked(change(Operation::Lock))), Expectation::Deny);
    assert_eq!(verdict(change(Operation::Delete)), Expectation::Deny);
    assert_eq!(verdict(change(Operation::ForceUnlock)), Expectation::Allow);
    assert_eq!(verdict(write(None, state(1, "a"))), Expectation::Allow);
    assert_eq!(verdict(unlocked(write(None, state(1, "a")))), Expectation::Warn);
}

#[test]
fn a_name_counts_only_with_a_token_of_its_own() {
    let configuration = format!("callers = [\"release\"]\n{WEEKEND}");
    let by = |name: &str, named| {
        let mut change = change(Operation::Lock);
        change.caller.name = name.to_owned();
        change.caller.named = named;
        expectation(&judge(&configuration, "2026-01-17T12:00:00Z", change))
    };
    assert_eq!(by("release", true), Expectation::Allow);
    assert_eq!(by("release", false), Expectation::Deny);
    assert_eq!(by("ci", true), Expectation::Deny);
}

#[test]
fn a_time_beyond_any_calendar_is_refused_without_a_panic() {
    let at = |received| {
        let example = example("", WEEKEND, Change { received, ..change(Operation::Lock) }, Expectation::Allow);
        expectation(&review::<Freeze>(&example.change, &example.context))
    };
    assert_eq!(at(u64::MAX), Expectation::Deny);
    assert_eq!(at(0), Expectation::Allow, "a Thursday");
    // The last second of the year 9999, a Friday evening: the window's end lies beyond the calendar.
    at(253_402_207_199_000);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (text, why) in [
        (String::new(), "there is no window"),
        (window("Europe/Bern", "weekly", "Fri 16:00", "Mon 08:00"), "\"Europe/Bern\""),
        (window("UTC", "weekly", "Freitag 16:00", "Mon 08:00"), "\"Freitag 16:00\""),
        (window("UTC", "weekly", "Fri 16", "Mon 08:00"), "\"Fri 16\""),
        (window("UTC", "weekly", "Fri 24:30", "Mon 08:00"), "\"Fri 24:30\""),
        (window("UTC", "weekly", "Fri 16:00", "Fri 16:00"), "never does"),
        (window("UTC", "dates", "2026-12-24", "2026-12-22"), "before it begins"),
        (window("UTC", "dates", "2026-12-24T00:00:00Z", "2026-12-26"), "time-zone's"),
        (window("UTC", "dates", "2026-02-30", "2026-12-26"), "\"2026-02-30\""),
        ("[[weekly]]\nfrom = \"Fri 16:00\"\nto = \"Mon 08:00\"".to_owned(), "no time zone"),
        (format!("callers = [\"shared\"]\n{WEEKEND}"), "TOKENS_FILE"),
        (format!("zone = \"UTC\"\n{WEEKEND}"), "`zone`"),
    ] {
        let wrong = check::<Freeze>(&text, Needs::empty()).unwrap_err();
        assert!(wrong.contains(why), "{text}: {wrong}");
    }
}
