//! What goes for want of room, while others read and write.

use std::io::Read;

use tempfile::TempDir;
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::mirror::{Mirror, Settings};
use tofu_state_testing::origin::{Fault, Origin, PLATFORMS, Release};
use tofu_state_testing::process::eventually;

use crate::common::{NULL, PATIENCE, address, config, http, platform, settings, version};

const RANDOM: &str = "registry.terraform.io/hashicorp/random";

/// Room for two packages of 100 kB; nothing is fetched that nobody asked for.
fn small(origin: &Origin, folder: &TempDir, http: Http) -> Mirror {
    let small = Settings { most_bytes: 250_000, platforms: vec![platform("none_none")], ..settings(folder.path()) };
    Mirror::open(small, config(origin), http).unwrap()
}

#[tokio::test]
async fn who_reads_what_goes_gets_all_of_it() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").size(100_000));
    let folder = TempDir::new().unwrap();
    let mirror = small(&origin, &folder, http());
    let (null, one) = (address(NULL), version("1.0.0"));
    let mut readers = Vec::new();
    // The second time it comes from the disk.
    for _ in 0..2 {
        let (mut file, length, sum) = mirror.package(&null, &one, &platform(PLATFORMS[0])).await.unwrap();
        let mut begun = vec![0; 1000];
        file.read_exact(&mut begun).unwrap();
        readers.push((file, begun, length, sum));
    }
    for name in &PLATFORMS[1..] {
        mirror.package(&null, &one, &platform(name)).await.unwrap();
    }
    let name = readers[0].3.to_string();
    assert!(!folder.path().join("zips").join(&name[..2]).join(&name).exists(), "it is gone");
    for (mut file, mut bytes, length, sum) in readers {
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len() as u64, Sha256Sum::of(&bytes)), (length, sum));
    }
}

/// Each that comes lets others go, among them some that came a moment ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_ask_at_once_for_more_than_fits_get_it() {
    let origin = Origin::start().await;
    let numbers = ["1.0.0", "1.0.1", "1.0.2", "1.0.3"];
    for number in numbers {
        origin.publish(&Release::new(NULL, number).size(100_000));
    }
    let folder = TempDir::new().unwrap();
    let mirror = small(&origin, &folder, http());
    let wanted = numbers.iter().flat_map(|number| PLATFORMS.map(|name| (version(number), platform(name))));
    let asking: Vec<_> = wanted
        .map(|(version, platform)| {
            let mirror = mirror.clone();
            tokio::spawn(async move { mirror.package(&address(NULL), &version, &platform).await.unwrap() })
        })
        .collect();
    for asked in asking {
        let (mut file, length, sum) = asked.await.unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len() as u64, Sha256Sum::of(&bytes)), (length, sum));
    }
    assert!(mirror.bytes() <= 250_000, "{}", mirror.bytes());
    assert!(mirror.counts().evicted >= 14);
}

#[tokio::test]
async fn what_is_being_written_stays() {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").size(100_000));
    origin.publish(&Release::new(RANDOM, "1.0.0").size(100_001));
    let folder = TempDir::new().unwrap();
    let patience = Patience { silence: std::time::Duration::from_secs(1), retries: 600, ..http().patience().clone() };
    let mirror = small(&origin, &folder, Http::new(patience).unwrap());
    origin.misbehave(RANDOM, Fault::ZipHangs);
    let slow = {
        let mirror = mirror.clone();
        tokio::spawn(async move { mirror.package(&address(RANDOM), &version("1.0.0"), &platform(PLATFORMS[0])).await })
    };
    eventually("the download", PATIENCE, async || (origin.counts().zips == 1).then_some(())).await;
    for name in PLATFORMS {
        mirror.package(&address(NULL), &version("1.0.0"), &platform(name)).await.unwrap();
    }
    assert!(mirror.counts().evicted > 0);
    origin.behave();
    let (mut file, length, sum) = slow.await.unwrap().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, Sha256Sum::of(&bytes)), (length, sum));
}
