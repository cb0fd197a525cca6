//! Configurations, and lock files that are there before.

/// A configuration that both the CLI and this program lock.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) files: Vec<(&'static str, String)>,
    pub(crate) platforms: &'static [&'static str],
    pub(crate) before: Option<Before>,
    /// Both must refuse it, and leave the lock file as it was.
    pub(crate) refused: bool,
}

/// The lock file that is there before.
pub(crate) struct Before {
    /// The configuration that it was made for.
    pub(crate) files: Vec<(&'static str, String)>,
    pub(crate) platforms: &'static [&'static str],
    /// Changes its lines, of which `false` leaves one out.
    pub(crate) keep: fn(&str) -> bool,
}

pub(crate) const ONE: &[&str] = &["linux_amd64"];
pub(crate) const TWO: &[&str] = &["darwin_arm64", "linux_amd64"];
pub(crate) const FOUR: &[&str] = &["darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"];

/// `required_providers` with these entries.
pub(crate) fn required(entries: &str) -> String {
    format!("terraform {{\n  required_providers {{\n    {entries}\n  }}\n}}\n")
}

fn aws(constraints: &str) -> Vec<(&'static str, String)> {
    vec![("main.tf", required(&format!("aws = {{ source = \"hashicorp/aws\", version = \"{constraints}\" }}")))]
}

fn web(constraints: &str) -> Vec<(&'static str, String)> {
    let source = "registry.example.com/acme/web";
    vec![("main.tf", required(&format!("web = {{ source = \"{source}\", version = \"{constraints}\" }}")))]
}

fn case(name: &'static str, files: Vec<(&'static str, String)>) -> Case {
    Case { name, files, platforms: ONE, before: None, refused: false }
}

fn refused(name: &'static str, files: Vec<(&'static str, String)>) -> Case {
    Case { refused: true, ..case(name, files) }
}

fn after(
    name: &'static str,
    (files, platforms): (Vec<(&'static str, String)>, &'static [&'static str]),
    before: (Vec<(&'static str, String)>, &'static [&'static str]),
    keep: fn(&str) -> bool,
) -> Case {
    let before = Some(Before { files: before.0, platforms: before.1, keep });
    Case { name, files, platforms, before, refused: false }
}

fn all(_: &str) -> bool {
    true
}

fn no_zh(line: &str) -> bool {
    !line.contains("\"zh:")
}

fn no_h1(line: &str) -> bool {
    !line.contains("\"h1:")
}

fn no_hashes(line: &str) -> bool {
    no_zh(line) && no_h1(line) && !line.contains("hashes") && line.trim() != "]"
}

fn some_hashes(line: &str) -> bool {
    no_zh(line) || !line.contains(['1', '2', '3'])
}

fn no_constraints(line: &str) -> bool {
    !line.contains("constraints")
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = constraints();
    cases.extend(configurations());
    cases.extend(locked_before());
    cases
}

fn constraints() -> Vec<Case> {
    vec![
        case("exact", aws("5.1.0")),
        case("exact with a sign and two numbers", aws("=5.1")),
        case("pessimistic, one number", aws("~> 5")),
        case("pessimistic, two numbers", aws("~> 5.1")),
        case("pessimistic, three numbers", aws("~> 5.1.0")),
        case("a range without spaces", aws(">=4.0,<5.0")),
        case("a range the other way round", aws("< 5.1.1, >= 4.0")),
        case("greater", aws("> 5.1.0, != 5.100.0")),
        case("at most", aws("<= 5.0")),
        case("said twice", aws(">= 5, >= 5.0, >= 5.0.0")),
        case("a prerelease by name", aws("6.0.0-beta1")),
        case("none but prereleases are newer", aws(">= 5.0")),
        case("a prerelease below a range", web(">= 0.9.0-alpha.1")),
        case("a prerelease and a range", web("> 0.9.0-alpha, 0.9.0-alpha.1")),
        case("pessimistic from a prerelease", web("~> 1.2.0-rc")),
        case("a dash with nothing behind", aws("= 5.1.0-")),
        refused("a v", aws("v5.1.0")),
        refused("a wildcard", aws("5.1.*")),
        refused("an arrow", aws("=> 5.1")),
        refused("two spaces", aws(">=  5.1")),
        refused("four numbers", aws("5.1.0.0")),
        refused("nothing", aws("")),
        refused("a comma at the end", aws("~> 5.0,")),
        refused("no such version", aws("> 7.0")),
        refused("constraints that exclude each other", aws("> 5.0, < 5.0")),
        refused("only prereleases", web("> 1.2.0")),
    ]
}

fn configurations() -> Vec<Case> {
    let text = |text: &str| text.to_owned();
    vec![
        case("nothing is required", vec![("main.tf", text("locals {\n  a = 1\n}\n"))]),
        case("no constraints", vec![("main.tf", required("null = {}"))]),
        case("as before 0.13", vec![("main.tf", required("null = \"~> 3.0\""))]),
        case("implied by a resource", vec![("main.tf", text("resource \"null_resource\" \"a\" {}\n"))]),
        case(
            "implied by data, import and provider blocks",
            vec![(
                "main.tf",
                text(
                    "data \"null_data_source\" \"a\" {}\nprovider \"aws\" {\n  version = \"~> 5.0\"\n}\n\
                     provider \"aws\" {\n  alias   = \"b\"\n  version = \"< 5.100\"\n}\n\
                     resource \"web_page\" \"x\" {\n  provider = null.some\n}\nresource \"null_resource\" \"y\" {\n  provider = null\n}\n",
                ),
            )],
        ),
        case("built in", vec![("main.tf", text("resource \"terraform_data\" \"a\" {}\n"))]),
        case(
            "JSON",
            vec![(
                "main.tf.json",
                text(
                    "{ \"terraform\": { \"required_providers\": { \"aws\": { \"source\": \"hashicorp/aws\", \
                     \"version\": \">= 5.0, < 5.100\" }, \"null\": \"3.0.0\" } } }",
                ),
            )],
        ),
        case(
            "an override file",
            vec![
                ("main.tf", required("aws = { source = \"hashicorp/aws\", version = \"5.0.0\" }")),
                ("override.tf", required("aws = { source = \"hashicorp/aws\", version = \"5.1.0\" }")),
            ],
        ),
        Case {
            platforms: FOUR,
            ..case(
                "several hosts and platforms, zips with folders",
                vec![(
                    "main.tf",
                    required(
                        "web = { source = \"REGISTRY.example.com/Acme/Web\", version = \"~> 1.0\" }\n    \
                         null = { source = \"null\" }\n    other = { source = \"registry.example.com/hashicorp/null\" }",
                    ),
                )],
            )
        },
        case(
            "modules",
            vec![
                ("main.tf", text("module \"a\" {\n  source = \"./a\"\n}\n") + &required("aws = \">= 4.0\"")),
                ("a/main.tf", required("aws = \"~> 5.0, < 5.100.0\"") + "module \"b\" {\n  source = \"../b\"\n}\n"),
                ("b/main.tf", required("aws = \">= 4.0.0, != 5.1.1\"") + "resource \"null_resource\" \"a\" {}\n"),
            ],
        ),
        Case {
            refused: true,
            platforms: TWO,
            ..case("a platform that is missing", vec![("main.tf", required("random = {}"))])
        },
        refused("a provider that is missing", vec![("main.tf", required("gone = { source = \"acme/gone\" }"))]),
        refused("a syntax error", vec![("main.tf", text("terraform {"))]),
        refused("a wrong source", vec![("main.tf", required("aws = { source = \"a/b/c/d\" }"))]),
        refused("an unknown key", vec![("main.tf", required("aws = { sauce = \"hashicorp/aws\" }"))]),
    ]
}

fn locked_before() -> Vec<Case> {
    vec![
        after("locked already", (aws("~> 5.0"), TWO), (aws("~> 5.0"), TWO), all),
        after("an older version stays", (aws("~> 5.0"), ONE), (aws("5.0.0"), ONE), all),
        after("constraints change, the version stays", (aws(">= 4.0"), ONE), (aws("5.1.0"), ONE), all),
        after("h1 only", (aws("5.1.0"), TWO), (aws("5.1.0"), FOUR), no_zh),
        after("zh only", (aws("5.1.0"), TWO), (aws("5.1.0"), FOUR), no_h1),
        after("no hashes", (aws("5.1.0"), TWO), (aws("5.1.0"), FOUR), no_hashes),
        after("some hashes", (aws("5.1.0"), ONE), (aws("5.1.0"), FOUR), some_hashes),
        after("no constraints before", (aws("5.1.0"), ONE), (aws("5.1.0"), ONE), no_constraints),
        after("another platform", (aws("5.1.0"), &["linux_arm64"]), (aws("5.1.0"), &["darwin_amd64"]), all),
        after("a provider more", (web("~> 1.0"), ONE), (aws("5.1.0"), TWO), all),
        after("a prerelease is locked", (web(">= 0.1, 1.2.1-rc1"), ONE), (web("1.2.1-rc1"), ONE), all),
        Case {
            refused: true,
            ..after("locked to what is no longer allowed", (aws("~> 5.1"), ONE), (aws("5.0.0"), ONE), all)
        },
        Case {
            refused: true,
            ..after("a broken lock file", (aws("5.1.0"), ONE), (aws("5.1.0"), ONE), |line| line != "}")
        },
        after("the header is gone", (aws("5.1.0"), ONE), (aws("5.1.0"), ONE), |line| !line.starts_with('#')),
    ]
}
