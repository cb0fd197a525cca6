//! The CLI configuration as the CLIs read it.

use std::path::Path;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::Address;

fn read(text: &str) -> Result<CliConfig, CliConfigError> {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join(".terraformrc"), text).unwrap();
    let environment = Environment::new([("HOME", home.path().to_str().unwrap())], home.path().to_owned());
    CliConfig::load(Style::Terraform, environment)
}

async fn token(config: &CliConfig, host: &str) -> Option<String> {
    config.token(host).await.unwrap().map(|token| token.expose_secret().to_owned())
}

fn address(text: &str) -> Address {
    Address::parse(text, Style::Terraform).unwrap()
}

#[tokio::test]
async fn hosts_tokens_and_methods_are_read() {
    let config = read(
        r#"
        host "Registry.Example:443" { services = { "providers.v1" = "http://127.0.0.1:9/p/", "modules.v1" = {} } }
        host "silent.example" { services = {} }
        credentials "registry.example" { token = "of-file" }
        plugin_cache_dir = "$HOME/cache"
        provider_installation {
          dev_overrides { "acme/web" = "/home/dev/web" }
          filesystem_mirror { path = "/mirror" include = ["acme.example/*/*"] }
          network_mirror {
            url = "https://mirror.example/p/"
            include = ["hashicorp/*"]
            exclude = ["hashicorp/aws"]
            trust_all_hashes = true
          }
          direct { exclude = ["acme.example/*/*"] }
        }
        disable_checkpoint = true
        "#,
    )
    .unwrap();
    assert_eq!(config.service("registry.example", "providers.v1"), Some(Some("http://127.0.0.1:9/p/")));
    assert_eq!(config.service("silent.example", "providers.v1"), Some(None));
    assert_eq!(config.service("other.example", "providers.v1"), None);
    assert_eq!(token(&config, "registry.example").await.as_deref(), Some("of-file"));
    assert!(config.plugin_cache.unwrap().ends_with("cache"));
    assert_eq!(config.dev_overrides["acme/web"], Path::new("/home/dev/web"));
    let methods = config.installation.unwrap();
    let serving = |provider: &str| -> Vec<usize> {
        let provider = address(provider);
        methods.iter().enumerate().filter(|(_, method)| method.serves(&provider)).map(|(index, _)| index).collect()
    };
    assert_eq!(serving("acme.example/a/b"), [0]);
    assert_eq!(serving("hashicorp/null"), [1, 2]);
    assert_eq!(serving("hashicorp/aws"), [2]);
    assert_eq!(serving("registry.opentofu.org/hashicorp/null"), [2]);
    assert_eq!(methods[1].place, Place::Network { url: "https://mirror.example/p/".to_owned(), trusted: true });
}

/// OpenTofu has it since 1.10; Terraform refuses the file.
#[test]
fn an_oci_mirror_is_for_opentofu() {
    let home = TempDir::new().unwrap();
    let text = "provider_installation {\n  oci_mirror {\n    repository_template = \"r.io/${namespace}/${type}\"\n    \
                include = [\"registry.opentofu.org/*/*\"]\n  }\n}\n";
    std::fs::write(home.path().join("cli"), text).unwrap();
    let load =
        |style| CliConfig::load(style, Environment::new([("TF_CLI_CONFIG_FILE", "cli")], home.path().to_owned()));
    let [method] = load(Style::Tofu).unwrap().installation.unwrap().try_into().unwrap();
    let Place::Oci(template) = &method.place else { panic!("{method:?}") };
    let provider = Address::parse("acme/web", Style::Tofu).unwrap();
    assert!(method.serves(&provider));
    assert_eq!(template.repository(&provider), Ok(("r.io".to_owned(), "acme/web".to_owned())));
    let refused = load(Style::Terraform).unwrap_err().to_string();
    assert!(refused.contains("cli:2: ") && refused.contains("Terraform refuses it"), "{refused}");
    let wrong = text.replace("${type}", "${name}");
    std::fs::write(home.path().join("cli"), wrong).unwrap();
    let told = load(Style::Tofu).unwrap_err().to_string();
    assert!(told.contains("cli:2: `repository_template`") && told.contains("`name`"), "{told}");
}

#[test]
fn mistakes_name_file_and_line() {
    for (text, line, what) in [
        ("a = [", 1, "a value is wanted"),
        ("\nprovider_installation {\n  network_mirror { url = \"http://x/\" }\n}", 3, "must be an https URL"),
        ("provider_installation {\n  telepathy {}\n}", 2, "no installation method"),
        ("provider_installation {\n direct { include = [\"*/x/y\"] }\n}", 2, "after a `*`"),
        ("provider_installation {\n direct { include = [\"x\"] }\n}", 2, "[HOST/]NAMESPACE/TYPE"),
        ("provider_installation {\n filesystem_mirror {}\n}", 2, "needs `path`"),
        ("host \"a b\" { services = {} }", 1, "no host"),
        ("provider_installation {}\nprovider_installation {}", 2, "more than one"),
        ("credentials_helper \"a\" {}\ncredentials_helper \"b\" {}", 2, "more than one `credentials_helper`"),
        ("credentials_helper \"a\" { args = [1] }", 1, "a list of strings"),
        ("credentials_helper {\n}\ncredentials_helper = 1", 3, "is wanted"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(&format!(".terraformrc:{line}: ")), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_variable_has_the_last_word_about_tokens() {
    let variables = [
        ("TF_TOKEN_registry_example", "dotted"),
        ("TF_TOKEN_my__registry_example", "dashed"),
        ("TF_TOKEN_xn--80akhbyknj4f_com", "punycode"),
        ("TF_TOKEN_empty_example", ""),
    ];
    let environment = Environment::new(variables, PathBuf::new());
    let mut config = CliConfig::load(Style::Tofu, environment).unwrap();
    config.read("credentials \"registry.example\" { token = \"of-file\" }", Style::Tofu, Path::new("")).unwrap();
    for (host, found) in [
        ("registry.example", Some("dotted")),
        ("my-registry.example", Some("dashed")),
        ("xn--80akhbyknj4f.com", Some("punycode")),
        ("empty.example", None),
    ] {
        assert_eq!(token(&config, host).await.as_deref(), found, "{host}");
    }
}

/// As both CLIs do it: what `login` has written beside the main file counts more than the main file.
#[tokio::test]
async fn of_several_files_the_last_counts() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join(".terraform.d");
    std::fs::create_dir(&folder).unwrap();
    let text =
        |token: &str| format!("credentials \"a.example\" {{ token = \"{token}\" }}\nplugin_cache_dir = \"/{token}\"");
    std::fs::write(home.path().join(".terraformrc"), text("main")).unwrap();
    std::fs::write(folder.join("a.tfrc"), text("beside")).unwrap();
    let environment = Environment::new([("HOME", home.path().to_str().unwrap())], home.path().to_owned());
    for style in [Style::Tofu, Style::Terraform] {
        let config = CliConfig::load(style, environment.clone()).unwrap();
        assert_eq!(token(&config, "a.example").await.as_deref(), Some("beside"));
        assert_eq!(config.plugin_cache.as_deref(), Some(Path::new("/main")));
    }
}

#[tokio::test]
async fn a_helper_tells_what_nothing_else_says() {
    let home = TempDir::new().unwrap();
    let plugins = home.path().join("data/opentofu/plugins").join(crate::Platform::current().to_string());
    std::fs::create_dir_all(&plugins).unwrap();
    std::os::unix::fs::symlink("/bin/sh", plugins.join("terraform-credentials-team_v1.0.0")).unwrap();
    let text = r#"
        credentials_helper "team" { args = ["-c", "echo '{\"token\": \"of-helper\"}'"] }
        credentials "silent.example" {}
        credentials "written.example" { token = "of-file" }
    "#;
    std::fs::write(home.path().join("cli"), text).unwrap();
    let variables = [
        ("HOME", home.path().to_str().unwrap()),
        ("XDG_DATA_HOME", "data"),
        ("TF_CLI_CONFIG_FILE", "cli"),
        ("TF_TOKEN_set_example", "of-variable"),
    ];
    let environment = Environment::new(variables, home.path().to_owned());
    let config = CliConfig::load(Style::Tofu, environment.clone()).unwrap();
    assert!(config.remarks.is_empty(), "{:?}", config.remarks);
    for (host, found) in [
        ("other.example", Some("of-helper")),
        ("written.example", Some("of-file")),
        ("set.example", Some("of-variable")),
        ("silent.example", None),
    ] {
        assert_eq!(token(&config, host).await.as_deref(), found, "{host}");
    }
    // Terraform does not look into that folder. Like it, we go on, and tell.
    let config = CliConfig::load(Style::Terraform, environment).unwrap();
    assert_eq!(token(&config, "other.example").await, None);
    assert!(config.remarks[0].contains("terraform-credentials-team is not in"), "{:?}", config.remarks);
    assert!(config.advice("other.example").contains("terraform-credentials-team is not in"));
}

#[test]
fn files_are_where_the_programs_look() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str| {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), "").unwrap();
    };
    let home = folder.path().to_str().unwrap();
    let xdg = path("xdg").to_str().unwrap().to_owned();
    let found = |style, variables: [(&str, &str); 3]| -> Vec<PathBuf> {
        let files = locate::files(style, &Environment::new(variables, folder.path().to_owned()));
        files.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_owned()).collect()
    };
    let usual = [("HOME", home), ("XDG_CONFIG_HOME", xdg.as_str()), ("X", "")];
    assert!(found(Style::Tofu, usual).is_empty());
    write("xdg/opentofu/tofurc");
    write("xdg/opentofu/a.tfrc");
    assert_eq!(found(Style::Tofu, usual), [Path::new("xdg/opentofu/tofurc"), Path::new("xdg/opentofu/a.tfrc")]);
    assert!(found(Style::Terraform, usual).is_empty());
    write(".terraformrc");
    write(".terraform.d/credentials.tfrc.json");
    let beside = Path::new(".terraform.d/credentials.tfrc.json");
    assert_eq!(found(Style::Tofu, usual), [Path::new(".terraformrc"), beside]);
    write(".tofurc");
    assert_eq!(found(Style::Tofu, usual), [Path::new(".tofurc"), beside]);
    assert_eq!(found(Style::Terraform, usual), [Path::new(".terraformrc"), beside]);
    write("other");
    let named = [("HOME", home), ("TF_CLI_CONFIG_FILE", "other"), ("X", "")];
    assert_eq!(found(Style::Tofu, named), [Path::new("other")]);
    let missing = [("HOME", home), ("TF_CLI_CONFIG_FILE", "missing"), ("X", "")];
    assert!(found(Style::Tofu, missing).is_empty());
}
