//! Which credentials are chosen.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::Style;
use crate::cli_config::{CliConfig, CliConfigError};

/// A machine with files, of which `cli` is the configuration.
fn machine(files: &[(&str, String)]) -> (TempDir, Result<CliConfig, CliConfigError>) {
    let home = TempDir::new().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let path = home.path().to_str().unwrap();
    let variables = [("HOME", path), ("TF_CLI_CONFIG_FILE", "cli")];
    let config = CliConfig::load(Style::Tofu, Environment::new(variables, home.path().to_owned()));
    (home, config)
}

fn auths(entries: &[(&str, &str)]) -> String {
    let entry = |(name, user): &(&str, &str)| {
        ((*name).to_owned(), json!({"auth": BASE64_STANDARD.encode(format!("{user}:hunter2"))}))
    };
    json!({"auths": entries.iter().map(entry).collect::<serde_json::Map<_, _>>()}).to_string()
}

fn chosen(config: &CliConfig, registry: &str, repository: &str) -> Option<String> {
    config.oci_login(registry, repository).unwrap().map(|login| match login {
        Login::Basic(credentials) => credentials.user,
        Login::Token(token) => format!("token {}", token.expose_secret()),
        Login::Helper(name) => format!("helper {name}"),
    })
}

#[test]
fn the_most_specific_credentials_are_chosen() {
    let cli = r#"
        oci_credentials "r.io" { username = "registry" password = "hunter2" }
        oci_credentials "r.io/a/b" { access_token = "ab" refresh_token = "x" }
        oci_credentials "helped.io" { docker_credentials_helper = "vault" }
    "#;
    let podman =
        auths(&[("r.io/a/b/c", "podman"), ("r.io/a/b", "late"), ("p.io:5000", "port"), ("https://s.io/v1/", "url")]);
    let docker = json!({
        "auths": {"r.io": {"auth": BASE64_STANDARD.encode("late:x")}, "empty.io": {}, "null.io": null},
        "credHelpers": {"ecr.io": "ecr-login"},
        "credsStore": "desktop",
    });
    let files = [
        ("cli", cli.to_owned()),
        (".config/containers/auth.json", podman),
        (".docker/config.json", docker.to_string()),
    ];
    let (_home, config) = machine(&files);
    let config = config.unwrap();
    for (registry, repository, user) in [
        ("r.io", "a", "registry"),
        ("r.io", "a/bc", "registry"),
        ("r.io", "a/b", "token ab"),
        ("r.io", "a/b/d", "token ab"),
        ("r.io", "a/b/c/d", "podman"),
        ("helped.io", "a", "helper vault"),
        ("p.io:5000", "a", "port"),
        ("ecr.io", "a", "helper ecr-login"),
        ("empty.io", "a", "helper desktop"),
        ("s.io", "v1", "helper desktop"),
    ] {
        assert_eq!(chosen(&config, registry, repository).as_deref(), Some(user), "{registry}/{repository}");
    }
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_configuration_says_which_files_count() {
    let docker = auths(&[("r.io", "docker")]);
    let of = |block: &str, more: &[(&str, String)]| {
        let mut files = vec![("cli", block.to_owned()), (".docker/config.json", docker.clone())];
        files.extend(more.iter().cloned());
        machine(&files)
    };
    let own = ("own.json", auths(&[("r.io", "own")]));
    let (_home, config) = of("oci_default_credentials { docker_style_config_files = [\"own.json\"] }", &[own]);
    assert_eq!(chosen(&config.unwrap(), "r.io", "a").as_deref(), Some("own"));
    for (block, user) in [
        ("", Some("docker")),
        ("oci_default_credentials { docker_style_config_files = [] }", None),
        ("oci_default_credentials { discover_ambient_credentials = false }", None),
        ("oci_default_credentials { docker_credentials_helper = \"vault\" }", Some("docker")),
    ] {
        let (_home, config) = of(block, &[]);
        assert_eq!(chosen(&config.unwrap(), "r.io", "a").as_deref(), user, "{block}");
    }
    // A file that is named must be right; one that is only there need not.
    let (_home, config) = of("oci_default_credentials { docker_style_config_files = [\"none\"] }", &[]);
    assert!(config.unwrap().oci_login("r.io", "a").unwrap_err().contains("none: cannot be read"));
    let (_home, config) = of("", &[(".dockercfg", "hunter2".to_owned())]);
    assert_eq!(chosen(&config.unwrap(), "r.io", "a"), None);
    let bad = ("own.json", r#"{"auths": {"r.io": {"auth": "aHVudGVyMg=="}}}"#.to_owned());
    let (_home, config) = of("oci_default_credentials { docker_style_config_files = [\"own.json\"] }", &[bad]);
    let told = config.unwrap().oci_login("r.io", "a").unwrap_err();
    assert!(told.contains("entry for r.io") && !told.contains("hunter2"), "{told}");
}

#[test]
fn mistakes_are_told() {
    for (text, told) in [
        ("oci_credentials \"https://r.io\" { username = \"a\" password = \"b\" }", "neither a registry"),
        ("oci_credentials \"r.io\" { username = \"a\" }", "must have either"),
        ("oci_credentials \"r.io\" { access_token = \"a\" }", "must have either"),
        ("oci_credentials \"r.io\" {}", "must have either"),
        ("oci_credentials \"r.io\" { username = [] password = \"b\" }", "must be a string"),
        ("oci_credentials \"r.io/a\" { docker_credentials_helper = \"x\" }", "whole registries"),
        ("oci_credentials \"r.io\" { docker_credentials_helper = \"../x\" }", "no name of a Docker"),
        ("oci_credentials {\n r.io = 1 }", "is wanted"),
        ("oci_default_credentials {}\noci_default_credentials {}", "more than one"),
        ("oci_default_credentials { discover_ambient_credentials = \"x\" }", "true or false"),
        (
            "oci_default_credentials { discover_ambient_credentials = false docker_style_config_files = [] }",
            "means nothing",
        ),
    ] {
        let error = machine(&[("cli", text.to_owned())]).1.unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    let twice = "oci_credentials \"r.io\" { docker_credentials_helper = \"x\" }\n".repeat(2);
    assert!(machine(&[("cli", twice)]).1.unwrap_err().to_string().contains("cli:2: "));
}
