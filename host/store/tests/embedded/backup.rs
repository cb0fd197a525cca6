//! Backups: what comes back is what was there, or nothing does.

use std::io;
use std::sync::Arc;

use tofu_state_store::embedded::backup::{self, BackupError, Summary};

use tempfile::TempDir;

use super::*;

/// A folder with a store of some documents, of which one has a history and one was deleted.
async fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(Settings { keep_versions: 3, ..Settings::new(folder.path()) }).unwrap();
    let put = async |name: &str, expected, content: Option<Vec<u8>>, retention| {
        let (meta, content) = (Bytes::from(format!("{{\"of\":\"{name}\"}}")), content.map(Bytes::from));
        let outcome = store.put_cas(&key(name), Write { meta, content, expected, retention }).await;
        let Ok(Outcome::Written(revision)) = outcome else { panic!("{outcome:?}") };
        revision
    };
    let mut revision = 0;
    for number in 0..5_u8 {
        revision = put("team/app", revision, Some(vec![number; 20_000]), Retention::History).await;
    }
    put("team/app.lock", 0, None, Retention::Latest).await;
    put(".chunks/team/app/1-ab/0", 0, Some(Vec::new()), Retention::Latest).await;
    put("gone/away", 0, Some(vec![1]), Retention::History).await;
    store.delete(&key("gone/away")).await.unwrap();
    folder
}

fn archive_of(folder: &TempDir) -> (Vec<u8>, Summary) {
    let mut archive = Vec::new();
    let summary = backup::create(folder.path(), &mut archive).unwrap();
    (archive, summary)
}

/// Everything that can be read of a store.
async fn all(folder: &TempDir) -> Vec<(String, Vec<(Revision, Option<Entry>)>)> {
    let store = Embedded::open(Settings::new(folder.path())).unwrap();
    let mut all = Vec::new();
    for name in ["team/app", "team/app.lock", ".chunks/team/app/1-ab/0", "gone/away"] {
        let key = key(name);
        let mut revisions = Vec::new();
        for revision in store.revisions(&key).await.unwrap() {
            revisions.push((revision, store.revision(&key, revision).await.unwrap()));
        }
        all.push((name.to_owned(), revisions));
    }
    all
}

#[tokio::test]
async fn what_comes_back_is_what_was_there() {
    let folder = filled().await;
    let (archive, summary) = archive_of(&folder);
    assert_eq!(summary, Summary { documents: 3, revisions: 5 });
    let other = TempDir::new().unwrap();
    let target = other.path().join("data");
    assert_eq!(backup::restore(&target, &archive[..]).unwrap(), summary);
    let restored = TempDir::new().unwrap();
    std::fs::rename(target.join("states.redb"), restored.path().join("states.redb")).unwrap();
    assert_eq!(all(&restored).await, all(&folder).await);
    // The same again is the same archive; and no revision comes back under a key that was deleted.
    assert_eq!(archive_of(&restored).0, archive);
    let store = Embedded::open(Settings::new(restored.path())).unwrap();
    let write = Write { meta: Bytes::from("{}"), content: None, expected: 0, retention: Retention::Latest };
    let Ok(Outcome::Written(revision)) = store.put_cas(&key("gone/away"), write).await else { panic!() };
    assert!(revision > 1, "{revision}");
}

#[tokio::test]
async fn every_damage_is_noticed_and_leaves_nothing() {
    let folder = filled().await;
    let (archive, _) = archive_of(&folder);
    let target = TempDir::new().unwrap();
    let refused = |archive: &[u8], what: &str| {
        let refused = backup::restore(target.path(), archive);
        assert!(matches!(refused, Err(BackupError::Damaged(_) | BackupError::Newer(_))), "{what}: {refused:?}");
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "{what}");
    };
    refused(b"", "empty");
    refused(&vec![7; 5000], "something else");
    // Cut short anywhere; but the zeros at the end of a tar archive are no part of it.
    let end = archive.iter().rposition(|byte| *byte != 0).unwrap();
    for length in (0..=end).step_by(end / 20).chain([end]) {
        refused(&archive[..length], &format!("the first {length} bytes"));
    }
    // One byte changed, in each of the archive's blocks.
    for block in (0..=end).step_by(7 * 512) {
        for at in [block, block + 130, block + 400] {
            if at > end {
                continue;
            }
            let mut changed = archive.clone();
            changed[at] ^= 1;
            let Ok(_) = backup::restore(target.path(), &changed[..]) else {
                assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "byte {at}");
                continue;
            };
            // A bit of tar's padding or of a field that means nothing: all is as it was.
            assert_eq!(archive_of(&target).0, archive, "byte {at}");
            std::fs::remove_file(target.path().join("states.redb")).unwrap();
        }
    }
}

/// Passes on so many bytes, then fails as a full disk or a lost mount does.
struct Failing<T>(T, usize);

impl Failing<Vec<u8>> {
    fn failure() -> io::Error {
        io::Error::from(io::ErrorKind::StorageFull)
    }
}

impl io::Write for Failing<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(self.1 - self.0.len());
        if length == 0 {
            return Err(Self::failure());
        }
        self.0.write(bytes.get(..length).unwrap())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Failing<&[u8]> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(self.1);
        if length == 0 {
            return Err(Failing::<Vec<u8>>::failure());
        }
        self.1 -= length;
        self.0.read(into.get_mut(..length).unwrap())
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing() {
    let folder = filled().await;
    let (archive, _) = archive_of(&folder);
    let target = TempDir::new().unwrap();
    for at in (1..archive.len() - 1024).step_by(archive.len() / 20) {
        let mut out = Failing(Vec::new(), at);
        assert!(matches!(backup::create(folder.path(), &mut out), Err(BackupError::Io(_))), "{at}");
        let what_was_written = backup::restore(target.path(), &out.0[..]);
        assert!(matches!(what_was_written, Err(BackupError::Damaged(_))), "{at}: {what_was_written:?}");
        assert!(backup::restore(target.path(), Failing(&archive[..], at)).is_err(), "{at}");
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "{at}");
    }
    // The store was not harmed by it.
    assert_eq!(archive_of(&folder).0, archive);
}

#[tokio::test]
async fn neither_from_nothing_nor_over_something_nor_beside_a_server() {
    let folder = filled().await;
    let (archive, _) = archive_of(&folder);
    let empty = TempDir::new().unwrap();
    assert!(matches!(backup::create(empty.path(), Vec::new()), Err(BackupError::NoStore(_))));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made there");
    let before = all(&folder).await;
    assert!(matches!(backup::restore(folder.path(), &archive[..]), Err(BackupError::NotEmpty(_))));
    assert_eq!(all(&folder).await, before);
    let _serving = Arc::new(Embedded::open(Settings::new(folder.path())).unwrap());
    let refused = backup::create(folder.path(), Vec::new()).unwrap_err().to_string();
    assert!(refused.contains("another tofu-state serves this folder"), "{refused}");
}
