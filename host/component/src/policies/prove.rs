//! Trying a module before it is used: its configuration, and the examples that it brings.

use std::thread;

use super::contract::{Expectation, Verdict};
use super::entry::{Limits, Needs};
use super::module::PolicyModule;
use crate::Failure;

/// The most examples that are tried.
const MAX_EXAMPLES: usize = 256;

/// Why a module is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The module does not take the configuration; what it says.
    #[error("the module does not take its configuration: {0}")]
    Configuration(String),
    /// It failed when asked; when.
    #[error("the module failed {0}: {1}")]
    Failed(String, Failure),
    /// It does not judge as it says it does.
    #[error("the module fails its own example {name:?}: it expects {expected}, and said {found}")]
    Example {
        /// The example's name.
        name: String,
        /// The verdict that the module expects of itself.
        expected: &'static str,
        /// The verdict that it gave, with its reason.
        found: String,
    },
    /// It brings more examples than are tried.
    #[error("the module brings {0} examples, more than {MAX_EXAMPLES}")]
    TooMany(usize),
    /// No thread or runtime to try it on.
    #[error("the module cannot be tried: {0}")]
    Host(String),
}

impl PolicyModule {
    /// Asks the module whether `configuration` and what is `granted` will do, and lets it judge its own examples; how many there
    /// were. It blocks for as long as the module computes: call it on a thread that may.
    ///
    /// # Errors
    /// See [`Unproven`].
    pub fn prove(&self, configuration: &str, granted: Needs, limits: &Limits) -> Result<usize, Unproven> {
        // On a thread of its own: this may be called inside a runtime, where nothing can be waited for.
        let prove = || -> Result<usize, Unproven> {
            let host = |error: std::io::Error| Unproven::Host(error.to_string());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(host)?;
            runtime.block_on(self.try_out(configuration, granted, limits))
        };
        thread::scope(|scope| scope.spawn(prove).join())
            .unwrap_or_else(|_| Err(Unproven::Host("the host panicked".to_owned())))
    }

    async fn try_out(&self, configuration: &str, granted: Needs, limits: &Limits) -> Result<usize, Unproven> {
        let failed = |when: &str| {
            let when = when.to_owned();
            move |failure| Unproven::Failed(when, failure)
        };
        let checked = self.check(configuration, granted, limits).await.map_err(failed("on its configuration"))?;
        checked.map_err(|why| Unproven::Configuration(super::text::reason(&why)))?;
        let examples = self.examples(limits).await.map_err(failed("when asked for its examples"))?;
        if examples.len() > MAX_EXAMPLES {
            return Err(Unproven::TooMany(examples.len()));
        }
        for example in &examples {
            let name = super::text::reason(&example.name);
            let when = format!("on its example {name:?}");
            let verdict =
                self.review(&example.change, &example.context, limits, None, None).await.map_err(failed(&when))?;
            let (found, told) = match verdict {
                Verdict::Allow(_) => (Expectation::Allow, "allow".to_owned()),
                Verdict::Warn(why) => (Expectation::Warn, format!("warn ({})", super::text::reason(&why))),
                Verdict::Deny(denial) => (Expectation::Deny, format!("deny ({})", super::text::reason(&denial.reason))),
            };
            if found != example.expected {
                return Err(Unproven::Example { name, expected: word(example.expected), found: told });
            }
        }
        Ok(examples.len())
    }
}

fn word(expectation: Expectation) -> &'static str {
    match expectation {
        Expectation::Allow => "allow",
        Expectation::Warn => "warn",
        Expectation::Deny => "deny",
    }
}
