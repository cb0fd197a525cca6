//! A real Prometheus that scrapes servers under test, and its tool.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, eventually, free_port};
use crate::{programs, server};

/// How long it may take until it is ready, or has scraped.
const PATIENCE: Duration = Duration::from_secs(90);

/// A Prometheus of its own, scraping every 100 ms. It is killed when dropped.
pub struct Prometheus {
    port: u16,
    process: Process,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes these targets (`host:port`) under the job `tofu-state`, with these rules.
    ///
    /// # Panics
    /// If it cannot be had.
    pub async fn start(targets: &[String], rules: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let configuration = serde_json::json!({
            "global": {"scrape_interval": "100ms", "scrape_timeout": "100ms", "evaluation_interval": "200ms"},
            "rule_files": [fs::canonicalize(rules).expect("the rules")],
            "scrape_configs": [{"job_name": "tofu-state", "static_configs": [{"targets": targets}]}],
        });
        // JSON is YAML.
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration.to_string()).expect("a configuration file");
        let port = free_port();
        let mut command = Command::new(programs::prometheus());
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .env_clear()
            .current_dir(folder.path());
        let mut prometheus = Self { port, process: Process::start(command), _folder: folder };
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        let process = &mut prometheus.process;
        eventually("Prometheus", PATIENCE, async || {
            assert!(process.is_running(), "Prometheus has ended:\n{}", process.log());
            server::http().get(&ready).send().await.ok()?.status().is_success().then_some(())
        })
        .await;
        prometheus
    }

    /// Evaluates a query now: of each series its labels and its value.
    ///
    /// # Errors
    /// What Prometheus says of the query.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = server::http().get(format!("{url}?query={encoded}"));
        let answer = request.send().await.expect("Prometheus answers");
        let answer: Value = answer.json().await.expect("JSON");
        if answer["status"] != "success" {
            return Err(format!("{query}: {answer}"));
        }
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        Ok(result.iter().map(|series| (series["metric"].clone(), value(series))).collect())
    }

    /// Waits until a query gives something.
    ///
    /// # Panics
    /// If it does not, or is wrong.
    pub async fn until(&self, query: &str) -> Vec<(Value, f64)> {
        eventually(query, PATIENCE, async || {
            let series = self.query(query).await.unwrap_or_else(|error| panic!("{error}\n{}", self.process.log()));
            (!series.is_empty()).then_some(series)
        })
        .await
    }
}

/// Runs `promtool` with these arguments and this input: whether it is content, and what it prints.
///
/// # Panics
/// If it cannot be run.
#[must_use]
pub fn promtool(arguments: &[&str], input: &[u8]) -> (bool, String) {
    use std::io::Write;
    let mut child = Command::new(programs::promtool())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("promtool ends");
    // It may end before it has read everything.
    let _ = feeding.join();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}
