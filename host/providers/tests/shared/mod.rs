//! What several test programs share: the terms of this crate, read from text.

use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::{Address, Platform, Style, Version};

pub(crate) const NULL: &str = "registry.terraform.io/hashicorp/null";

/// A CLI configuration of that text, read as Terraform reads it.
pub(crate) fn config(text: &str) -> Arc<CliConfig> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cli.tfrc");
    std::fs::write(&file, text).unwrap();
    let environment = Environment::new([("TF_CLI_CONFIG_FILE", file.to_str().unwrap())], folder.path().to_owned());
    Arc::new(CliConfig::load(Style::Terraform, environment).unwrap())
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text, Style::Terraform).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub(crate) fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}
