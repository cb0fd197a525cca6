//! The rule: whoever's name begins with what is configured may plan, but not apply.

#[cfg(target_arch = "wasm32")]
mod component;

/// What the rule looks at.
pub struct Run<'a> {
    /// `user@host`, as the CLI claims.
    pub who: &'a str,
    /// `OperationTypePlan`, `OperationTypeApply`, …
    pub operation: &'a str,
}

/// What is wrong with the configuration, if anything is.
pub fn check(configuration: &str) -> Result<(), String> {
    match configuration.trim() {
        "" => Err("write how the names begin that may not apply, such as \"root@\"".to_owned()),
        _ => Ok(()),
    }
}

/// Why a lock may not be taken; none: it may.
pub fn objection(run: &Run, configuration: &str) -> Option<String> {
    let refused = run.operation != "OperationTypePlan" && run.who.starts_with(configuration.trim());
    refused.then(|| format!("{} may plan, but not apply: log in as yourself", run.who))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_plan_but_not_apply() {
        let objects = |who, operation| objection(&Run { who, operation }, "root@").is_some();
        assert!(objects("root@laptop", "OperationTypeApply"));
        assert!(!objects("root@laptop", "OperationTypePlan"));
        assert!(!objects("ada@laptop", "OperationTypeApply"));
    }

    #[test]
    fn an_empty_configuration_is_a_mistake() {
        assert!(check(" \n").is_err());
        assert!(check("root@").is_ok());
    }
}
