//! What the tests share: an origin with providers, folders with configuration, and runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::cache::Cache;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::fetch::Fetcher;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::lock::{self, Means, Outcome, Report, Request, Silent};
use tofu_state_providers::sources::{Registry, Source};
use tofu_state_providers::{Problem, Style, lockfile};
use tofu_state_testing::origin::{Origin, Release};

/// Hosts that the origin stands for.
pub(crate) const HOSTS: [&str; 3] = ["registry.opentofu.org", "registry.terraform.io", "registry.example.com"];

/// An origin with the providers that the cases use.
pub(crate) async fn origin() -> Origin {
    let origin = Origin::start().await;
    for host in HOSTS {
        for version in ["4.0.0", "4.67.0", "5.0.0", "5.1.0", "5.1.1", "5.100.0", "6.0.0-beta1"] {
            origin.publish(&Release::new(&format!("{host}/hashicorp/aws"), version));
        }
        for version in ["3.0.0", "3.2.1"] {
            origin.publish(&Release::new(&format!("{host}/hashicorp/null"), version).folders());
        }
        origin.publish(&Release::new(&format!("{host}/hashicorp/random"), "3.5.0").platforms(&["linux_amd64"]));
        for version in ["0.9.0-alpha.1", "0.9.0-beta", "1.0.0", "1.2.0", "1.2.1-rc1"] {
            origin.publish(&Release::new(&format!("{host}/acme/web"), version));
        }
    }
    origin
}

/// A cache and a folder for downloads, as one user has them.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.folder.path().join("cache"))
    }

    pub(crate) fn config(&self, style: Style, text: &str) -> Arc<CliConfig> {
        let file = self.folder.path().join("cli.config");
        std::fs::write(&file, text).unwrap();
        let environment =
            Environment::new([("TF_CLI_CONFIG_FILE", file.to_str().unwrap())], self.folder.path().to_owned());
        Arc::new(CliConfig::load(style, environment).unwrap())
    }

    /// The origin's registries, with this home's cache.
    pub(crate) fn means(&self, origin: &Origin) -> Means {
        let text = origin.cli_config();
        let configs = [Style::Tofu, Style::Terraform].map(|style| (style, self.config(style, &text)));
        let cache = self.cache();
        self.means_of(move |style| {
            let (_, config) = configs.iter().find(|(known, _)| *known == style).unwrap();
            Arc::new(Registry::new(http(), Arc::clone(config), Some(cache.clone())))
        })
    }

    pub(crate) fn means_of(&self, source: impl Fn(Style) -> Arc<dyn Source> + Send + Sync + 'static) -> Means {
        Means {
            source: Box::new(move |style| Ok(source(style))),
            fetcher: Fetcher::new(http(), self.folder.path().to_owned(), 4),
            cache: Some(self.cache()),
        }
    }
}

/// Patient with a busy machine, impatient between tries.
pub(crate) fn http() -> Http {
    let long = Duration::from_secs(60);
    Http::new(Patience { request: long, silence: long, retries: 3, pause: Duration::from_millis(1) }).unwrap()
}

/// Writes files below a folder; a name may hold folders.
pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

/// A folder with files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), files);
    folder
}

/// The lock file of a root module.
pub(crate) fn lock_of(root: &Path) -> Option<String> {
    std::fs::read_to_string(root.join(lockfile::NAME)).ok()
}

pub(crate) fn request(folder: &Path, style: Style, platforms: &[&str]) -> Request {
    Request {
        folders: vec![PathBuf::from(folder)],
        platforms: platforms.iter().map(|platform| platform.parse().unwrap()).collect(),
        style: Some(style),
        ..Request::default()
    }
}

pub(crate) async fn run(request: &Request, means: &Means) -> Report {
    match lock::run(request, means, &Silent).await {
        Ok(report) => report,
        Err(problems) => panic!("{}", told(&problems)),
    }
}

/// Locks what must be lockable.
pub(crate) async fn lock(request: &Request, means: &Means) -> Report {
    let report = run(request, means).await;
    assert!(report.is_good(), "{}", failures(&report));
    report
}

/// Everything that went wrong.
pub(crate) fn failures(report: &Report) -> String {
    let of = |outcome: &Outcome| match outcome {
        Outcome::Failed(problems) => told(problems),
        Outcome::Differs(diff) => diff.clone(),
        Outcome::Unchanged | Outcome::Written => String::new(),
    };
    report.roots.iter().map(|root| of(&root.outcome)).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
