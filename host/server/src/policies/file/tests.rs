//! The policy file: what it may say, and how its mistakes are told.

use super::*;

const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn an_entry_is_read_in_full() {
    let text = format!(
        "[[policy]]\nname = \"first\"\npath = \"a.wasm\"\nsha256 = \"{}\"\n\
         [[policy]]\nname = \"second\"\noci = \"oci://registry.example/rules/second@sha256:{HEX}\"\nmode = \"warn\"\n\
         on-error = \"allow\"\npaths = [\"platform/*\"]\noperations = [\"lock\", \"force-unlock\"]\n\
         needs = [\"current\", \"resources\", \"state\"]\n\
         uncounted = \"ask\"\nconfiguration = \"\"\"\nlimit = 3\n\"\"\"\nmemory = \"32MiB\"\ntime = \"1s\"\n",
        HEX.to_uppercase()
    );
    let policies = parse(&text).unwrap();
    let [first, second] = policies.as_slice() else { panic!("{policies:?}") };
    assert_eq!(first.source, Source::File { path: "a.wasm".into(), sha256: HEX.to_owned() });
    assert_eq!((first.mode, first.on_error, first.uncounted), (Mode::Enforce, OnError::Deny, Uncounted::Deny));
    assert!(first.paths.is_none() && first.configuration.is_empty());
    assert_eq!(first.operations, Operations::ALL);
    assert_eq!(second.operations, Operations { lock: true, force_unlock: true, ..Operations::NONE });
    assert_eq!((first.needs, first.limits), (Needs::default(), Limits::default()));
    assert!(matches!(&second.source, Source::Oci(reference) if reference.ends_with(HEX)));
    assert_eq!((second.mode, second.on_error, second.uncounted), (Mode::Warn, OnError::Allow, Uncounted::Ask));
    assert_eq!(second.needs, Needs { current: true, resources: true, state: true });
    assert_eq!(second.configuration, "limit = 3\n");
    assert_eq!(second.limits, Limits { memory_bytes: 32 << 20, computing: Duration::from_secs(1) });
    let paths = second.paths.as_ref().unwrap();
    assert!(paths.match_path("platform/network") && !paths.match_path("team/network"));
    assert_eq!(parse("").unwrap().len(), 0, "no policy is wanted");
}

#[test]
fn every_mistake_is_told_with_its_entry() {
    let entry = |rest: &str| format!("[[policy]]\nname = \"p\"\npath = \"a.wasm\"\nsha256 = \"{HEX}\"\n{rest}\n");
    for (text, says) in [
        (entry("mode = \"off\""), "mode is \"off\": write \"enforce\" or \"warn\""),
        (entry("on-error = \"shrug\""), "on-error"),
        (entry("paths = []"), "no state would be judged"),
        (entry("paths = [\"a[\"]"), "a["),
        (entry("operations = []"), "nothing would be judged"),
        (entry("operations = [\"read\"]"), "operations has \"read\""),
        (entry("needs = [\"everything\"]"), "needs has \"everything\""),
        (entry("uncounted = \"allow\""), "leave it out"),
        (entry("memory = \"65MiB\""), "memory"),
        (entry("time = \"1m\""), "time"),
        (entry("builtin = \"freeze\""), "one of path, builtin and oci"),
        (entry(&format!("configuration = \"{}\"", "x".repeat(65_537))), "configuration"),
        (entry("").repeat(2), "another entry has this name"),
        (entry("").repeat(65), "at most 64"),
        (entry("").replace("\"p\"", "\"P Q\""), "the name"),
        ("[[policy]]\nname = \"p\"\npath = \"a.wasm\"\n".to_owned(), "sha256sum a.wasm"),
        ("[[policy]]\nname = \"p\"\npath = \"a.wasm\"\nsha256 = \"abc\"\n".to_owned(), "64 hexadecimal"),
        ("[[policy]]\nname = \"p\"\n".to_owned(), "one of path, builtin and oci"),
        ("[[policy]]\nname = \"p\"\nbuiltin = \"no-such\"\n".to_owned(), "no module \"no-such\""),
        (
            "[[policy]]\nname = \"p\"\nbuiltin = \"lineage-guard\"\noperations = [\"write\", \"lock\"]\n".to_owned(),
            "operations has \"lock\", which this builtin does not judge",
        ),
        ("[[policy]]\nname = \"p\"\noci = \"oci://registry/name:latest\"\n".to_owned(), "@sha256:"),
        ("[[policy]]\nname = \"p\"\nmdoe = \"warn\"\n".to_owned(), "line 3: unknown field `mdoe`"),
        ("[[polcy]]\nname = \"p\"\n".to_owned(), "line 1: unknown field `polcy`"),
    ] {
        let mistakes = parse(&text).unwrap_err().join("\n");
        assert!(mistakes.contains(says), "{says}: {mistakes}");
    }
    let two = entry("mode = \"off\"\ntime = \"x\"");
    assert_eq!(parse(&two).unwrap_err().len(), 2, "all at once");
}

#[test]
fn the_guard_is_in_force_only_if_it_judges_all_writes() {
    let guard = |rest: &str| parse(&format!("[[policy]]\nname = \"g\"\nbuiltin = \"lineage-guard\"\n{rest}")).unwrap();
    let plain = guard("");
    assert_eq!(plain[0].operations, Operations { write: true, ..Operations::NONE });
    assert!(is_guarded(&plain) && is_guarded(&guard("operations = [\"write\"]")));
    assert!(!is_guarded(&guard("paths = [\"a/*\"]")) && !is_guarded(&guard("mode = \"warn\"")));
}
