//! Configurations in folders of their own.

use std::path::{Path, PathBuf};

use super::*;
use crate::Style;
use crate::problem::Problem;

/// Writes files below a folder; a name may hold folders.
fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

fn listed(requirements: &Requirements) -> String {
    let one =
        |(provider, constraints): (&Address, &Constraints)| format!("{provider} {constraints}").trim_end().to_owned();
    requirements.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn requirements(files: &[(&str, &str)]) -> Result<String, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    Loader::default().requirements(folder.path(), Style::Tofu).map(|requirements| listed(&requirements))
}

/// The problems, with paths from the root module.
fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let problems = Loader::default().requirements(folder.path(), Style::Tofu).unwrap_err();
    let start = format!("{}/", folder.path().display());
    problems.iter().map(|problem| problem.to_string().replace(&start, "")).collect()
}

const REQUIRED: &str = r#"
terraform {
  required_providers {
    aws   = { source = "hashicorp/aws", version = "~> 5.0" }
    "web" = {
      "source"              = "registry.example.com/acme/web"
      version               = (">= 1.0")
      configuration_aliases = [web.east]
    }
    null = ">= 3.0" # as before Terraform 0.13
    dns  = {}
  }
}
"#;

#[test]
fn required_providers_are_read() {
    let expected = "registry.example.com/acme/web >= 1.0.0\n\
                    registry.opentofu.org/hashicorp/aws ~> 5.0\n\
                    registry.opentofu.org/hashicorp/dns\n\
                    registry.opentofu.org/hashicorp/null >= 3.0.0";
    // A quoted key is no attribute name in native syntax.
    assert_eq!(requirements(&[("main.tf", &REQUIRED.replace("\"web\"", "web"))]).unwrap(), expected);
    let json = r#"{ "//": "a comment", "terraform": [{ "required_providers": {
        "aws": { "source": "hashicorp/aws", "version": "~> 5.0" },
        "web": { "source": "registry.example.com/acme/web", "version": ">= 1.0", "configuration_aliases": ["web.east"] },
        "null": ">= 3.0", "dns": {}
    } }] }"#;
    assert_eq!(requirements(&[("main.tf.json", json)]).unwrap(), expected);
}

#[test]
fn resources_and_provider_blocks_imply_providers() {
    let text = r#"
        resource "aws_instance" "a" {}
        resource "acme" "b" { provider = google-beta.west }
        data "random_id" "c" { provider = random }
        ephemeral "vault_token" "d" {}
        resource "terraform_data" "e" {}
        provider "aws" { version = "~> 4.0" }
        provider "aws" {
          alias   = "west"
          version = ">= 4.1"
        }
        import {
          to = module.x["a"].dns_record.y
          id = "1"
        }
        check "health" {
          data "http" "z" { url = "https://example.com" }
        }
    "#;
    assert_eq!(requirements(&[("main.tf", text)]).unwrap(), IMPLIED);
    let json = r#"{
        "resource": { "aws_instance": { "a": {} }, "acme": [{ "b": [{ "provider": "${google-beta.west}" }] }] },
        "data": { "random_id": { "c": { "provider": "random" } } },
        "ephemeral": { "vault_token": { "d": {} } },
        "provider": { "aws": [{ "version": "~> 4.0" }, { "alias": "west", "version": ">= 4.1" }] },
        "import": [{ "to": "module.x[\"a\"].dns_record.y", "id": "1" }],
        "check": { "health": { "data": { "http": { "z": {} } } } }
    }"#;
    assert_eq!(requirements(&[("main.tf.json", json)]).unwrap(), IMPLIED);
}

const IMPLIED: &str = "registry.opentofu.org/hashicorp/aws ~> 4.0, >= 4.1.0
registry.opentofu.org/hashicorp/dns
registry.opentofu.org/hashicorp/google-beta
registry.opentofu.org/hashicorp/http
registry.opentofu.org/hashicorp/random
registry.opentofu.org/hashicorp/vault";

#[test]
fn local_names_are_those_of_the_module() {
    let text = r#"
        terraform {
          required_providers {
            cloud = { source = "acme/cloud" }
          }
        }
        resource "cloud_server" "a" {}
        provider "cloud" {}
    "#;
    assert_eq!(requirements(&[("main.tf", text)]).unwrap(), "registry.opentofu.org/acme/cloud");
}

#[test]
fn override_files_replace_entries() {
    let files = [
        ("main.tf", REQUIRED.trim_start_matches('\n')),
        (
            "override.tf",
            "terraform {\n  required_providers {\n    aws = { source = \"acme/aws\", version = \"1.0\" }\n  }\n}",
        ),
        ("a.tf", "resource \"x_y\" \"z\" {}\nprovider \"dns\" { version = \"1.0\" }"),
        ("a_override.tf", "resource \"x_y\" \"z\" { provider = aws }\nprovider \"dns\" { version = \"2.0\" }"),
        ("b.tf.json", r#"{ "module": { "m": { "source": "./gone" } } }"#),
        ("b_override.tf.json", r#"{ "module": { "m": { "source": "./m" } } }"#),
        ("m/main.tf", "resource \"inner_x\" \"y\" {}"),
    ];
    let files = files.map(|(name, text)| (name, text.replace("\"web\"", "web")));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(
        requirements(&files).unwrap(),
        "registry.example.com/acme/web >= 1.0.0\n\
         registry.opentofu.org/acme/aws 1.0.0\n\
         registry.opentofu.org/hashicorp/dns 2.0.0\n\
         registry.opentofu.org/hashicorp/inner\n\
         registry.opentofu.org/hashicorp/null >= 3.0.0"
    );
}

#[test]
fn a_tofu_file_stands_in_place_of_its_twin() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("a.tf", "resource \"one_x\" \"y\" {}"),
        ("a.tofu", "resource \"two_x\" \"y\" {}"),
        ("b.tofu.json", r#"{ "resource": { "three_x": { "y": {} } } }"#),
        (".c.tf", "{"),
        ("d.tf~", "{"),
        ("e.tftest.hcl", "{"),
    ];
    write(folder.path(), &files);
    let of = |style| listed(&Loader::default().requirements(folder.path(), style).unwrap());
    assert_eq!(of(Style::Tofu), "registry.opentofu.org/hashicorp/three\nregistry.opentofu.org/hashicorp/two");
    assert_eq!(of(Style::Terraform), "registry.terraform.io/hashicorp/one");
    assert_eq!(style_of(folder.path()), Some(Style::Tofu));
}

#[test]
fn modules_add_what_they_need() {
    let files = [
        ("main.tf", "module \"net\" { source = \"./modules/net\" }\nmodule \"far\" { source = \"acme/far/cloud\" }"),
        (
            "modules/net/main.tf",
            "terraform {\n  required_providers {\n    aws = \"~> 5.0\"\n  }\n}\nmodule \"in\" { source = \"../in\" }",
        ),
        ("modules/in/main.tf", "terraform {\n  required_providers {\n    aws = \">= 5.1\"\n  }\n}"),
        (".terraform/modules/far/sub/main.tf", "resource \"dns_x\" \"y\" {}\nmodule \"deep\" { source = \"git::x\" }"),
        (".terraform/modules/far.deep/main.tf", "resource \"tls_x\" \"y\" {}"),
        (
            ".terraform/modules/modules.json",
            r#"{ "Modules": [{ "Key": "", "Source": "", "Dir": "." },
                { "Key": "far", "Source": "x", "Version": "1.0.0", "Dir": ".terraform/modules/far/sub" },
                { "Key": "far.deep", "Source": "x", "Dir": ".terraform/modules/far.deep" }] }"#,
        ),
    ];
    let all = "registry.opentofu.org/hashicorp/aws ~> 5.0, >= 5.1.0\n\
               registry.opentofu.org/hashicorp/dns\n\
               registry.opentofu.org/hashicorp/tls";
    assert_eq!(requirements(&files).unwrap(), all);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &files);
    let shallow = Loader::new(true);
    assert_eq!(listed(&shallow.requirements(folder.path(), Style::Tofu).unwrap()), "");
}

#[test]
fn mistakes_are_told_with_file_line_and_column() {
    for (text, problem) in [
        ("resource \"a\" {", "main.tf:1:15: not valid HCL"),
        (
            "terraform {\n  required_providers {\n    aws = { version = \"v1\" }\n  }\n}",
            "main.tf:3:23: `v1` is no version constraint",
        ),
        (
            "terraform {\n  required_providers {\n    ä = { source = \"a/b/c/d\" }\n  }\n}",
            "main.tf:3:20: `a/b/c/d` is no provider source",
        ),
        (
            "terraform {\n  required_providers {\n    aws = { source = \"a/${x}\" }\n  }\n}",
            "main.tf:3:22: a text in quotes",
        ),
        (
            "terraform {\n  required_providers {\n    aws = { sauce = \"a/b\" }\n  }\n}",
            "main.tf:3:21: a required provider has",
        ),
        (
            "terraform {\n  required_providers {\n    aws = [1]\n  }\n}",
            "main.tf:3:11: a required provider is an object",
        ),
        (
            "terraform {\n  required_providers {\n    aws = {}\n  }\n  required_providers {\n    b = {}\n  }\n}",
            "main.tf:6:5: a module has one required_providers",
        ),
        (
            "provider \"aws\" {\n  version = \"=> 1\"\n}",
            "main.tf:2:13: `=> 1` is no version constraint: did you mean >=?",
        ),
        ("module \"x\" {\n  source = \"acme/x/y\"\n}", "main.tf:2:12: the module `x` (acme/x/y) is not installed"),
        (
            "module \"x\" {\n  source = var.x\n}",
            "main.tf:2:12: the module `x` (a source that is to be evaluated) is not installed",
        ),
        ("module \"x\" {\n  source = \"./x\"\n}", "main.tf:2:12: there is no configuration in"),
        ("module \"x\" {}", "main.tf:1:1: the module `x` has no source"),
        ("resource \"a\" \"b\" {\n  provider = 1\n}", "main.tf:2:14: `provider` is"),
    ] {
        let told = problems(&[("main.tf", text)]);
        assert!(told.len() == 1 && told[0].starts_with(problem), "{text}: {told:?}");
    }
    let json = problems(&[("a.tf.json", "{\n  \"terraform\": oops }"), ("b.tf.json", "[]")]);
    assert!(json[0].starts_with("a.tf.json:2:16: not valid JSON"), "{json:?}");
    assert!(json[1].starts_with("b.tf.json: must be a JSON object"), "{json:?}");
}

#[test]
fn a_module_that_calls_itself_is_told() {
    let told = problems(&[
        ("main.tf", "module \"x\" { source = \"./x\" }"),
        ("x/main.tf", "module \"y\" { source = \"../\" }"),
    ]);
    assert_eq!(told, ["x/main.tf:1:23: this module calls itself"]);
}

#[test]
fn text_that_is_no_utf_8_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.tf"), b"a = 1\nb\xff = 2").unwrap();
    let told = Loader::default().requirements(folder.path(), Style::Tofu).unwrap_err();
    assert_eq!(told[0].position, Some((2, 2)));
}

#[test]
fn root_modules_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let call = "module \"x\" { source = \"../shared\" }";
    write(
        folder.path(),
        &[
            ("prod/main.tf", call),
            ("prod/nested/main.tofu", ""),
            ("stage/main.tf.json", "{}"),
            ("shared/main.tf", ""),
            ("modules/unused/main.tf", ""),
            ("modules/locked/main.tf", ""),
            ("modules/locked/.terraform.lock.hcl", "# This file is maintained automatically by \"terraform init\".\n"),
            ("modules/stored/main.tf", "terraform {\n  backend \"http\" {}\n}"),
            (".hidden/main.tf", ""),
            ("prod/.terraform/modules/x/main.tf", ""),
            ("docs/readme.md", ""),
            ("broken/main.tf", "{"),
        ],
    );
    let find = |below: &str| {
        let found = find(&[folder.path().join(below)], &Loader::default())?;
        let short = |root: &PathBuf| root.strip_prefix(folder.path()).unwrap().display().to_string();
        Ok::<_, Vec<Problem>>(found.iter().map(short).collect::<Vec<_>>())
    };
    let roots = ["broken", "modules/locked", "modules/stored", "prod", "prod/nested", "stage"];
    assert_eq!(find("").unwrap(), roots);
    assert_eq!(find("shared").unwrap(), ["shared"]);
    assert!(find("docs").unwrap_err()[0].to_string().contains("no root module"));
    assert!(find("gone").is_err());
    assert_eq!(style_of(&folder.path().join("modules/locked")), Some(Style::Terraform));
}
