//! Folders, and the choice between sources.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::sources::{FilesystemMirror, Installation, Location, Source, SourceError};
use tofu_state_providers::{Style, hashing};
use tofu_state_testing::origin::{Origin, Release};

use crate::common::{NULL, address, config, http, platform, version};

/// Puts one package into a folder as a zip, another unpacked.
fn mirror(origin: &Origin, folder: &Path) {
    let place = folder.join(NULL);
    let unpacked = place.join("1.0.0/linux_arm64");
    std::fs::create_dir_all(&unpacked).unwrap();
    let packed = place.join("terraform-provider-null_1.0.0_linux_amd64.zip");
    std::fs::copy(origin.zip(NULL, "1.0.0", "linux_amd64"), packed).unwrap();
    hashing::unpack(&origin.zip(NULL, "1.0.0", "linux_arm64"), &unpacked).unwrap();
    std::fs::write(place.join("README"), "").unwrap();
    std::fs::create_dir_all(place.join("latest/linux_amd64")).unwrap();
}

#[tokio::test]
async fn folders_hold_packages_packed_and_unpacked() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").folders());
    let folder = TempDir::new().unwrap();
    mirror(&origin, folder.path());
    let source = FilesystemMirror::new(folder.path().to_owned());
    let null = address(NULL);
    assert_eq!(source.versions(&null).await.unwrap(), [version("1.0.0")]);
    let packed = source.package(&null, &version("1.0.0"), &platform("linux_amd64")).await.unwrap();
    assert!(matches!(packed.location, Location::Archive(_)));
    let unpacked = source.package(&null, &version("1.0.0"), &platform("linux_arm64")).await.unwrap();
    let Location::Folder(path) = unpacked.location else { panic!("{unpacked:?}") };
    let zip = hashing::of_zip(&origin.zip(NULL, "1.0.0", "linux_arm64")).unwrap();
    assert_eq!(hashing::of_folder(&path).unwrap(), zip.h1);
    assert_ne!(zip.h1, zip.h1_of_zip);
    let none = source.package(&null, &version("1.0.0"), &platform("darwin_arm64")).await.unwrap_err();
    assert!(matches!(none, SourceError::NoPlatform { .. }));
    let none = source.versions(&address("a/b")).await.unwrap_err();
    assert!(matches!(none, SourceError::NoProvider { .. }));
    let gone = FilesystemMirror::new(folder.path().join("gone"));
    assert!(matches!(gone.versions(&null).await.unwrap_err(), SourceError::Failed { .. }));
}

#[tokio::test]
async fn methods_are_asked_in_their_order() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0"));
    let web = "private.example/acme/web";
    origin.publish(&Release::new(web, "2.0.0"));
    let folder = TempDir::new().unwrap();
    mirror(&origin, folder.path());
    origin.publish(&Release::new(NULL, "1.1.0"));
    let path = folder.path().display();
    let text = origin.cli_config()
        + &format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{path}\"\n  }}\n  direct {{\n    \
             exclude = [\"private.example/*/*\"]\n  }}\n}}\n"
        );
    let installation = Installation::new(&config(&text), &http(), None).unwrap();
    let null = address(NULL);
    assert_eq!(installation.versions(&null).await.unwrap(), [version("1.0.0"), version("1.1.0")]);
    let place = |meta: tofu_state_providers::sources::PackageMeta| match meta.location {
        Location::Url(_) | Location::Blob(_) => "registry",
        Location::Archive(_) | Location::Folder(_) => "folder",
    };
    for (number, name, expected) in [
        ("1.0.0", "linux_amd64", "folder"),
        ("1.0.0", "darwin_arm64", "registry"),
        ("1.1.0", "linux_amd64", "registry"),
    ] {
        let meta = installation.package(&null, &version(number), &platform(name)).await.unwrap();
        assert_eq!(place(meta), expected, "{number} {name}");
    }
    let error = installation.versions(&address(web)).await.unwrap_err();
    assert!(matches!(error, SourceError::NoProvider { .. }), "{error}");
}

#[tokio::test]
async fn folders_of_the_user_stand_for_the_registry_of_what_lies_in_them() {
    let origin = Origin::start().await;
    let random = "registry.terraform.io/hashicorp/random";
    origin.publish(&Release::new(NULL, "1.0.0"));
    origin.publish(&Release::new(random, "3.0.0"));
    let home = TempDir::new().unwrap();
    mirror(&origin, &home.path().join(".terraform.d/plugins"));
    origin.publish(&Release::new(NULL, "1.1.0"));
    std::fs::write(home.path().join(".terraformrc"), origin.cli_config()).unwrap();
    let variables = [("HOME", home.path().to_str().unwrap()), ("XDG_DATA_DIRS", "/nowhere")];
    let environment = Environment::new(variables, home.path().join("work"));
    let config = Arc::new(CliConfig::load(Style::Terraform, environment).unwrap());
    let installation = Installation::new(&config, &http(), None).unwrap();
    assert_eq!(installation.versions(&address(NULL)).await.unwrap(), [version("1.0.0")]);
    assert_eq!(installation.versions(&address(random)).await.unwrap(), [version("3.0.0")]);
    let registry = installation.registry();
    assert_eq!(registry.versions(&address(NULL)).await.unwrap().len(), 2);
}
