//! What was asked and answered, in the form that `tools/historycheck` reads.

use std::io::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use tofu_state_testing::programs;

/// One request, see `tools/historycheck/history.go`.
pub(super) struct Line {
    pub(super) client: usize,
    pub(super) path: String,
    pub(super) operation: &'static str,
    pub(super) lock: String,
    pub(super) state: String,
    pub(super) holder: String,
    pub(super) status: u16,
    pub(super) call: u128,
    pub(super) end: u128,
}

/// All requests so far.
pub(super) struct History {
    begin: Instant,
    lines: Mutex<Vec<Line>>,
    /// Requests that were answered, and those of unknown outcome.
    pub(super) answered: AtomicUsize,
    pub(super) unknown: AtomicUsize,
    /// Clients are to come to an end.
    pub(super) is_over: AtomicBool,
}

/// What was in a history.
#[derive(Debug)]
pub(super) struct Counted {
    #[allow(dead_code, reason = "it is printed")]
    pub(super) requests: usize,
    pub(super) writes: usize,
    pub(super) breaks: usize,
    pub(super) unknown: usize,
}

/// What the checker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Linearizable,
    /// With this in the reason.
    Wrong(&'static str),
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            lines: Mutex::default(),
            answered: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u128 {
        self.begin.elapsed().as_nanos()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, line: Line) {
        let is_known = (1..500).contains(&line.status);
        let count = if is_known { &self.answered } else { &self.unknown };
        count.fetch_add(1, Ordering::Relaxed);
        self.lines.lock().unwrap().push(line);
    }

    pub(super) fn counted(&self) -> Counted {
        let lines = self.lines.lock().unwrap();
        let done =
            |operation: &str| lines.iter().filter(|line| line.operation == operation && line.status == 200).count();
        Counted {
            requests: lines.len(),
            writes: done("POST"),
            breaks: done("BREAK"),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }

    /// Asks the checker. A history that is judged otherwise is kept, and its place told.
    pub(super) fn judged_to_be(&self, expected: &Verdict) {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("history.jsonl");
        let mut out = std::fs::File::create(&file).unwrap();
        for line in &*self.lines.lock().unwrap() {
            writeln!(out, "{}", line.json()).unwrap();
        }
        let ended = Command::new(programs::historycheck()).args(["-time", "120s"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        println!("{said}");
        let is_so = match expected {
            Verdict::Linearizable => ended.status.success(),
            Verdict::Wrong(reason) => ended.status.code() == Some(1) && said.contains(reason),
        };
        if !is_so {
            let kept = folder.keep();
            panic!("the history in {} is not judged to be {expected:?}: {said}", kept.display());
        }
    }
}

impl Line {
    fn json(&self) -> Value {
        json!({
            "client": self.client, "path": self.path, "operation": self.operation, "lock": self.lock,
            "state": self.state, "holder": self.holder, "status": self.status,
            "call": u64::try_from(self.call).unwrap(), "return": u64::try_from(self.end).unwrap(),
        })
    }
}
