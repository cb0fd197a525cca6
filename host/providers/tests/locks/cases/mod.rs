//! Configurations, and lock files that are there before.

mod configurations;
mod constraints;
mod locked;

pub(crate) const ONE: &[&str] = &["linux_amd64"];
pub(crate) const TWO: &[&str] = &["darwin_arm64", "linux_amd64"];
pub(crate) const FOUR: &[&str] = &["darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"];

/// Names and texts.
pub(crate) type Files = Vec<(&'static str, String)>;

/// A configuration that both the CLI and this program lock.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) files: Files,
    pub(crate) platforms: &'static [&'static str],
    pub(crate) before: Option<Before>,
    /// With `--upgrade`; the CLI needs an `init -upgrade` before.
    pub(crate) upgrade: bool,
    /// Both must refuse it, and leave the lock file as it was.
    pub(crate) refused: bool,
}

/// The lock file that is there before.
pub(crate) struct Before {
    /// The configuration that it was made for.
    pub(crate) files: Files,
    pub(crate) platforms: &'static [&'static str],
    /// Whether the other program has made it.
    pub(crate) by_the_other: bool,
    /// What became of it since.
    pub(crate) edit: fn(&str) -> String,
}

impl Case {
    /// For these platforms.
    fn on(self, platforms: &'static [&'static str]) -> Self {
        Self { platforms, ..self }
    }

    /// Locked before for this configuration and these platforms.
    fn locked(self, files: Files, platforms: &'static [&'static str]) -> Self {
        let before = Before { files, platforms, by_the_other: false, edit: str::to_owned };
        Self { before: Some(before), ..self }
    }

    /// What became of the lock file since.
    fn edited(mut self, edit: fn(&str) -> String) -> Self {
        self.before = self.before.map(|before| Before { edit, ..before });
        self
    }

    /// The other program has made the lock file.
    fn by_the_other(mut self) -> Self {
        self.before = self.before.map(|before| Before { by_the_other: true, ..before });
        self
    }

    fn upgraded(self) -> Self {
        Self { upgrade: true, ..self }
    }

    fn refused(self) -> Self {
        Self { refused: true, ..self }
    }
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let all = [constraints::cases(), configurations::cases(), locked::cases()];
    all.into_iter().flatten().collect()
}

/// `required_providers` with these entries.
pub(crate) fn required(entries: &str) -> String {
    format!("terraform {{\n  required_providers {{\n    {entries}\n  }}\n}}\n")
}

fn case(name: &'static str, files: Files) -> Case {
    Case { name, files, platforms: ONE, before: None, upgrade: false, refused: false }
}

fn aws(constraints: &str) -> Files {
    vec![("main.tf", required(&format!("aws = {{ source = \"hashicorp/aws\", version = \"{constraints}\" }}")))]
}

fn web(constraints: &str) -> Files {
    let source = "registry.example.com/acme/web";
    vec![("main.tf", required(&format!("web = {{ source = \"{source}\", version = \"{constraints}\" }}")))]
}
