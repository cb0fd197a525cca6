//! What `init` does with lock files, and that it leaves alone those that were made here: through a registry, a network
//! mirror, and folders with packages, packed and unpacked.

use tofu_state_providers::{Style, lockfile};
use tofu_state_testing::inits::{self, Place, ROWS};

use crate::cases::FOUR;
use crate::common::{Home, folder, lock, lock_of, request, write};
use crate::site::{Site, files};

const PLACES: [Place; 4] = [Place::Registry, Place::NetworkMirror, Place::Packed, Place::Unpacked];

/// The same for zips with and without entries for their folders.
async fn the_table(style: Style) {
    for folders in [false, true] {
        let site = Site::new(style, folders).await;
        let whole = site.whole().await;
        let differences = inits::differences(&whole, folders, &PLACES, |place| site.cli(place)).await;
        assert!(differences.is_empty(), "folders: {folders}\n{}", differences.join("\n"));
        // The first row, which every `init` leaves alone, is what each other row becomes here.
        for row in ROWS {
            let root = folder(&files());
            write(root.path(), &[(lockfile::NAME, &whole.holding(row))]);
            lock(&request(root.path(), style, FOUR), &Home::new().means(&site.origin)).await;
            assert_eq!(lock_of(root.path()).unwrap(), whole.holding(ROWS[0]), "{row:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tofu_does_what_the_table_says() {
    the_table(Style::Tofu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_does_what_the_table_says() {
    the_table(Style::Terraform).await;
}
