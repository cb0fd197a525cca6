//! What the commands come to: each is performed, and ends with a status and, if it failed, a line that says why.

use std::fmt::Display;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap_complete::Shell;
use tofu_state_client::interrupt::interrupted;
use tofu_state_client::settings::Settings;
use tofu_state_client::state;
use tokio::runtime::{Builder, Runtime};

use super::ask::Ask;
use super::{Flags, completions, policy, providers, sandbox, say, token, transfer};
use crate::config;

/// How long work that blocks is waited for when a program ends because of an error.
pub const CLOSING: Duration = Duration::from_secs(1);

/// The configuration is wrong (clap's own status for a wrong command line).
pub const WRONG_CONFIGURATION: u8 = 2;

/// `reload`, `policy list`, `policy roll-back`.
pub fn ask(asking: &Ask) -> ExitCode {
    ended(block_on(super::ask::ask(asking, &mut io::stdout())))
}

/// For commands that wait for a server, and not for long.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let result = runtime.block_on(work);
    // A question that was interrupted is still being asked.
    runtime.shutdown_background();
    result
}

/// `healthcheck`.
pub fn healthcheck(flags: &Flags) -> ExitCode {
    let admin = match flags.with_environment(config::admin_address) {
        Ok(admin) => admin,
        Err(mistakes) => return fail(&mistakes, WRONG_CONFIGURATION),
    };
    ended(block_on(super::healthcheck::check(&admin)).map(|line| say(&mut io::stdout(), &line)))
}

/// `providers …`.
pub fn providers(task: &providers::Task) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let end = runtime.block_on(async {
        let spans = providers::Spans::begin()?;
        let end = tokio::select! {
            end = providers::perform(task, &mut out, &mut err) => Some(end),
            // So that what was being downloaded is thrown away.
            () = interrupted() => None,
        };
        spans.end().await;
        Ok::<_, config::Mistakes>(end)
    });
    runtime.shutdown_timeout(CLOSING);
    match end {
        Err(mistakes) => fail(&mistakes, WRONG_CONFIGURATION),
        Ok(Some(providers::End::Good)) => ExitCode::SUCCESS,
        Ok(Some(providers::End::Bad)) => ExitCode::FAILURE,
        Ok(Some(providers::End::Wrong)) => ExitCode::from(WRONG_CONFIGURATION),
        Ok(None) => fail(&"interrupted", 1),
    }
}

/// `policy check`, `policy test` and `policy new`.
pub fn policy(task: &policy::Task) -> ExitCode {
    if policy::perform(task, &mut io::stdout(), &mut io::stderr()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `backup create` and `backup restore`: `work` on the embedded store's folder.
pub fn backup(flags: &Flags, work: impl FnOnce(&Path) -> Result<String, String>) -> ExitCode {
    let folder = match flags.with_environment(config::data_dir) {
        Ok(folder) => folder,
        Err(mistakes) => return fail(&mistakes, WRONG_CONFIGURATION),
    };
    ended(work(&folder).map(|line| say(&mut io::stdout(), &line)))
}

/// `state …`.
pub fn state(doing: &super::state::Doing) -> ExitCode {
    let settings = match Settings::read(&doing.server, &|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, WRONG_CONFIGURATION),
    };
    let mut context =
        state::Context { settings: &settings, answers: doing.answers, json: doing.json, out: io::stdout() };
    ended(block_on(async { state::perform(&doing.task, &mut context).await.map_err(|error| error.to_string()) }))
}

/// `import` and `export`.
pub fn transfer(doing: &transfer::Doing) -> ExitCode {
    let settings = match Settings::read(&doing.server, &|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, WRONG_CONFIGURATION),
    };
    ended(block_on(async {
        transfer::perform(doing, &settings, &mut io::stdout()).await.map_err(|error| error.to_string())
    }))
}

/// `sandbox …`.
pub fn sandbox(task: &sandbox::Task) -> ExitCode {
    ExitCode::from(sandbox::perform(task, &mut io::stdout(), &mut io::stderr()).status())
}

/// `completions`.
pub fn completions(shell: Shell) -> ExitCode {
    completions::print(shell, &mut io::stdout());
    ExitCode::SUCCESS
}

/// `token hash`.
pub fn token_hash() -> ExitCode {
    ended(token::hash(&mut BufReader::new(io::stdin()), &mut io::stdout()))
}

/// The end of a command that has said itself what it has done.
fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => fail(&what, 1),
    }
}

/// Says on standard error what is wrong: before there is a log, and where there is none.
pub fn fail(what: &dyn Display, status: u8) -> ExitCode {
    say(&mut io::stderr(), &format!("tofu-state: {what}"));
    ExitCode::from(status)
}
