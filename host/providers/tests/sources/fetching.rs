//! Downloads, whole and broken off.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tofu_state_providers::fetch::{FetchError, Fetcher};
use tofu_state_providers::hashing::Sha256Sum;
use tofu_state_providers::http::{Http, HttpError, Patience, Url};
use tofu_state_providers::sources::Source;
use tofu_state_testing::origin::{Fault, Origin, Release};

use crate::common::{NULL, address, fetcher, patience, platform, registry, url, version};

async fn published(size: u64) -> (Origin, Url, Sha256Sum) {
    let origin = Origin::start().await;
    origin.publish(&Release::new(NULL, "1.0.0").platforms(&["linux_amd64"]).size(size));
    let sum = Sha256Sum::of_file(&origin.zip(NULL, "1.0.0", "linux_amd64")).unwrap();
    let meta = registry(&origin).package(&address(NULL), &version("1.0.0"), &platform("linux_amd64")).await.unwrap();
    (origin, url(&meta), sum)
}

#[tokio::test]
async fn a_download_is_streamed_and_counted() {
    let (origin, url, sum) = published(3 << 20).await;
    let folder = TempDir::new().unwrap();
    let fetcher = fetcher(&folder);
    let seen = AtomicU64::new(0);
    let fetched = fetcher.zip(&url, |bytes| _ = seen.fetch_add(bytes, Ordering::Relaxed)).await.unwrap();
    assert_eq!(fetched.sha256, sum);
    assert_eq!(fetched.file.path().metadata().unwrap().len(), fetched.bytes);
    assert_eq!(seen.into_inner(), fetched.bytes);
    let counts = fetcher.counts();
    assert_eq!((counts.zips, counts.bytes, counts.resumed), (1, fetched.bytes, 0));
    assert_eq!(origin.counts().zips, 1);
    drop(fetched);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file goes with its value");
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke_off() {
    let (origin, url, sum) = published(3 << 20).await;
    let folder = TempDir::new().unwrap();
    origin.misbehave(NULL, Fault::Truncated(4));
    let fetched = fetcher(&folder).zip(&url, |_| {}).await.unwrap();
    assert_eq!(fetched.sha256, sum);
    assert_eq!(Sha256Sum::of_file(fetched.file.path()).unwrap(), sum);
    let counts = origin.counts();
    assert_eq!((counts.zips, counts.ranges), (5, 4));
}

#[tokio::test]
async fn a_server_without_ranges_sends_all_of_it_again() {
    let (origin, url, sum) = published(1 << 20).await;
    let folder = TempDir::new().unwrap();
    origin.misbehave(NULL, Fault::TruncatedWithoutRanges(2));
    let fetched = fetcher(&folder).zip(&url, |_| {}).await.unwrap();
    assert_eq!(fetched.sha256, sum);
    assert_eq!(Sha256Sum::of_file(fetched.file.path()).unwrap(), sum);
}

#[tokio::test]
async fn a_download_that_stalls_goes_on() {
    let (origin, url, _) = published(1 << 20).await;
    let folder = TempDir::new().unwrap();
    origin.misbehave(NULL, Fault::ZipHangs);
    let soon = Patience { silence: Duration::from_millis(200), retries: 1, ..patience() };
    let fetcher = Fetcher::new(Http::new(soon).unwrap(), folder.path().to_owned(), 1);
    // Half of what is left comes each time; it ends when nothing more comes.
    let error = fetcher.zip(&url, |_| {}).await.unwrap_err();
    assert!(matches!(&error, FetchError::Http(HttpError::Unreachable { .. })), "{error}");
    assert!(fetcher.counts().resumed > 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// It would keep one of the few places for downloads for hours.
#[tokio::test]
async fn a_download_that_trickles_is_given_up() {
    let (origin, url, _) = published(1 << 20).await;
    let folder = TempDir::new().unwrap();
    origin.misbehave(NULL, Fault::ZipTrickles);
    let soon = Patience { silence: Duration::from_millis(300), retries: 2, ..patience() };
    let fetcher = Fetcher::new(Http::new(soon).unwrap(), folder.path().to_owned(), 1);
    let error = fetcher.zip(&url, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("it sends too slowly"), "{error}");
    assert_eq!(fetcher.counts().resumed, 2);
    assert!(fetcher.counts().bytes < 1 << 20);
    origin.behave();
    fetcher.zip(&url, |_| {}).await.unwrap();
}

#[tokio::test]
async fn redirects_in_a_circle_are_told_at_once() {
    let (origin, url, _) = published(10).await;
    let folder = TempDir::new().unwrap();
    origin.misbehave(NULL, Fault::RedirectLoop);
    let error = fetcher(&folder).zip(&url, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
    assert_eq!(fetcher(&folder).counts().resumed, 0);
}
