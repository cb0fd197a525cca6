//! The server as a process: started on data of its own, and what it takes of the machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use tofu_state_testing::process::{Process, free_port};
use tofu_state_testing::server::TOKEN;

use crate::statistics::number;

/// How many revisions the stores keep of a state, on both sides of a comparison.
pub(crate) const KEEP_VERSIONS: u32 = 3;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// How often a starting server is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(1);

/// How long a server that has just become ready is left alone before its idle memory is looked at: it looks at
/// its store in that time.
const SETTLE: Duration = Duration::from_millis(500);

/// A program to serve, and on what.
#[derive(Clone)]
pub(crate) struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// Prints each sync of a file, see [`Launch::counting_syncs`].
    traced_by: Option<PathBuf>,
}

impl Launch {
    /// The server on the embedded store.
    pub(crate) fn embedded(program: PathBuf) -> Self {
        let environment = vec![("STORE", "embedded".to_owned())];
        Self { program, arguments: vec!["serve".to_owned()], environment, traced_by: None }
    }

    /// The server on OpenBao.
    pub(crate) fn openbao(program: PathBuf, address: &str, token: &str) -> Self {
        let environment =
            vec![("STORE", "openbao".to_owned()), ("BAO_ADDR", address.to_owned()), ("BAO_TOKEN", token.to_owned())];
        Self { program, arguments: vec!["serve".to_owned()], environment, traced_by: None }
    }

    /// With a setting more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// This program on a store in memory, see `memory.rs`.
    pub(crate) fn memory() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let environment = vec![("STORE", "embedded".to_owned())];
        Ok(Self { program, arguments: vec!["--serve-from-memory".to_owned()], environment, traced_by: None })
    }

    /// Under strace, which stops the process at syncs and at nothing else.
    pub(crate) fn counting_syncs(mut self) -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").context("there is no PATH")?;
        let strace = std::env::split_paths(&path).map(|folder| folder.join("strace")).find(|file| file.is_file());
        self.traced_by = Some(strace.context("strace is not installed")?);
        Ok(self)
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> anyhow::Result<Server> {
        let launch = self;
        tokio::task::spawn_blocking(move || launch.start_now()).await?
    }

    fn start_now(&self) -> anyhow::Result<Server> {
        let folder = TempDir::new()?;
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (listen, admin) = (address(), address());
        let syncs = folder.path().join("syncs");
        let mut command = match &self.traced_by {
            None => Command::new(&self.program),
            Some(strace) => {
                let mut command = Command::new(strace);
                // -D: the server stays this program's child, and strace becomes a grandchild.
                command.args(["-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,msync", "-o"]);
                command.arg(&syncs).arg(&self.program);
                command
            }
        };
        command.args(&self.arguments).env_clear().current_dir(folder.path());
        command.env("LISTEN_ADDR", listen.to_string()).env("ADMIN_ADDR", admin.to_string());
        command.env("DATA_DIR", folder.path().join("data")).env("API_TOKEN", TOKEN).env("LOG_FORMAT", "json");
        command.env("KEEP_VERSIONS", KEEP_VERSIONS.to_string());
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        let start = Instant::now();
        let mut process = Process::start(command);
        while !is_ready(admin) {
            anyhow::ensure!(process.is_running(), "the server has ended:\n{}", process.log());
            anyhow::ensure!(start.elapsed() < START, "the server is not ready:\n{}", process.log());
            std::thread::sleep(LOOK);
        }
        Ok(Server { process, _folder: folder, listen, ready_after: start.elapsed(), syncs })
    }
}

/// A running server, killed when dropped.
pub(crate) struct Server {
    process: Process,
    /// Removed when this is dropped.
    _folder: TempDir,
    /// Where it serves states.
    pub(crate) listen: SocketAddr,
    /// From its start until `/readyz` answered 200.
    pub(crate) ready_after: Duration,
    syncs: PathBuf,
}

impl Server {
    /// What it has taken of the machine so far.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process.id())
    }

    /// Forgets the peak of its memory: from now on the peak is that of what follows.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        // See proc(5), /proc/pid/clear_refs.
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").context("clear_refs")
    }

    /// The resident memory in MiB of a server that has nothing to do; its peak counts from here on.
    pub(crate) async fn settled(&self) -> anyhow::Result<f64> {
        tokio::time::sleep(SETTLE).await;
        self.forget_peak()?;
        Ok(self.usage()?.resident)
    }

    /// How many syncs it has begun, if they are counted.
    pub(crate) fn syncs(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(&self.syncs).context("the syncs that strace wrote down")?;
        // A call that another thread's line interrupts appears a second time, as `<... fdatasync resumed>`.
        Ok(text.lines().filter(|line| line.contains("sync(")).count() as u64)
    }
}

/// What a process has taken of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time in seconds, user and system.
    pub(crate) seconds: f64,
    /// Resident memory in MiB.
    pub(crate) resident: f64,
    /// Its highest value, see [`Server::forget_peak`].
    pub(crate) peak: f64,
}

impl Usage {
    /// Of the process with this number.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let process = procfs::process::Process::new(i32::try_from(process)?)?;
        let (stat, status) = (process.stat()?, process.status()?);
        let mib = |kib: Option<u64>| number(kib.unwrap_or_default()) / 1024.0;
        Ok(Self {
            seconds: number(stat.utime + stat.stime) / number(procfs::ticks_per_second()),
            resident: mib(status.vmrss),
            peak: mib(status.vmhwm),
        })
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(START))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
