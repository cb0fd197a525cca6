//! `tofu-state state`: what people do with single states.

mod lock;
mod mv;
mod pull;
mod quarantine;
mod render;
mod restore;
mod rm;
mod see;

use std::io::Write;
use std::path::PathBuf;

use crate::api::Api;
use crate::ask::Answers;
use crate::error::Error;
use crate::http::{Http, Redirects};
use crate::protocol::State;
use crate::settings::Settings;

/// One thing to do. A `path` that is not given is that of `TF_HTTP_ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// List the states.
    List {
        /// Only those below this path; empty: all.
        prefix: String,
        /// Also those that were deleted.
        deleted: bool,
    },
    /// List a state's versions.
    Versions {
        /// The state.
        path: Option<String>,
    },
    /// Tell what is known of a state.
    Show {
        /// The state.
        path: Option<String>,
    },
    /// Tell what differs between two versions.
    Diff {
        /// The state.
        path: String,
        /// The older one; none: the one before `to`.
        from: Option<u64>,
        /// The newer one; none: the present one.
        to: Option<u64>,
        /// Also values that are sensitive.
        sensitive: bool,
    },
    /// Give the state's bytes.
    Pull {
        /// The state.
        path: Option<String>,
        /// Which version; none: the present one.
        revision: Option<u64>,
        /// Where they go; none: standard output.
        to: Option<PathBuf>,
    },
    /// Lock the state and leave it locked.
    Lock {
        /// The state.
        path: Option<String>,
        /// Why, for whoever is kept out.
        reason: String,
    },
    /// Release a lock.
    Unlock {
        /// The state.
        path: Option<String>,
        /// The lock's ID.
        id: String,
        /// It is somebody else's: break it.
        force: bool,
    },
    /// Delete the state.
    Rm {
        /// The state.
        path: Option<String>,
    },
    /// Make an older version the present one.
    Restore {
        /// The state.
        path: String,
        /// Which version.
        revision: u64,
        /// Also one of another lineage.
        other_lineage: bool,
    },
    /// Move the state to another path.
    Mv {
        /// The state.
        from: String,
        /// Its new path.
        to: String,
        /// With its older versions.
        history: bool,
    },
    /// See to states that a policy refused.
    Quarantine(Quarantine),
}

/// What to do about refused states. A `digest` is the SHA-256 of one, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quarantine {
    /// List them.
    List {
        /// Only those below this path; empty: all.
        prefix: String,
    },
    /// Give the bytes of one.
    Pull {
        /// The state's path.
        path: String,
        /// Which one.
        digest: String,
        /// Where they go; none: standard output.
        to: Option<PathBuf>,
    },
    /// Make one the present state.
    Accept {
        /// The state's path.
        path: String,
        /// Which one.
        digest: String,
        /// Although a policy denies it.
        overrule: bool,
    },
    /// Throw one away.
    Discard {
        /// The state's path.
        path: String,
        /// Which one.
        digest: String,
    },
}

/// What every task needs.
pub struct Context<'a, W> {
    /// The server.
    pub settings: &'a Settings,
    /// How questions are answered.
    pub answers: Answers,
    /// Results as JSON.
    pub json: bool,
    /// Where results go.
    pub out: W,
}

impl<W: Write> Context<'_, W> {
    fn state<'a>(&self, http: &'a Http, path: Option<&str>) -> Result<State<'a>, Error> {
        Ok(State { http, place: self.settings.place(path)? })
    }

    /// Writes a line of results.
    ///
    /// # Errors
    /// Nobody takes it.
    fn say(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.out, "{line}").map_err(|error| Error::other(format!("standard output: {error}")))
    }

    /// Writes a result, as JSON or for people.
    fn result(&mut self, json: &serde_json::Value, line: &str) -> Result<(), Error> {
        if self.json { self.say(&json.to_string()) } else { self.say(line) }
    }
}

/// Does it.
///
/// # Errors
/// A sentence: what was not done, and why.
pub async fn perform<W: Write>(task: &Task, context: &mut Context<'_, W>) -> Result<(), Error> {
    let settings = context.settings;
    let http = Http::new(settings.server(), settings.credentials.clone(), &settings.tls, Redirects::Refused)?;
    let api = Api { http: &http, server: settings.server() };
    match task {
        Task::List { prefix, deleted } => see::list(&api, prefix.trim_matches('/'), *deleted, context).await,
        Task::Versions { path } => {
            let path = settings.place(path.as_deref())?.path;
            see::versions(&api, &path, context).await
        }
        Task::Show { path } => {
            let path = settings.place(path.as_deref())?.path;
            see::show(&api, &path, context).await
        }
        Task::Diff { path, from, to, sensitive } => {
            let path = settings.place(Some(path))?.path;
            see::diff(&api, &path, (*from, *to), *sensitive, context).await
        }
        Task::Pull { path, revision, to } => {
            let state = context.state(&http, path.as_deref())?;
            pull::pull(&api, &state, *revision, to.as_deref(), context).await
        }
        Task::Lock { path, reason } => lock::lock(&context.state(&http, path.as_deref())?, reason, context).await,
        Task::Unlock { path, id, force } => {
            lock::unlock(&context.state(&http, path.as_deref())?, id, *force, context).await
        }
        Task::Rm { path } => rm::rm(&context.state(&http, path.as_deref())?, context).await,
        Task::Restore { path, revision, other_lineage } => {
            let state = context.state(&http, Some(path))?;
            let wanted = restore::Wanted { revision: *revision, other_lineage: *other_lineage };
            restore::restore(&api, &state, &wanted, context).await
        }
        Task::Mv { from, to, history } => {
            let (from, to) = (context.state(&http, Some(from))?, context.state(&http, Some(to))?);
            mv::mv(&api, &from, &to, *history, context).await
        }
        Task::Quarantine(task) => on_quarantine(task, &api, &http, context).await,
    }
}

async fn on_quarantine<W: Write>(
    task: &Quarantine,
    api: &Api<'_>,
    http: &Http,
    context: &mut Context<'_, W>,
) -> Result<(), Error> {
    match task {
        Quarantine::List { prefix } => quarantine::list(api, prefix.trim_matches('/'), context).await,
        Quarantine::Pull { path, digest, to } => {
            let path = context.settings.place(Some(path))?.path;
            quarantine::pull(api, &path, digest, to.as_deref(), context).await
        }
        Quarantine::Accept { path, digest, overrule } => {
            let state = context.state(http, Some(path))?;
            quarantine::accept(api, &state, digest, *overrule, context).await
        }
        Quarantine::Discard { path, digest } => {
            let path = context.settings.place(Some(path))?.path;
            quarantine::discard(api, &path, digest, context).await
        }
    }
}
