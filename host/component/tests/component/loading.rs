//! What is loaded, and what is refused.

use std::fs::{self, File};

use sha2::{Digest, Sha256};
use tofu_state_component::pinned::{PinError, Pinned};
use tofu_state_component::testing::{FAULTY, REACHING};
use tofu_state_component::{BUILT_IN, Engine, FormError, LoadError};

use crate::common::{faulty, small_limits};

/// The eight bytes that begin a component and a core module; each is a whole one, an empty one.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn engine() -> Engine {
    Engine::new(small_limits()).unwrap()
}

fn precompiled() -> Vec<u8> {
    wasmtime::Engine::default().precompile_component(EMPTY_COMPONENT).unwrap()
}

#[test]
fn the_built_in_protocol_loads() {
    let protocol = engine().load(BUILT_IN).unwrap();
    assert_eq!(protocol.digest(), hex::encode(Sha256::digest(BUILT_IN)));
    assert!(!protocol.routes().is_empty());
    assert_ne!(protocol.digest(), faulty().digest());
}

#[tokio::test]
async fn loading_works_inside_a_runtime_too() {
    engine().load(FAULTY).unwrap();
}

#[test]
fn a_component_that_reaches_out_is_refused_by_name() {
    let Err(LoadError::Imports(names)) = engine().load(REACHING) else { panic!("it was loaded") };
    for name in [
        "wasi:filesystem/types@0.2.",
        "wasi:sockets/tcp@0.2.",
        "wasi:clocks/monotonic-clock@0.2.",
        "wasi:clocks/wall-clock@0.2.",
    ] {
        assert!(names.iter().any(|found| found.starts_with(name)), "{name} is missing in {names:?}");
    }
    assert!(names.iter().all(|name| !name.starts_with("wasi:cli/") && !name.starts_with("tofu-state:")), "{names:?}");
    let text = LoadError::Imports(names).to_string();
    assert!(text.starts_with("the component imports what no component gets: ") && text.contains("wasi:sockets/tcp"));
}

#[test]
fn what_is_no_component_is_refused() {
    let engine = engine();
    let form = |bytes: &[u8]| match engine.load(bytes) {
        Err(LoadError::Form(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(form(b""), FormError::NotWasm);
    assert_eq!(form(b"(component)"), FormError::NotWasm);
    assert_eq!(form(b"\0asm"), FormError::NotWasm);
    assert_eq!(form(EMPTY_MODULE), FormError::CoreModule);
    assert_eq!(form(&precompiled()), FormError::NativeCode);
    assert_eq!(form(b"\x7fELF and more"), FormError::NativeCode);
    assert_eq!(form(&vec![0; (32 << 20) + 1]), FormError::TooLarge);
    assert!(matches!(engine.load(&FAULTY[..FAULTY.len() / 2]), Err(LoadError::Compile(_))), "cut short");
    assert!(matches!(engine.load(EMPTY_COMPONENT), Err(LoadError::Contract(_))), "exports nothing");
}

#[test]
fn a_pinned_file_must_be_the_pinned_one() {
    let directory = tempfile::tempdir().unwrap();
    let pin = |name: &str, bytes: &[u8]| -> Pinned {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        format!("{}@sha256:{}", path.display(), hex::encode(Sha256::digest(bytes))).parse().unwrap()
    };
    let good = pin("good.wasm", FAULTY);
    assert_eq!(good.read().unwrap(), FAULTY);

    fs::write(good.path(), REACHING).unwrap();
    let Err(PinError::Digest { expected, found, .. }) = good.read() else { panic!("another file was read") };
    assert_eq!(expected, good.sha256());
    assert_eq!(found, hex::encode(Sha256::digest(REACHING)));

    let form = |pinned: Pinned| match pinned.read() {
        Err(PinError::Form { error, .. }) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(form(pin("native", &precompiled())), FormError::NativeCode);
    assert_eq!(form(pin("module.wasm", EMPTY_MODULE)), FormError::CoreModule);
    assert_eq!(form(pin("text", b"text")), FormError::NotWasm);
    let large = pin("large", b"");
    File::options().write(true).open(large.path()).unwrap().set_len((32 << 20) + 1).unwrap();
    assert_eq!(form(large), FormError::TooLarge);

    fs::remove_file(good.path()).unwrap();
    assert!(matches!(good.read(), Err(PinError::Read { .. })));
}
