//! Exchanges of the pair: as Kubernetes makes them, half done, wrong, and expired.

use std::path::Path;

use tofu_state_testing::certificates::{Authority, Issued};

use super::*;
use crate::following::Look;

struct Site {
    folder: tempfile::TempDir,
    follower: Follower<Watched>,
    tls: Tls,
}

impl Site {
    fn new(issued: &Issued) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = issued.write(folder.path());
        let files = Files { certificate, key };
        let tls = Tls::new(Pair::read(&files).unwrap()).unwrap();
        Self { folder, follower: Follower::new(super::Watched::new(files, tls.clone())), tls }
    }

    async fn look(&mut self) -> Look {
        self.follower.look(OffsetDateTime::now_utc()).await
    }

    fn serves(&self, issued: &Issued) -> bool {
        self.tls.pair().certified().cert.first() == Some(&issued.der)
    }

    fn standing(&self) -> super::super::Standing {
        self.tls.standing(OffsetDateTime::now_utc())
    }
}

#[tokio::test]
async fn follows_a_swapped_symlink() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let at = |name: &str| path.join(name);
    let generations = [authority.issue(), authority.issue()];
    for (issued, name) in generations.iter().zip(["..1", "..2"]) {
        std::fs::create_dir(at(name)).unwrap();
        issued.write(&at(name));
    }
    // As Kubernetes does it: tls.crt -> ..data/tls.crt, ..data -> ..1, then ..data -> ..2.
    let point = |generation: &str| {
        std::os::unix::fs::symlink(generation, at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
    };
    point("..1");
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), at(name)).unwrap();
    }
    let files = Files { certificate: at("tls.crt"), key: at("tls.key") };
    let tls = Tls::new(Pair::read(&files).unwrap()).unwrap();
    let mut watched = Site { folder, follower: Follower::new(super::Watched::new(files, tls.clone())), tls };
    assert_eq!(watched.look().await, Look::Replaced, "the first look parses");
    assert_eq!(watched.look().await, Look::Unchanged);
    assert!(watched.serves(&generations[0]));
    point("..2");
    assert_eq!(watched.look().await, Look::Replaced);
    assert!(watched.serves(&generations[1]));
}

#[tokio::test]
async fn a_wrong_pair_leaves_the_old_one_and_is_told_once_it_stays() {
    let authority = Authority::new();
    let (first, second) = (authority.issue(), authority.issue());
    let mut watched = Site::new(&first);
    assert_eq!(watched.look().await, Look::Replaced);

    // Half an exchange: the certificate is new, the key is not yet.
    let key = watched.folder.path().join("tls.key");
    second.write(watched.folder.path());
    std::fs::write(&key, &first.key).unwrap();
    assert_eq!(watched.look().await, Look::Wrong);
    assert!(watched.serves(&first) && watched.standing().current, "it may be under way");
    assert_eq!(watched.look().await, Look::Wrong);
    let standing = watched.standing();
    assert!(!standing.current && standing.detail.contains("does not belong to the certificate"), "{standing:?}");
    assert!(!standing.detail.contains("PRIVATE"), "{standing:?}");

    std::fs::write(&key, &second.key).unwrap();
    assert_eq!(watched.look().await, Look::Replaced);
    assert!(watched.serves(&second) && watched.standing().current);

    std::fs::remove_file(&key).unwrap();
    assert_eq!((watched.look().await, watched.look().await), (Look::Wrong, Look::Wrong));
    assert!(watched.serves(&second) && watched.standing().detail.contains("cannot be read"));
    std::fs::write(&key, &second.key).unwrap();
    assert_eq!(watched.look().await, Look::Unchanged);
    assert!(watched.standing().current);
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_replaces_none_that_is() {
    let authority = Authority::new();
    let valid = authority.issue();
    let day = time::Duration::DAY;
    let expired = authority.issue_for(-2 * day, -day);
    let future = authority.issue_for(day, 2 * day);
    let mut watched = Site::new(&valid);
    watched.look().await;
    for (issued, told) in [(&expired, "has expired"), (&future, "is not valid before")] {
        issued.write(watched.folder.path());
        assert_eq!((watched.look().await, watched.look().await), (Look::Wrong, Look::Wrong));
        assert!(watched.serves(&valid));
        let standing = watched.standing();
        assert!(!standing.current && standing.detail.contains(told), "{standing:?}");
    }
    // Its time comes; then it is taken.
    let later = OffsetDateTime::now_utc() + day + time::Duration::HOUR;
    assert_eq!(watched.follower.look(later).await, Look::Replaced);
    assert!(watched.serves(&future));
}

#[test]
fn when_to_renew() {
    let authority = Authority::new();
    let now = OffsetDateTime::now_utc();
    let age_of = |from: i64, until: i64| {
        let issued = authority.issue_for(time::Duration::hours(from), time::Duration::hours(until));
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = issued.write(folder.path());
        age(&Pair::read(&Files { certificate, key }).unwrap(), now)
    };
    assert_eq!(age_of(-24 * 80, 24 * 10), Age::Old, "of 90 days 10 are left");
    assert_eq!(age_of(-24 * 30, 24 * 60), Age::Fresh);
    assert_eq!(age_of(-12, 12), Age::Fresh, "one that lives a day only");
    assert_eq!(age_of(-24, -1), Age::Expired);
    assert_eq!(age_of(-24 * 300, 24 * 65), Age::Fresh);
}
