//! `providers lock` through an `oci_mirror`, against a real registry over TLS, beside the real `tofu init` through the same.

use std::path::PathBuf;
use std::process::{Command, Output};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, Release};
use tofu_state_testing::registry::{Auth, PASSWORD, Registry, USER};

const WEB: &str = "registry.opentofu.org/acme/web";
const PLATFORMS: [&str; 4] = ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"];
/// What a machine with tofu has besides this one's own platform.
const MORE: &str = "darwin_arm64";

/// How the credentials are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nowhere,
    InTheConfiguration,
    ByDockerLogin,
    ByAHelper,
}

/// A registry with a provider in it, and a machine with tofu.
struct Place {
    registry: Registry,
    authority: Authority,
    cli: Cli,
    releases: Origin,
}

impl Place {
    async fn new(auth: Auth, told: Told) -> Self {
        let authority = Authority::new();
        let releases = Origin::start().await;
        let mut cli = Cli::tofu();
        let (certificate, key) = authority.issue().write(&cli.folder().join(".."));
        let registry = Registry::start_tls(&certificate, &key, auth).await;
        for version in ["1.0.0", "1.1.0"] {
            // Zips with entries for folders have two `h1:` hashes, of which lock files hold one.
            releases.publish(&Release::new(WEB, version).folders());
            let zips =
                PLATFORMS.map(|platform| (platform, std::fs::read(releases.zip(WEB, version, platform)).unwrap()));
            registry.push_provider("mirror/acme/web", version, &zips).await;
        }
        registry.push_provider("mirror/acme/web", "latest", &[]).await;
        cli.set("SSL_CERT_FILE", authority.file().to_str().unwrap());
        cli.write(
            "main.tf",
            "terraform {\n  required_providers {\n    web = {\n      source  = \"acme/web\"\n      version = \"~> 1.0\"\n    }\n  \
             }\n}\n",
        );
        let place = Self { registry, authority, cli, releases };
        place.configure(&place.mirror(told));
        place.tell(told);
        place
    }

    fn mirror(&self, told: Told) -> String {
        let address = self.registry.address();
        let mirror = format!(
            "provider_installation {{\n  oci_mirror {{\n    repository_template = \"{address}/mirror/${{namespace}}/${{type}}\"\n    \
             include = [\"registry.opentofu.org/*/*\"]\n  }}\n}}\n"
        );
        let credentials = match told {
            Told::InTheConfiguration => format!(
                "oci_credentials \"{address}/mirror\" {{\n  username = \"{USER}\"\n  password = \"{PASSWORD}\"\n}}\n"
            ),
            Told::ByAHelper => {
                format!("oci_credentials \"{address}\" {{\n  docker_credentials_helper = \"team\"\n}}\n")
            }
            Told::Nowhere | Told::ByDockerLogin => String::new(),
        };
        mirror + &credentials
    }

    fn tell(&self, told: Told) {
        if told == Told::ByDockerLogin {
            let auth = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
            let file = self.home().join(".docker/config.json");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, json!({"auths": {self.registry.address(): {"auth": auth}}}).to_string()).unwrap();
        }
        if told == Told::ByAHelper {
            // The program is a shell, so that nothing is run that was just written: `get` is its script.
            let programs = self.home().join("programs");
            std::fs::create_dir(&programs).unwrap();
            std::os::unix::fs::symlink("/bin/sh", programs.join("docker-credential-team")).unwrap();
            let answer = json!({"ServerURL": "x", "Username": USER, "Secret": PASSWORD});
            self.cli.write("get", &format!("cat > asked\necho '{answer}'\n"));
        }
    }

    fn home(&self) -> PathBuf {
        self.cli.folder().join("..")
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.home().join("cli.config"), text).unwrap();
    }

    fn path(&self) -> String {
        format!("{}:{}", self.home().join("programs").display(), std::env::var("PATH").unwrap())
    }

    /// `tofu init`, which must succeed, as on a machine that has seen nothing yet.
    async fn init(&mut self, arguments: &[&str]) {
        drop(self.run_init(arguments).await.success());
    }

    async fn init_fails(&mut self) {
        drop(self.run_init(&[]).await.failure());
    }

    async fn run_init(&mut self, arguments: &[&str]) -> tofu_state_testing::cli::Output {
        let _ = std::fs::remove_dir_all(self.home().join("data"));
        let path = self.path();
        self.cli.set("PATH", &path);
        let all: Vec<&str> = ["init"].into_iter().chain(arguments.iter().copied()).collect();
        self.cli.run(&all).await
    }

    /// `tofu-state providers lock` in the same folder, with the same machine's settings.
    async fn lock(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tofu-state"));
        command.args(["providers", "lock", "."]).args(arguments).current_dir(self.cli.folder()).env_clear();
        command.env("HOME", self.home()).env("TF_CLI_CONFIG_FILE", self.home().join("cli.config"));
        command.env("SSL_CERT_FILE", self.authority.file()).env("PATH", self.path());
        command.env("TOFU_STATE_CACHE", self.home().join("cache"));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn lock_file(&self) -> PathBuf {
        self.cli.folder().join(".terraform.lock.hcl")
    }

    fn locked(&self) -> Option<String> {
        std::fs::read_to_string(self.lock_file()).ok()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_files_are_those_of_tofu_init_through_the_same_mirror() {
    for (auth, told) in [
        (Auth::None, Told::Nowhere),
        (Auth::Basic, Told::InTheConfiguration),
        (Auth::Bearer, Told::ByDockerLogin),
        (Auth::Bearer, Told::ByAHelper),
    ] {
        let mut place = Place::new(auth, told).await;
        place.init(&[]).await;
        let theirs = place.locked().unwrap();
        assert!(theirs.contains("version     = \"1.1.0\""), "{theirs}");

        std::fs::remove_file(place.lock_file()).unwrap();
        let _ = std::fs::remove_file(place.cli.folder().join("asked"));
        let own = if std::env::consts::ARCH == "aarch64" { "linux_arm64" } else { "linux_amd64" };
        let output = place.lock(&["--platform", own]).await;
        assert!(output.status.success(), "{told:?}: {}\n{}", said(&output), place.registry.log());
        assert!(!said(&output).contains(PASSWORD));
        assert_eq!(place.locked().unwrap(), theirs, "{told:?}");
        if told == Told::ByAHelper {
            let asked = std::fs::read_to_string(place.cli.folder().join("asked")).unwrap();
            assert_eq!(asked, format!("https://{}", place.registry.address()));
        }

        // For all platforms at once; of the one whose zip is known, nothing is fetched again.
        std::fs::remove_file(place.lock_file()).unwrap();
        let output = place.lock(&["--platform", own, "--platform", MORE]).await;
        assert!(output.status.success() && said(&output).contains("1 zips downloaded"), "{}", said(&output));
        let more = place.locked().unwrap();
        assert!(theirs.lines().all(|line| more.contains(line)) && more.matches("\"zh:").count() == 2, "{more}");
        place.init(&["-lockfile=readonly"]).await;
        place.init(&[]).await;
        assert_eq!(place.locked().unwrap(), more, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_registry_refuses_or_does_not_have_is_told() {
    let mut place = Place::new(Auth::Bearer, Told::Nowhere).await;
    place.init_fails().await;
    let output = place.lock(&["--platform", MORE]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("wants credentials") && said(&output).contains("oci_credentials"),
        "{}",
        said(&output)
    );
    assert_eq!(place.locked(), None);

    place.configure(&place.mirror(Told::InTheConfiguration).replace(PASSWORD, "wr0ng"));
    let output = place.lock(&["--platform", MORE]).await;
    let refused = said(&output);
    assert!(!output.status.success() && refused.contains("refuses the credentials"), "{refused}");
    assert!(!refused.contains("wr0ng"), "{refused}");

    place.configure(&place.mirror(Told::InTheConfiguration));
    let main = |source: &str| {
        format!("terraform {{\n  required_providers {{\n    it = {{\n      source = \"{source}\"\n    }}\n  }}\n}}\n")
    };
    place.cli.write("main.tf", &main("acme/missing"));
    place.init_fails().await;
    let output = place.lock(&["--platform", MORE]).await;
    assert!(said(&output).contains("mirror/acme/missing has no provider"), "{}", said(&output));
    place.cli.write("main.tf", &main("acme/web"));
    let output = place.lock(&["--platform", "windows_amd64"]).await;
    assert!(said(&output).contains("has no package for windows_amd64"), "{}", said(&output));

    let output = place.lock(&["--platform", MORE, "--style", "terraform"]).await;
    assert!(!output.status.success() && said(&output).contains("Terraform refuses it"), "{}", said(&output));
    assert_eq!(place.locked(), None);
}

/// Nobody signs what lies in the mirror: a zip that is none of those that a registry's signature covers is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zip_that_is_not_the_signed_one_is_refused() {
    let mut place = Place::new(Auth::None, Told::Nowhere).await;
    let mirrored = place.mirror(Told::Nowhere);
    place.configure(&place.releases.cli_config());
    let output = place.lock(&["--platform", "linux_amd64"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let signed = place.locked().unwrap();

    place.configure(&mirrored);
    place.init(&["-lockfile=readonly"]).await;
    let output = place.lock(&["--platform", "linux_amd64", "--platform", MORE]).await;
    assert!(output.status.success(), "the same zips: {}", said(&output));

    place.releases.publish(&Release::new(WEB, "1.1.0").rebuilt());
    let zips = PLATFORMS.map(|platform| (platform, std::fs::read(place.releases.zip(WEB, "1.1.0", platform)).unwrap()));
    place.registry.push_provider("mirror/acme/web", "1.1.0", &zips).await;
    std::fs::write(place.lock_file(), &signed).unwrap();
    place.init_fails().await;
    let output = place.lock(&["--platform", "linux_amd64", "--platform", MORE]).await;
    assert!(said(&output).contains("none of those that are locked"), "{}", said(&output));
    assert_eq!(place.locked().unwrap(), signed);
}
