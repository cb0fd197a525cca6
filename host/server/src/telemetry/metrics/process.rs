//! Metrics of the process, by the names that all of Prometheus' clients give them
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). They are read from
//! `/proc`; where there is none, they are not told.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, IntGauge};

use super::{Make, Unknown, signed};

/// `/proc` counts processor time in these, whatever the kernel's own tick is (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Metrics of the process.
pub struct ProcessMetrics {
    cpu: Counter,
    open_files: Unknown,
    most_files: Unknown,
    resident: Unknown,
    virtual_memory: Unknown,
    threads: Unknown,
}

impl ProcessMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        let start: IntGauge = make.gauge("process_start_time_seconds", "When the process began, since 1970.")?;
        start.set(signed(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()));
        Ok(Self {
            cpu: make.keep(
                "counter",
                Counter::new("process_cpu_seconds_total", "Processor time, in user and system mode together.")?,
            )?,
            open_files: make.unknown("process_open_fds", "Open file descriptors.")?,
            most_files: make.unknown("process_max_fds", "How many file descriptors may be open.")?,
            resident: make.unknown("process_resident_memory_bytes", "Memory that is resident.")?,
            virtual_memory: make
                .unknown("process_virtual_memory_bytes", "Address space; the pool of instances reserves most of it.")?,
            threads: make.unknown("process_threads", "Threads.")?,
        })
    }

    /// Looks at the process as it is now.
    pub fn look(&self) {
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // One of them is the listing's own.
        let open = fs::read_dir("/proc/self/fd").ok().map(|files| signed(files.count().saturating_sub(1)));
        for (gauge, value) in [
            (&self.open_files, open),
            (&self.most_files, number(&limits, "Max open files")),
            (&self.resident, number(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024)),
            (&self.virtual_memory, number(&status, "VmSize:").map(|kilobytes| kilobytes * 1024)),
            (&self.threads, number(&status, "Threads:")),
        ] {
            if let Some(value) = value {
                gauge.set(value);
            }
        }
    }
}

/// Of proc(5)'s `stat`, fields 14 and 15. The second field, in brackets, may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    Some((ticks.next()? + ticks.next()?) / TICKS_PER_SECOND)
}

/// The first number on the line that begins with `name`.
fn number(text: &str, name: &str) -> Option<i64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(number("Name:\ta\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number("Max open files            1024    4096    files", "Max open files"), Some(1024));
        assert_eq!(number("Max open files            unlimited unlimited files", "Max open files"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_told_of() {
        let registry = prometheus::Registry::new();
        let process = ProcessMetrics::new(&Make::new(&registry)).unwrap();
        process.look();
        assert_eq!(registry.gather().len(), 7);
    }
}
