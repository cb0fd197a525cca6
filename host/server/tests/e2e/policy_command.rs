//! `tofu-state policy` as its users call it, and the template that it writes, really built.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Runs a program, and gives whether it succeeded and what it printed on either stream.
fn run(program: &str, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    // What the outer cargo set is about this workspace.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn tofu_state(folder: &Path, arguments: &[&str]) -> (bool, String) {
    run(env!("CARGO_BIN_EXE_tofu-state"), folder, arguments)
}

pub(crate) fn succeeds((succeeded, printed): (bool, String)) -> String {
    assert!(succeeded, "{printed}");
    printed
}

pub(crate) fn fails((succeeded, printed): (bool, String)) -> String {
    assert!(!succeeded, "{printed}");
    printed
}

#[test]
fn the_template_builds_and_tests_out_of_the_box() {
    let place = TempDir::new().unwrap();
    succeeds(tofu_state(place.path(), &["policy", "new", "no-root"]));
    fails(tofu_state(place.path(), &["policy", "new", "no-root"]));
    assert!(fails(tofu_state(place.path(), &["policy", "new", "No_Root"])).contains("a letter first"));

    let folder = place.path().join("no-root");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tested = succeeds(run(&cargo, &folder, &["test"]));
    assert!(tested.contains("root_may_plan_but_not_apply ... ok"), "{tested}");
    succeeds(run(&cargo, &folder, &["build", "--release", "--target", "wasm32-wasip2"]));

    let tested = succeeds(tofu_state(&folder, &["policy", "test", "cases.toml"]));
    assert!(tested.contains("4 cases, 0 wrong"), "{tested}");
    let module = "target/wasm32-wasip2/release/no_root.wasm";
    let entry = succeeds(tofu_state(&folder, &["policy", "check", module]));
    // What it printed is an entry of a policy file, once the configuration is filled in.
    let text = entry.replace("\"\"\"\n\"\"\"", "\"root@\"");
    std::fs::write(folder.join("policies.toml"), &text).unwrap();
    let listed = succeeds(tofu_state(&folder, &["policy", "check", "policies.toml"]));
    assert!(listed.contains("no-root") && listed.contains("policy-module"), "{listed}");
    std::fs::write(folder.join("policies.toml"), entry).unwrap();
    let refused = fails(tofu_state(&folder, &["policy", "check", "policies.toml"]));
    assert!(refused.contains("write how the names begin"), "{refused}");
}

#[test]
fn check_tells_all_that_a_server_would_refuse() {
    let place = TempDir::new().unwrap();
    let check = |text: &str| {
        std::fs::write(place.path().join("policies.toml"), text).unwrap();
        tofu_state(place.path(), &["policy", "check", "policies.toml"])
    };
    let good = "[[policy]]\nname = \"guard\"\nbuiltin = \"lineage-guard\"\n\
                [[policy]]\nname = \"versions\"\nbuiltin = \"version-pin\"\nmode = \"warn\"\n\
                configuration = 'versions = [\">=1.9\"]'\n";
    let listed = succeeds(check(good));
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let words = line("versions");
    let words: Vec<_> = words.split_whitespace().collect();
    assert_eq!(words[1..4], ["warn", "lock,write", "policy-module"]);
    assert!(words[4].parse::<u64>().unwrap() > 1000 && words[5].len() == 64, "{words:?}");
    assert!(!listed.contains("note:"), "{listed}");

    let refused = fails(check(&good.replace("versions = [\">=1.9\"]", "versions = [\"new\"]")));
    assert!(refused.contains("\"versions\"") && refused.contains("\"new\" is no range"), "{refused}");
    let refused =
        fails(check("[[policy]]\nname = \"d\"\nbuiltin = \"deletion-guard\"\nconfiguration = \"max-removed = 1\"\n"));
    assert!(refused.contains("needs = [\"resources\"]") && refused.contains("note: lineage-guard"), "{refused}");

    std::fs::write(place.path().join("cut.wasm"), b"\0asm\x0d\0\x01\0\x01").unwrap();
    let pinned = format!("[[policy]]\nname = \"cut\"\npath = \"cut.wasm\"\nsha256 = \"{}\"\n", "0".repeat(64));
    assert!(fails(check(&pinned)).contains("its SHA-256 is "));
    fails(tofu_state(place.path(), &["policy", "check", "cut.wasm"]));
    assert!(fails(tofu_state(place.path(), &["policy", "check", "none.toml"])).contains("none.toml"));
}

#[test]
fn a_case_that_is_judged_otherwise_is_shown_with_the_verdict() {
    let place = TempDir::new().unwrap();
    let cases = "builtin = \"lineage-guard\"\n\
                 [[case]]\nname = \"older\"\nexpect = \"allow\"\n\
                 change = { operation = \"write\", current = { serial = 5, lineage = \"a\" }, proposed = { serial = 4, lineage = \"a\" } }\n\
                 [[case]]\nname = \"newer\"\nexpect = \"allow\"\n\
                 change = { operation = \"write\", current = { serial = 5, lineage = \"a\" }, proposed = { serial = 6, lineage = \"a\" } }\n";
    std::fs::write(place.path().join("cases.toml"), cases).unwrap();
    let printed = fails(tofu_state(place.path(), &["policy", "test", "cases.toml"]));
    assert!(printed.contains("FAIL older\n     expected allow\n     was      deny: this state is older"), "{printed}");
    assert!(printed.contains("ok   newer (allow)") && printed.contains("2 cases, 1 wrong"), "{printed}");
    let printed = fails(tofu_state(place.path(), &["policy", "test", "--format", "json", "cases.toml"]));
    let report: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    assert_eq!((&report["cases"][0]["passed"], &report["cases"][1]["passed"]), (&false.into(), &true.into()));

    std::fs::write(
        place.path().join("cases.toml"),
        cases.replace("older\"\nexpect = \"allow\"", "older\"\nexpect = \"no\""),
    )
    .unwrap();
    assert!(fails(tofu_state(place.path(), &["policy", "test", "cases.toml"])).contains("line 4"));
}
