//! `tofu-state state`: what people do with single states.

mod lock;
mod pull;
mod rm;

use std::io::Write;
use std::path::PathBuf;

use crate::ask::Answers;
use crate::error::Error;
use crate::http::{Http, Redirects};
use crate::protocol::State;
use crate::settings::Settings;

/// One thing to do. A `path` that is not given is that of `TF_HTTP_ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Give the state's bytes.
    Pull {
        /// The state.
        path: Option<String>,
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
    match task {
        Task::Pull { path, to } => {
            let state = context.state(&http, path.as_deref())?;
            pull::pull(&state, to.as_deref(), context).await
        }
        Task::Lock { path, reason } => lock::lock(&context.state(&http, path.as_deref())?, reason, context).await,
        Task::Unlock { path, id, force } => {
            lock::unlock(&context.state(&http, path.as_deref())?, id, *force, context).await
        }
        Task::Rm { path } => rm::rm(&context.state(&http, path.as_deref())?, context).await,
    }
}
