//! What a run found: printed table by table, and written to files at its end.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use procfs::Current;
use serde_json::{Value, json};

use crate::chart;
use crate::options::Plan;
use crate::table::Table;

/// When the last cell may begin, so that a run ends within twelve minutes on whatever machine.
const LAST_CELL: Duration = Duration::from_secs(9 * 60 + 30);

/// Single values that targets are set for, by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// Everything that one run found.
pub(crate) struct Report {
    began: Instant,
    machine: Value,
    tables: Vec<Table>,
    figures: Figures,
}

impl Report {
    /// Begins a run.
    pub(crate) fn begin(plan: &Plan) -> Self {
        let machine = machine();
        let how = if plan.quick { ", quick" } else { "" };
        println!("tofu-state-bench{how}: {machine}");
        Self { began: Instant::now(), machine, tables: Vec::new(), figures: Figures::new() }
    }

    /// Prints a table and keeps it.
    pub(crate) fn add(&mut self, table: Table) {
        println!("{}", table.shown());
        self.tables.push(table);
    }

    /// Keeps a value that a target is set for.
    pub(crate) fn figure(&mut self, name: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.figures.insert(name, value);
        }
    }

    /// The values that targets are set for.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whether it is too late for another cell.
    pub(crate) fn is_late(&self) -> bool {
        self.began.elapsed() > LAST_CELL
    }

    /// Says what goes on, while there is nothing to print yet.
    pub(crate) fn progress(&self, what: &str) {
        eprintln!("[{:>4} s] {what}", self.began.elapsed().as_secs());
    }

    /// Writes `latest.json`, `latest.svg` and `latest.md`; of a quick run `quick.json` and so on.
    pub(crate) fn write(&self, plan: &Plan, failed: &[String]) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let tables: serde_json::Map<String, Value> =
            self.tables.iter().map(|table| (table.name.to_owned(), table.to_json())).collect();
        let all = json!({
            "format": 1,
            "measured_at_unix": now,
            "quick": plan.quick,
            "seconds": self.began.elapsed().as_secs(),
            "machine": self.machine,
            "tables": tables,
            "figures": self.figures,
            "failed": failed,
        });
        let name = if plan.quick { "quick" } else { "latest" };
        fs::create_dir_all(&plan.results).with_context(|| format!("{}", plan.results.display()))?;
        let files = [
            ("json", format!("{all:#}\n")),
            ("svg", chart::draw(&self.tables, &self.figures)),
            ("md", self.markdown(name, failed)),
        ];
        for (ending, text) in files {
            let file = plan.results.join(format!("{name}.{ending}"));
            fs::write(&file, text).with_context(|| format!("{}", file.display()))?;
            println!("written: {}", file.display());
        }
        println!("{} s in all", self.began.elapsed().as_secs());
        Ok(())
    }
}

impl Report {
    /// Everything for people: the targets first, then the tables as they came.
    fn markdown(&self, name: &str, failed: &[String]) -> String {
        let day = time::OffsetDateTime::now_utc().date();
        let of =
            |what: &str| self.machine.get(what).map_or_else(String::new, |value| value.to_string().replace('"', ""));
        let mut text = format!(
            "# What `make bench` found\n\n{day}, {} s, on {} cores of {} ({} GiB, Linux {}), a {} build. Written by the run; \
             compare ratios, and only within one run.\n\n![chart]({name}.svg)\n",
            self.began.elapsed().as_secs(),
            of("cores"),
            of("processor"),
            of("memory_gib"),
            of("kernel"),
            of("profile"),
        );
        for layer in failed {
            text.push_str(&format!("\n**Not measured to the end: {layer}**\n"));
        }
        let (targets, others): (Vec<_>, Vec<_>) = self.tables.iter().partition(|table| table.name == "targets");
        targets.into_iter().chain(others).for_each(|table| text.push_str(&table.markdown()));
        text
    }
}

/// What the numbers depend on besides the program.
fn machine() -> Value {
    let processors = procfs::CpuInfo::current().ok();
    let model = processors.as_ref().and_then(|all| all.model_name(0)).unwrap_or("unknown").to_owned();
    let memory = procfs::Meminfo::current().map(|memory| memory.mem_total >> 30).unwrap_or_default();
    json!({
        "processor": model,
        "cores": processors.map_or(0, |all| all.num_cores()),
        "memory_gib": memory,
        "kernel": procfs::sys::kernel::Version::current().map(|v| format!("{}.{}", v.major, v.minor)).unwrap_or_default(),
        "profile": if cfg!(debug_assertions) { "dev: numbers mean nothing" } else { "release" },
    })
}
