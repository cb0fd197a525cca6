//! Lock files that are there before: whole ones, partly locked ones, and what people make of them.

use super::{Case, FOUR, Files, ONE, TWO, aws, case, required, web};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = partly();
    cases.extend(otherwise());
    cases.extend(upgraded());
    cases
}

/// The lines that are to stay.
fn keep(text: &str, stays: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| stays(line)).map(|line| format!("{line}\n")).collect()
}

fn no_zh(text: &str) -> String {
    keep(text, |line| !line.contains("\"zh:"))
}

fn no_h1(text: &str) -> String {
    keep(text, |line| !line.contains("\"h1:"))
}

fn no_hashes(text: &str) -> String {
    keep(&no_zh(&no_h1(text)), |line| !line.contains("hashes") && line.trim() != "]")
}

fn aws_and_null() -> Files {
    vec![("main.tf", required("aws = \"5.1.0\"\n    null = \"~> 3.0\""))]
}

/// Hashes, platforms or providers are missing.
fn partly() -> Vec<Case> {
    vec![
        case("locked already", aws("~> 5.0")).on(TWO).locked(aws("~> 5.0"), TWO),
        case("h1 only", aws("5.1.0")).on(TWO).locked(aws("5.1.0"), FOUR).edited(no_zh),
        case("h1 only, of another platform", aws("5.1.0")).locked(aws("5.1.0"), &["darwin_arm64"]).edited(no_zh),
        case("h1 only, zips with folders", aws_and_null()).on(FOUR).locked(aws_and_null(), FOUR).edited(no_zh),
        case("zh only", aws("5.1.0")).on(TWO).locked(aws("5.1.0"), FOUR).edited(no_h1),
        case("no hashes", aws("5.1.0")).on(TWO).locked(aws("5.1.0"), FOUR).edited(no_hashes),
        case("some hashes", aws("5.1.0"))
            .locked(aws("5.1.0"), FOUR)
            .edited(|text| keep(text, |line| !line.contains("\"zh:") || !line.contains(['1', '2', '3']))),
        case("another platform", aws("5.1.0")).on(&["linux_arm64"]).locked(aws("5.1.0"), &["darwin_amd64"]),
        case("three platforms more", aws_and_null()).on(FOUR).locked(aws_and_null(), ONE),
        case("fewer platforms", aws_and_null()).locked(aws_and_null(), FOUR),
        case("a provider more, one less", web("~> 1.0")).locked(aws("5.1.0"), TWO),
        case("one of two is locked", aws_and_null()).on(TWO).locked(aws("5.1.0"), ONE),
        case("a platform that is missing", vec![("main.tf", required("random = {}"))])
            .on(&["darwin_arm64"])
            .locked(vec![("main.tf", required("random = {}"))], ONE)
            .refused(),
    ]
}

/// Other versions, other constraints, other hands.
fn otherwise() -> Vec<Case> {
    vec![
        case("an older version stays", aws("~> 5.0")).locked(aws("5.0.0"), ONE),
        case("constraints change, the version stays", aws(">= 4.0")).locked(aws("5.1.0"), ONE),
        case("constraints are spelled otherwise", aws(">=5,<6")).locked(aws("< 6.0.0, >= 5.0"), ONE),
        case("constraints go", vec![("main.tf", required("aws = {}"))]).locked(aws("5.1.0"), ONE),
        case("no constraints before", aws("5.1.0"))
            .locked(aws("5.1.0"), ONE)
            .edited(|text| keep(text, |line| !line.contains("constraints"))),
        case("a prerelease is locked", web(">= 0.1, 1.2.1-rc1")).locked(web("1.2.1-rc1"), ONE),
        case("a prerelease is locked that is not asked for", web(">= 1.0")).locked(web("1.2.1-rc1"), ONE).refused(),
        case("locked to what is no longer allowed", aws("~> 5.1")).locked(aws("5.0.0"), ONE).refused(),
        case("locked to what does not exist", aws("~> 5.1"))
            .locked(aws("5.1.0"), ONE)
            .edited(|text| text.replace("\"5.1.0\"", "\"5.1.9\""))
            .refused(),
        case("a broken lock file", aws("5.1.0"))
            .locked(aws("5.1.0"), ONE)
            .edited(|text| keep(text, |line| line != "}"))
            .refused(),
        case("an empty lock file", aws("5.1.0")).locked(aws("5.1.0"), ONE).edited(|_| String::new()),
        case("the header is gone", aws("5.1.0"))
            .locked(aws("5.1.0"), ONE)
            .edited(|text| keep(text, |line| !line.starts_with('#'))),
        case("a comment, and hashes turned round and said twice", aws("5.1.0")).locked(aws("5.1.0"), TWO).edited(
            |text| {
                let hashes: Vec<&str> = text.lines().rev().filter(|line| line.contains(':')).collect();
                let hashes = format!("hashes = [ # mine\n{}\n{}\n", hashes.join("\n"), hashes[0]);
                keep(text, |line| !line.contains(':')).replace("hashes = [\n", &hashes)
            },
        ),
        case("lines as on Windows", aws("5.1.0")).locked(aws("5.1.0"), ONE).edited(|text| text.replace('\n', "\r\n")),
        case("a hash of nothing that is known", aws("5.1.0")).locked(aws("5.1.0"), ONE).edited(|text| {
            let unknown = format!("hashes = [\n    \"zh:{}\",\n", "0".repeat(64));
            text.replace("hashes = [\n", &unknown)
        }),
        case("a hash of an unknown kind", aws("5.1.0"))
            .locked(aws("5.1.0"), ONE)
            .edited(|text| text.replace("hashes = [\n", "hashes = [\n    \"h7:x\",\n")),
        case("locked by the other program", aws("~> 5.0")).locked(aws("5.0.0"), TWO).by_the_other(),
    ]
}

fn upgraded() -> Vec<Case> {
    vec![
        case("upgraded, nothing is locked", aws("~> 5.0")).upgraded(),
        case("upgraded", aws("~> 5.0")).on(TWO).locked(aws("5.0.0"), TWO).upgraded(),
        case("upgraded within constraints", aws(">= 4.0, < 5.100")).locked(aws("4.0.0"), FOUR).upgraded(),
        case("upgraded, no prerelease", web(">= 0.9")).locked(web("0.9.0-beta"), ONE).upgraded(),
        case("upgraded to an older version", aws("~> 5.0, < 5.1")).locked(aws("5.100.0"), ONE).upgraded(),
        case("upgraded, the newest is locked", aws_and_null()).locked(aws_and_null(), FOUR).upgraded(),
        case("upgraded, h1 only", aws("5.1.0")).on(TWO).locked(aws("5.1.0"), FOUR).edited(no_zh).upgraded(),
        case("upgraded, no such version", aws("> 7.0")).locked(aws("5.1.0"), ONE).upgraded().refused(),
    ]
}
