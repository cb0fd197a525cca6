//! After it, `init` leaves lock files alone: through the origin, through folders with packages, packed and unpacked.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tofu_state_providers::Style;
use tofu_state_providers::hashing;
use tofu_state_testing::origin::Origin;

use crate::cases::{FOUR, required};
use crate::common::{Home, folder, lock, lock_of, origin, request, write};
use crate::compare::{cli, configure};

const PROVIDERS: [(&str, &str); 2] = [("hashicorp/aws", "5.100.0"), ("hashicorp/null", "3.2.1")];

/// This machine's platform: `init` installs for no other.
fn here() -> String {
    tofu_state_providers::Platform::current().to_string()
}

/// A folder with the packages for this machine, as zips or unpacked.
fn mirror(origin: &Origin, style: Style, packed: bool) -> TempDir {
    let mirror = TempDir::new().unwrap();
    for (provider, version) in PROVIDERS {
        let address = format!("{}/{provider}", style.default_host());
        let zip = origin.zip(&address, version, &here());
        let place: PathBuf = mirror.path().join(&address);
        if packed {
            std::fs::create_dir_all(&place).unwrap();
            std::fs::copy(&zip, place.join(zip.file_name().unwrap())).unwrap();
        } else {
            let place = place.join(version).join(here());
            std::fs::create_dir_all(&place).unwrap();
            hashing::unpack(&zip, &place).unwrap();
        }
    }
    mirror
}

fn mirrored(folder: &Path) -> String {
    format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n", folder.display())
}

async fn leaves_it_alone(style: Style) {
    let origin = origin().await;
    let text = required("aws = \"~> 5.0\"\n    null = \"~> 3.0\"");
    let root = folder(&[("main.tf", &text)]);
    let asked = request(root.path(), style, FOUR);
    lock(&asked, &Home::new().means(&origin)).await;
    let whole = lock_of(root.path()).unwrap();
    let (packed, unpacked) = (mirror(&origin, style, true), mirror(&origin, style, false));
    for (place, config) in
        [("origin", origin.cli_config()), ("packed", mirrored(packed.path())), ("unpacked", mirrored(unpacked.path()))]
    {
        for arguments in [&["init"][..], &["init", "-lockfile=readonly"]] {
            let mut cli = cli(&origin, style, &[("main.tf", &text), (".terraform.lock.hcl", &whole)]);
            configure(&mut cli, &config);
            cli.ok(arguments).await;
            assert_eq!(lock_of(&cli.folder()).unwrap(), whole, "{place} {arguments:?}");
        }
    }
    // Without all hashes, these would change the file, or fail. (With folders in the zip even the first fails.)
    let aws = required("aws = \"~> 5.0\"");
    let short = folder(&[("main.tf", &aws)]);
    lock(&request(short.path(), style, FOUR), &Home::new().means(&origin)).await;
    let h1 = lock_of(short.path()).unwrap();
    let h1: String = h1.lines().filter(|line| !line.contains("zh:")).map(|line| format!("{line}\n")).collect();
    let changed = cli(&origin, style, &[("main.tf", &aws), (".terraform.lock.hcl", &h1)]);
    changed.ok(&["init"]).await;
    assert_ne!(lock_of(&changed.folder()).unwrap(), h1, "init adds the missing zh: hashes");
    let other = folder(&[("main.tf", &text)]);
    let elsewhere = FOUR.iter().copied().find(|platform| *platform != here()).unwrap();
    lock(&request(other.path(), style, &[elsewhere]), &Home::new().means(&origin)).await;
    let mut cli = cli(&origin, style, &[("main.tf", &text), (".terraform.lock.hcl", &lock_of(other.path()).unwrap())]);
    configure(&mut cli, &mirrored(unpacked.path()));
    let _ = cli.run(&["init"]).await.failure();
    write(&cli.folder(), &[(".terraform.lock.hcl", &whole)]);
    cli.ok(&["init"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tofu_leaves_lock_files_alone() {
    leaves_it_alone(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_leaves_lock_files_alone() {
    leaves_it_alone(Style::Terraform).await;
}
