//! The origin is one that the real CLIs take for a registry.

use tofu_state_testing::cli::Cli;
use tofu_state_testing::origin::{Origin, Release};

const HOSTS: [&str; 3] = ["registry.opentofu.org", "registry.terraform.io", "private.example"];

#[tokio::test]
async fn both_clis_take_the_origin_for_a_registry() {
    let origin = Origin::start().await;
    for host in HOSTS {
        origin.publish(&Release::new(&format!("{host}/acme/web"), "1.0.0").folders());
        origin.publish(&Release::new(&format!("{host}/acme/web"), "1.1.0-rc1"));
    }
    origin.protect("private.example", "s3cret");
    for mut cli in Cli::both() {
        let file = cli.folder().join("cli.tfrc");
        std::fs::write(&file, origin.cli_config()).unwrap();
        cli.set("TF_CLI_CONFIG_FILE", file.to_str().unwrap());
        cli.write(
            "main.tf",
            "terraform {\n  required_providers {\n    web = {\n      source = \"acme/web\"\n    }\n    private = {\n      \
             source  = \"private.example/acme/web\"\n      version = \"~> 1.0\"\n    }\n  }\n}\n",
        );
        cli.ok(&["providers", "lock", "-platform=linux_amd64", "-platform=darwin_arm64"]).await;
        let lock = std::fs::read_to_string(cli.folder().join(".terraform.lock.hcl")).unwrap();
        assert_eq!(lock.matches("\"zh:").count(), 10, "{lock}");
        assert_eq!(lock.matches("\"h1:").count(), 4, "{lock}");
        cli.ok(&["init", "-lockfile=readonly"]).await;
    }
    assert_eq!(origin.counts().leaks, 0);
}
