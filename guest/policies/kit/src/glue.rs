//! From a [`Policy`] to a component.

use std::marker::PhantomData;

use crate::{Change, Configured, Context, Example, Needs, Policy, Verdict, configuration, deny, module, policy};

/// What [`export_policy!`](crate::export_policy) exports of a policy.
pub struct Exported<P>(PhantomData<P>);

impl<P: Policy> module::Guest for Exported<P> {
    fn check(configuration: String, granted: Needs) -> Result<(), String> {
        check::<P>(&configuration, granted)
    }

    fn examples() -> Vec<Example> {
        P::examples()
    }
}

impl<P: Policy> policy::Guest for Exported<P> {
    fn review(change: Change, context: Context) -> Verdict {
        review::<P>(&change, &context)
    }
}

/// Whether a policy can work with this configuration and with what its entry grants.
///
/// # Errors
/// What is wrong, and what to write.
pub fn check<P: Policy>(text: &str, granted: Needs) -> Result<(), String> {
    configuration::read::<P::Configuration>(text)?;
    let missing = P::NEEDS.difference(granted);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter_names().map(|(name, _)| format!("\"{}\"", name.to_lowercase())).collect();
    Err(format!("its entry has to grant it what it needs: write needs = [{}]", names.join(", ")))
}

/// Judges a change as the component does.
#[must_use]
pub fn review<P: Policy>(change: &Change, context: &Context) -> Verdict {
    match configuration::read::<P::Configuration>(&context.configuration) {
        Ok(configuration) => {
            P::review(change, Configured { configuration: &configuration, resources: context.resources.as_ref() })
        }
        // `check` has refused it before; so this is a host that did not ask.
        Err(wrong) => deny(format!("this policy is not configured as it has to be: {wrong}")),
    }
}

/// Makes a component of a type with a [`Policy`]. On any other target than WebAssembly it does nothing.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the generated glue calls the component model's canonical ABI")]
        const _: () = {
            type Component = $crate::Exported<$policy>;
    $crate::export_bindings!(Component with_types_in $crate::bindings);
        };
    };
}
