//! Ways to say what is needed: in every kind of file, by blocks that imply it, over modules.

use super::{Case, FOUR, TWO, case, required};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = blocks();
    cases.extend(files());
    cases.extend(modules());
    cases
}

const AWS_JSON: &str = r#"{ "terraform": { "required_providers": {
    "aws": { "source": "hashicorp/aws", "version": ">= 5.0, < 5.100" }, "null": "3.0.0" } } }"#;

fn text(text: &str) -> String {
    text.to_owned()
}

fn module(name: &str, source: &str) -> String {
    format!("module \"{name}\" {{\n  source = \"{source}\"\n}}\n")
}

fn blocks() -> Vec<Case> {
    vec![
        case("nothing is required", vec![("main.tf", text("locals {\n  a = 1\n}\n"))]),
        case("no constraints", vec![("main.tf", required("null = {}"))]),
        case("no source", vec![("main.tf", required("aws = { version = \"~> 4.0\" }"))]),
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
            "comments, heredocs and escapes",
            vec![(
                "main.tf",
                required(
                    "/* aws = \"1.0\" */ aws = { source = \"hashicorp\\u002faws\", # version = \"4.0\"\n version = \"5.\\u0031\" }",
                ) + "locals {\n  a = <<-EOT\n    terraform {\n  EOT\n}\n// the end",
            )],
        ),
        case(
            "one type of two namespaces",
            vec![(
                "main.tf",
                required(
                    "web = { source = \"acme/web\" }\n    null = { source = \"registry.example.com/hashicorp/null\" }",
                ),
            )],
        ),
        case(
            "several hosts and platforms, zips with folders",
            vec![(
                "main.tf",
                required(
                    "web = { source = \"REGISTRY.example.com/Acme/Web\", version = \"~> 1.0\" }\n    \
                     null = { source = \"null\" }\n    other = { source = \"registry.example.com/hashicorp/null\" }",
                ),
            )],
        )
        .on(FOUR),
        case("a platform that is missing", vec![("main.tf", required("random = {}"))]).on(TWO).refused(),
        case("a provider that is missing", vec![("main.tf", required("gone = { source = \"acme/gone\" }"))]).refused(),
        case("a syntax error", vec![("main.tf", text("terraform {"))]).refused(),
        case("a wrong source", vec![("main.tf", required("aws = { source = \"a/b/c/d\" }"))]).refused(),
        case("an unknown key", vec![("main.tf", required("aws = { sauce = \"hashicorp/aws\" }"))]).refused(),
        case("two blocks", vec![("main.tf", required("aws = {}") + &required("null = {}"))]).refused(),
    ]
}

fn files() -> Vec<Case> {
    let aws = |version: &str| required(&format!("aws = {{ source = \"hashicorp/aws\", version = \"{version}\" }}"));
    vec![
        case("JSON", vec![("main.tf.json", text(AWS_JSON))]),
        case(
            "JSON with lists of blocks",
            vec![(
                "main.tf.json",
                text(
                    "{ \"terraform\": [{ \"required_providers\": [{ \"web\": { \"source\": \"acme/web\" } }] }], \
                     \"resource\": [{ \"null_resource\": { \"a\": {} } }], \"provider\": { \"aws\": [{ \"version\": \"4.0.0\" }] } }",
                ),
            )],
        ),
        case(
            "native and JSON",
            vec![("a.tf", text("data \"web_page\" \"a\" {\n  provider = aws\n}\n")), ("b.tf.json", text(AWS_JSON))],
        ),
        case("lines as on Windows", vec![("main.tf", aws("~> 5.0").replace('\n', "\r\n"))]),
        // Terraform does not read these.
        case("a .tofu file in place of its twin", vec![("main.tf", aws("5.0.0")), ("main.tofu", aws("5.1.0"))]),
        case(
            "a .tofu file beside",
            vec![("main.tf", aws("5.0.0")), ("more.tofu", text("data \"null_data_source\" \"a\" {}\n"))],
        ),
        case("a .tofu.json file", vec![("main.tf", text("locals {}\n")), ("more.tofu.json", text(AWS_JSON))]),
        case("an override file", vec![("main.tf", aws("5.0.0")), ("override.tf", aws("5.1.0"))]),
        case(
            "two override files",
            vec![("main.tf", aws("5.0.0")), ("b_override.tf", aws("4.0.0")), ("a_override.tf", aws("5.1.0"))],
        ),
        case(
            "an override file in JSON",
            vec![
                ("main.tf", aws("5.0.0") + "resource \"null_resource\" \"a\" {}\n"),
                ("x_override.tf.json", text(AWS_JSON)),
            ],
        ),
        case("a .tofu override file", vec![("main.tf", aws("5.0.0")), ("override.tofu", aws("5.1.0"))]),
        case(
            "files that do not count",
            vec![
                ("main.tf", aws("5.0.0")),
                ("more.tf~", text("{")),
                (".more.tf", text("{")),
                ("#more.tf#", text("{")),
                ("more.hcl", text("{")),
            ],
        ),
        case("a syntax error in JSON", vec![("main.tf.json", text("{ \"terraform\": "))]).refused(),
    ]
}

fn modules() -> Vec<Case> {
    vec![
        case(
            "modules",
            vec![
                ("main.tf", module("a", "./a") + &required("aws = \">= 4.0\"")),
                ("a/main.tf", required("aws = \"~> 5.0, < 5.100.0\"") + &module("b", "../b")),
                ("b/main.tf", required("aws = \">= 4.0.0, != 5.1.1\"") + "resource \"null_resource\" \"a\" {}\n"),
            ],
        ),
        case(
            "a module that is called twice, and in JSON",
            vec![
                (
                    "main.tf.json",
                    text("{ \"module\": { \"a\": { \"source\": \"./m\" }, \"b\": [{ \"source\": \"./m/n\" }] } }"),
                ),
                ("m/main.tf", module("n", "./n")),
                ("m/n/main.tf.json", text(AWS_JSON)),
            ],
        ),
        case(
            "a module of another source by an override file",
            vec![
                ("main.tf", module("a", "./gone")),
                ("override.tf", module("a", "./a")),
                ("a/main.tf", required("aws = \"4.0.0\"")),
                ("a/x_override.tf", required("aws = \"4.67.0\"")),
            ],
        ),
        case(
            "a module that is given its provider",
            vec![
                (
                    "main.tf",
                    text(
                        "provider \"aws\" {\n  alias = \"east\"\n}\nmodule \"a\" {\n  source    = \"./a\"\n  providers = {\n    aws.east = aws.east\n  }\n}\n",
                    ),
                ),
                (
                    "a/main.tf",
                    required(
                        "aws = {\n  source = \"hashicorp/aws\"\n  version = \"~> 4.0\"\n  configuration_aliases = [aws.east]\n}",
                    ),
                ),
            ],
        ),
        case(
            "local names are those of each module",
            vec![
                (
                    "main.tf",
                    required("it = { source = \"acme/web\" }")
                        + "resource \"it_page\" \"a\" {}\n"
                        + &module("a", "./a"),
                ),
                ("a/main.tf", required("it = { source = \"hashicorp/null\" }") + "resource \"it_resource\" \"a\" {}\n"),
            ],
        ),
        case(
            "a prerelease that a module asks for",
            vec![
                ("main.tf", required("web = { source = \"acme/web\", version = \">= 0.9\" }") + &module("a", "./a")),
                ("a/main.tf", required("web = { source = \"acme/web\", version = \"1.2.1-rc1\" }")),
            ],
        ),
        case(
            "modules that exclude each other",
            vec![
                ("main.tf", required("aws = \"~> 5.0\"") + &module("a", "./a")),
                ("a/main.tf", required("aws = \"~> 4.0\"")),
            ],
        )
        .refused(),
        case("a module that is missing", vec![("main.tf", module("a", "./a")), ("b/main.tf", required("aws = {}"))])
            .refused(),
    ]
}
