//! Following files: Kubernetes' symlink swap, and everything that must not serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tofu_state_component::testing::{FAULTY, REACHING};
use tofu_state_component::{BUILT_IN, Engine, Limits, digest};

use super::super::source::ProtocolSource;
use super::*;
use crate::oci;
use tofu_state_testing::minisign::Signer;

fn engine() -> Engine {
    let limits = Limits { computing: Duration::from_millis(500), concurrency: 8, ..Limits::default() };
    Engine::new(limits).unwrap()
}

/// A component that differs from the built-in one in its bytes alone: by a custom section
/// (<https://webassembly.github.io/spec/core/binary/modules.html#custom-section>), which means nothing.
fn variant(of: &[u8], name: u8) -> Vec<u8> {
    [of, &[0, 2, 1, name]].concat()
}

/// A folder that is mounted as Kubernetes mounts a ConfigMap.
struct Mount {
    folder: TempDir,
}

impl Mount {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// `protocol -> ..data/protocol`, `..data -> ..<generation>`; then `..data` is swapped by a rename.
    fn swap(&self, generation: &str, pin: &str, component: &[u8]) {
        let data = self.at(generation);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("protocol"), pin).unwrap();
        fs::write(data.join("component.wasm"), component).unwrap();
        let _ = fs::remove_file(self.at("..new"));
        symlink(generation, self.at("..new")).unwrap();
        fs::rename(self.at("..new"), self.at("..data")).unwrap();
        for name in ["protocol", "component.wasm"] {
            if fs::symlink_metadata(self.at(name)).is_err() {
                symlink(Path::new("..data").join(name), self.at(name)).unwrap();
            }
        }
    }

    fn publish(&self, generation: &str, component: &[u8]) {
        self.swap(generation, &format!("component.wasm@sha256:{}\n", digest(component)), component);
    }

    fn sources(&self) -> Sources {
        let registries = oci::Settings { cache: self.at("cache"), credentials: None, ca: None };
        Sources { protocol: ProtocolSource::NamedIn(self.at("protocol")), policies: None, registries, key: None }
    }

    async fn follower(&self) -> Follower {
        first(self.sources(), Loader::new(engine()), Arc::new(Metrics::new().unwrap())).await.unwrap()
    }
}

fn serving(follower: &Follower) -> (u64, String) {
    let current = follower.generations().current();
    (current.number, current.parts.protocol.digest().to_owned())
}

#[tokio::test]
async fn follows_a_swapped_symlink() {
    let mount = Mount::new();
    let [one, two] = [b'1', b'2'].map(|name| variant(BUILT_IN, name));
    mount.publish("..1", &one);
    let mut follower = mount.follower().await;
    assert_eq!(serving(&follower), (1, digest(&one)));
    assert_eq!(follower.look(None).await, Ok(Outcome::Unchanged { generation: 1 }));
    mount.publish("..2", &two);
    assert_eq!(follower.look(None).await, Ok(Outcome::Published { generation: 2 }));
    assert_eq!(serving(&follower), (2, digest(&two)));
    // Another name for the same component is no new generation.
    mount.publish("..3", &two);
    assert_eq!(follower.look(None).await, Ok(Outcome::Unchanged { generation: 2 }));
    fs::remove_file(mount.at("..data")).unwrap();
    assert!(follower.look(None).await.unwrap_err().contains("PROTOCOL_COMPONENT_FILE"));
    assert_eq!(serving(&follower), (2, digest(&two)));
}

#[tokio::test]
async fn what_is_bad_never_serves_and_is_told_until_it_is_mended() {
    let mount = Mount::new();
    let good = variant(BUILT_IN, b'g');
    mount.publish("..good", &good);
    let mut follower = mount.follower().await;
    let precompiled = {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        wasmtime::Engine::new(&config).unwrap().precompile_component(b"\0asm\x0d\0\x01\0").unwrap()
    };
    let cases: &[(&str, &[u8], &str)] = &[
        ("truncated", &BUILT_IN[..BUILT_IN.len() / 2], "compiled"),
        ("another world", REACHING, "imports what no component gets"),
        ("without exports", b"\0asm\x0d\0\x01\0", "contract"),
        ("native", &precompiled, "native code"),
        ("a core module", b"\0asm\x01\0\0\0", "core module"),
        ("text", b"component", "not a WebAssembly component"),
        ("that does something else", FAULTY, "first run"),
    ];
    for (number, (what, bytes, told)) in cases.iter().enumerate() {
        mount.publish(&format!("..bad-{number}"), bytes);
        let refused = follower.look(None).await.unwrap_err();
        assert!(refused.contains(told) && refused.contains("component.wasm"), "{what}: {refused}");
        assert_eq!(serving(&follower), (1, digest(&good)), "{what}");
        assert_eq!(follower.generations().failure().unwrap().what, refused);
        assert_eq!(follower.look(None).await, Ok(Outcome::Unchanged { generation: 1 }), "tried once");
        assert!(follower.generations().failure().is_some(), "and told as long as it is there");
        assert!(follower.look(Some(Origin::Reload)).await.is_err(), "tried again if somebody asks");
    }
    let other = variant(BUILT_IN, b'o');
    mount.swap("..mismatch", &format!("component.wasm@sha256:{}", digest(&good)), &other);
    assert!(follower.look(None).await.unwrap_err().contains("SHA-256"));
    mount.swap("..nonsense", "component.wasm", &other);
    assert!(follower.look(None).await.unwrap_err().contains("PATH@sha256"));
    assert_eq!(serving(&follower), (1, digest(&good)));

    mount.publish("..mended", &good);
    assert_eq!(follower.look(None).await, Ok(Outcome::Unchanged { generation: 1 }));
    assert_eq!(follower.generations().failure(), None);
}

#[tokio::test]
async fn a_roll_back_holds_until_the_files_change_or_a_reload() {
    let mount = Mount::new();
    let [one, two, three] = [b'1', b'2', b'3'].map(|name| variant(BUILT_IN, name));
    mount.publish("..1", &one);
    let mut follower = mount.follower().await;
    mount.publish("..2", &two);
    follower.look(None).await.unwrap();
    follower.generations().roll_back().unwrap();
    assert_eq!(serving(&follower), (3, digest(&one)));
    assert_eq!(follower.look(None).await, Ok(Outcome::Unchanged { generation: 3 }));
    assert_eq!(serving(&follower), (3, digest(&one)), "it holds");
    assert_eq!(follower.look(Some(Origin::Reload)).await, Ok(Outcome::Published { generation: 4 }));
    assert_eq!(serving(&follower), (4, digest(&two)));
    follower.generations().roll_back().unwrap();
    mount.publish("..3", &three);
    assert_eq!(follower.look(None).await, Ok(Outcome::Published { generation: 6 }));
    assert_eq!(serving(&follower), (6, digest(&three)));
}

#[tokio::test]
async fn nothing_bad_starts() {
    let mount = Mount::new();
    mount.publish("..1", FAULTY);
    let Err(refused) = first(mount.sources(), Loader::new(engine()), Arc::new(Metrics::new().unwrap())).await else {
        panic!("it serves");
    };
    assert!(refused.contains("first run"), "{refused}");
}

#[tokio::test]
async fn with_a_key_only_what_it_has_signed_serves() {
    let mount = Mount::new();
    let signer = Signer::new(7);
    let [one, two] = [b'1', b'2'].map(|name| variant(BUILT_IN, name));
    mount.publish("..1", &one);
    fs::write(mount.at("component.wasm.minisig"), signer.sign(&one)).unwrap();
    let sources = Sources { key: Some(signer.public_key().parse().unwrap()), ..mount.sources() };
    let mut follower = first(sources, Loader::new(engine()), Arc::new(Metrics::new().unwrap())).await.unwrap();
    mount.publish("..2", &two);
    assert!(follower.look(None).await.unwrap_err().contains("MODULE_PUBLIC_KEY"));
    assert_eq!(serving(&follower), (1, digest(&one)));
    fs::write(mount.at("component.wasm.minisig"), signer.sign(&two)).unwrap();
    assert_eq!(follower.look(None).await, Ok(Outcome::Published { generation: 2 }));
    fs::remove_file(mount.at("component.wasm.minisig")).unwrap();
    assert!(follower.look(None).await.unwrap_err().contains("not signed"));
}
