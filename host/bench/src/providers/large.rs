//! A provider as large as the largest: locked, and sent by our mirror, against a plain file server.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Version;
use reqwest::Client;
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::origin::{Origin, Release};
use tofu_state_testing::server;

use super::command::Home;
use super::floor;
use super::mirror::{HOST, Mirror};
use super::roots::{PROVIDERS, Roots};
use crate::options::Plan;
use crate::report::Report;
use crate::statistics::{median, number, ratio};
use crate::table::{Cell, Table};

const BYTES: u64 = 700_000_000;
const PLATFORM: &str = "linux_amd64";
/// The large one, and another that the root module needs.
const LARGE: (&str, &str) = PROVIDERS[0];
const OTHER: (&str, &str) = PROVIDERS[1];

/// Bytes in a megabyte, which sizes of providers are told in, and in a mebibyte, which the system counts memory in.
const MB: f64 = 1e6;
const MIB: f64 = 1_048_576.0;

/// A way in which clients speak to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plaintext,
    Http1,
    Http2,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "HTTP/1.1",
            Self::Http1 => "HTTP/1.1 over TLS",
            Self::Http2 => "HTTP/2 over TLS",
        }
    }

    fn version(self) -> Version {
        if self == Self::Http2 { Version::HTTP_2 } else { Version::HTTP_11 }
    }

    fn client(self, authority: &Authority) -> Client {
        match self {
            Self::Plaintext => server::http(),
            Self::Http1 => authority.http1(),
            Self::Http2 => authority.http(),
        }
    }
}

/// Measures both.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut table = Table::new(
        "providers_large",
        "(f) providers: one of 700 MB",
        &["what", "floor s", "s", "ratio", "MB/s", "idle MiB", "peak MiB"],
    );
    if report.is_late() {
        table.note("left out, because the run had taken too long.");
        report.add(table);
        return Ok(());
    }
    report.progress("providers: making one of 700 MB");
    let origin = Origin::start().await;
    tokio::task::block_in_place(|| {
        origin.publish(&Release::new(&format!("{HOST}/{}", LARGE.0), LARGE.1).platforms(&[PLATFORM]).size(BYTES));
        origin.publish(&Release::new(&format!("{HOST}/{}", OTHER.0), OTHER.1));
    });
    let zip = origin.zip(&format!("{HOST}/{}", LARGE.0), LARGE.1, PLATFORM);
    report.progress("providers: 700 MB locked");
    locked(plan, &origin, &zip, report, &mut table).await?;
    for ways in [&[Way::Plaintext][..], &[Way::Http1, Way::Http2]] {
        mirrored(plan, &origin, &zip, ways, report, &mut table).await?;
    }
    table.note("floor: the file from a thread that does nothing but copy it into the connection, HTTP/1.1, with TLS where the mirror has it.");
    table.note("The client runs in this program, and its time counts on both sides. The first download of each way is compared with the file and not counted.");
    table.note("memory: resident, of the command, or of the server before it was asked and at its peak.");
    report.add(table);
    Ok(())
}

/// How long `providers lock` takes for it, and the memory.
async fn locked(
    plan: &Plan,
    origin: &Origin,
    zip: &Path,
    report: &mut Report,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (mut floors, mut times, mut peak) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..plan.server_rounds() {
        floors.push(floor(zip, None, &server::http()).await?.as_secs_f64());
        let roots = Roots::new(1)?;
        let home = Home::new(&plan.server, &origin.cli_config())?;
        let run = home.lock_watched(roots.folder(), "tofu", &[PLATFORM]).await?;
        anyhow::ensure!((run.written, run.zips) == (1, 2), "locked, but not as it should be: {run:?}");
        times.push(run.took.as_secs_f64());
        peak = f64::max(peak, run.peak);
    }
    report.figure("provider_700_mb_peak_mb", Some(peak * MIB / MB));
    row(table, "locked: downloaded, verified, hashed", median(floors), median(times), None, peak);
    Ok(())
}

/// What the mirror takes to fetch it, and to send it in these ways.
async fn mirrored(
    plan: &Plan,
    origin: &Origin,
    zip: &Path,
    ways: &[Way],
    report: &mut Report,
    table: &mut Table,
) -> anyhow::Result<()> {
    let tls = !ways.contains(&Way::Plaintext);
    let mirror = Mirror::start(plan, origin, tls).await?;
    let config = tls.then(|| Arc::new(mirror.authority().issue().server()));
    for (at, way) in ways.iter().enumerate() {
        report.progress(&format!("providers: 700 MB through the mirror, {}", way.name()));
        let client = way.client(mirror.authority());
        let idle = mirror.server().settled().await?;
        let began = Instant::now();
        let link = mirror.link(LARGE.0, LARGE.1, PLATFORM).await?;
        let expected = Expected { version: way.version(), length: std::fs::metadata(zip)?.len() };
        expected.download(&client, &link, Some(zip)).await?;
        if at == 0 {
            let what = format!("mirror, nothing there yet: fetched, verified, hashed, sent; {}", way.name());
            let (took, peak) = (began.elapsed().as_secs_f64(), mirror.server().usage()?.peak);
            row(table, &what, None, Some(took), Some(idle), peak);
        }
        let idle = mirror.server().settled().await?;
        let (mut floors, mut times) = (Vec::new(), Vec::new());
        for _ in 0..plan.server_rounds() {
            let plain = if tls { mirror.authority().http1() } else { server::http() };
            floors.push(floor(zip, config.clone(), &plain).await?.as_secs_f64());
            times.push(expected.download(&client, &link, None).await?.as_secs_f64());
        }
        let peak = mirror.server().usage()?.peak;
        row(table, &format!("mirror, {}", way.name()), median(floors), median(times), Some(idle), peak);
    }
    Ok(())
}

/// The time that a plain file server takes.
async fn floor(zip: &Path, tls: Option<Arc<rustls::ServerConfig>>, client: &Client) -> anyhow::Result<Duration> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = floor::serve_once(PathBuf::from(zip), tls)?;
    let expected = Expected { version: Version::HTTP_11, length: std::fs::metadata(zip)?.len() };
    expected.download(client, &format!("{scheme}://{address}/"), None).await
}

/// What an answer must be.
struct Expected {
    version: Version,
    length: u64,
}

impl Expected {
    /// Reads all of an answer, compared with a file if one is given, and the time it took.
    async fn download(&self, client: &Client, url: &str, file: Option<&Path>) -> anyhow::Result<Duration> {
        let mut file = file.map(File::open).transpose()?;
        let (mut length, mut same) = (0, Vec::new());
        let began = Instant::now();
        let mut answer = client.get(url).send().await?.error_for_status()?;
        anyhow::ensure!(
            answer.version() == self.version,
            "{:?} was spoken instead of {:?}",
            answer.version(),
            self.version
        );
        while let Some(piece) = answer.chunk().await? {
            length += piece.len() as u64;
            if let Some(file) = &mut file {
                same.resize(piece.len(), 0);
                file.read_exact(&mut same)?;
                anyhow::ensure!(piece == same, "the bytes before {length} are not those of the file");
            }
        }
        anyhow::ensure!(length == self.length, "{length} bytes came instead of {}", self.length);
        Ok(began.elapsed())
    }
}

fn row(table: &mut Table, what: &str, floor: Option<f64>, took: Option<f64>, idle: Option<f64>, peak: f64) {
    table.row([
        Cell::from(what),
        Cell::number(floor, 2),
        Cell::number(took, 2),
        Cell::ratio(ratio(took, floor)),
        Cell::number(ratio(Some(number(BYTES) / MB), took), 0),
        Cell::number(idle, 1),
        Cell::Number(peak, 1),
    ]);
}
