//! Many root modules locked at once, against `providers lock` in each: zips that are downloaded, and time.

use std::time::Duration;

use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, PLATFORMS, Release};

use super::command::Home;
use super::mirror::{self, Mirror};
use super::rivals::{Rival, Sum};
use super::roots::{self, PROVIDERS, Roots};
use crate::options::Plan;
use crate::report::Report;
use crate::statistics::{count, median, ratio};
use crate::table::{Cell, Table};

const ROOTS: usize = 200;

/// The hosts of a source without one, as tofu and terraform have it.
const HOSTS: [&str; 2] = [mirror::HOST, "registry.terraform.io"];

/// How much the CLIs do, in so many rounds, or fewer if it gets late: root modules in each.
struct Share {
    rounds: usize,
    tofu: usize,
    terraform: usize,
}

impl Share {
    /// tofu locks all; terraform, which takes longest and is not what the target is set against, a tenth.
    const WHOLE: Self = Self { rounds: 5, tofu: 40, terraform: 4 };
    const QUICK: Self = Self { rounds: 2, tofu: 10, terraform: 2 };
}

/// One of the things that a CLI did.
type SumOf = fn(&Rival) -> &Sum;

/// One thing that we do, over the rounds.
struct Ours {
    what: &'static str,
    /// How many lock files it must write.
    writes: usize,
    /// What a CLI does to the same end; none if that is not measured.
    compared: Option<SumOf>,
    ms: Vec<f64>,
    zips: usize,
}

impl Ours {
    fn new(what: &'static str, writes: usize, compared: Option<SumOf>) -> Self {
        Self { what, writes, compared, ms: Vec::new(), zips: 0 }
    }

    /// Does it once.
    async fn turn(&mut self, origin: &Origin, home: &Home, roots: &Roots, platforms: &[&str]) -> anyhow::Result<()> {
        origin.forget();
        let run = home.lock(roots.folder(), "tofu", platforms).await?;
        let (what, written, wanted) = (self.what, run.written, self.writes);
        anyhow::ensure!(written == wanted, "{what}: {written} lock files were written instead of {wanted}");
        self.ms.push(ms(run.took));
        self.zips = self.zips.max(run.zips).max(origin.counts().zips);
        Ok(())
    }

    fn ms(&self) -> Option<f64> {
        median(self.ms.iter().copied())
    }
}

/// Measures it.
pub(super) async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let share = if plan.quick { Share::QUICK } else { Share::WHOLE };
    let origin = Origin::start().await;
    for host in HOSTS {
        for (provider, version) in PROVIDERS {
            origin.publish(&Release::new(&format!("{host}/{provider}"), version));
        }
    }
    let our_mirror = Mirror::start(plan, &origin, true).await?;
    for (provider, version) in PROVIDERS {
        our_mirror.complete(provider, version).await?;
    }
    let roots = Roots::new(ROOTS)?;
    let mut rivals = Vec::new();
    for (cli, share) in Cli::both().into_iter().zip([share.tofu, share.terraform]) {
        let expected = expected(plan, &origin, cli.name()).await?;
        rivals.push((Rival::new(cli, &origin, expected)?, share));
    }
    let (fresh, complete): (SumOf, SumOf) = (|rival| &rival.fresh, |rival| &rival.complete);
    let mut cold = Ours::new("no lock files, nothing known", ROOTS, Some(fresh));
    let mut more = Ours::new("one platform more in all lock files", ROOTS, None);
    let mut warm = Ours::new("no lock files, all known from an earlier run", ROOTS, Some(fresh));
    let mut mirrored = Ours::new("no lock files, nothing known, through our mirror", ROOTS, Some(fresh));
    let mut nothing = Ours::new("nothing to do", 0, Some(complete));
    for round in 0..share.rounds {
        if round > 0 && report.is_late() {
            break;
        }
        report.progress(&format!("providers: {ROOTS} root modules, round {} of {}", round + 1, share.rounds));
        let (others, fourth) = PLATFORMS.split_at(PLATFORMS.len() - 1);
        roots.remove_locks()?;
        let home = Home::new(&plan.server, &origin.cli_config())?;
        home.lock(roots.folder(), "tofu", others).await?;
        more.turn(&origin, &home, &roots, fourth).await?;

        roots.remove_locks()?;
        let home = Home::new(&plan.server, &origin.cli_config())?;
        cold.turn(&origin, &home, &roots, &PLATFORMS).await?;
        roots.remove_locks()?;
        warm.turn(&origin, &home, &roots, &PLATFORMS).await?;
        nothing.turn(&origin, &home, &roots, &PLATFORMS).await?;

        roots.remove_locks()?;
        mirrored.turn(&origin, &our_mirror.home(plan)?, &roots, &PLATFORMS).await?;

        for (rival, share) in &mut rivals {
            let its = roots.all().chunks(*share).nth(round).unwrap_or_default();
            rival.turn(&origin, its).await?;
        }
    }
    for (name, value) in [
        ("providers_cold_zips", &cold),
        ("providers_warm_zips", &warm),
        ("providers_mirrored_zips", &mirrored),
        ("providers_more_zips", &more),
    ] {
        report.figure(name, Some(count(value.zips)));
    }
    report.figure("providers_nothing_ms", nothing.ms());
    let names = [("tofu_over_warm", "tofu_over_cold"), ("terraform_over_warm", "terraform_over_cold")];
    for ((rival, _), (over_warm, over_cold)) in rivals.iter().zip(names) {
        report.figure(over_warm, ratio(Some(rival.fresh.ms(ROOTS)), warm.ms()));
        report.figure(over_cold, ratio(Some(rival.fresh.ms(ROOTS)), cold.ms()));
    }
    let rivals: Vec<Rival> = rivals.into_iter().map(|(rival, _)| rival).collect();
    report.add(table(&[cold, more, warm, mirrored, nothing], &rivals));
    Ok(())
}

/// What we write in a root module for a CLI, which it has to come to as well.
async fn expected(plan: &Plan, origin: &Origin, style: &str) -> anyhow::Result<String> {
    let one = Roots::new(1)?;
    Home::new(&plan.server, &origin.cli_config())?.lock(one.folder(), style, &PLATFORMS).await?;
    Ok(one.all().iter().map(|root| roots::lock(root)).collect::<Result<_, _>>()?)
}

fn table(ours: &[Ours], rivals: &[Rival]) -> Table {
    let mut table = Table::new(
        "providers_lock",
        format!("(f) providers: {ROOTS} root modules, 2 providers, {} platforms, tiny packages", PLATFORMS.len()),
        &["who", "what", "ms", "zips", "files written", "tofu by it", "terraform by it"],
    );
    for one in ours {
        let mut row = vec![
            Cell::from("tofu-state"),
            Cell::from(one.what),
            Cell::number(one.ms(), 0),
            Cell::Number(count(one.zips), 0),
            Cell::Number(count(one.writes), 0),
        ];
        row.extend(rivals.iter().map(|rival| Cell::ratio(ratio(one.compared.map(|of| of(rival).ms(ROOTS)), one.ms()))));
        table.row(row);
    }
    for rival in rivals {
        for (what, sum, writes) in [("no lock files", &rival.fresh, ROOTS), ("complete lock files", &rival.complete, 0)]
        {
            table.row([
                Cell::from(rival.name()),
                Cell::from(format!("providers lock in each, {what}")),
                Cell::Number(sum.ms(ROOTS), 0),
                Cell::Number(sum.zips(ROOTS), 0),
                Cell::Number(count(writes), 0),
                Cell::Nothing,
                Cell::Nothing,
            ]);
        }
        let (name, measured) = (rival.name(), rival.fresh.roots());
        let scaled = count(ROOTS) / count(measured.max(1));
        table.note(match measured {
            ROOTS => format!("{name}: all {ROOTS} root modules were locked, one after the other."),
            _ => format!(
                "{name}: {measured} root modules were locked, one after the other; time and zips times {scaled:.0}."
            ),
        });
    }
    table.note("tofu-state: the command as a process, from its start to its end; medians over rounds.");
    table.note("zips: what the origin was asked for or the command says it downloaded, whichever is more.");
    table.note("Every lock file of the CLIs is compared with ours: they are the same, byte for byte.");
    table
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
