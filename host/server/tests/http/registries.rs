//! Components from a real registry (`tools/ociregistry`), and from the folder where they are kept.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::json;
use tofu_state_component::testing::{FAULTY, FAULTY_POLICY};
use tofu_state_component::{BUILT_IN, MAX_BYTES};
use tofu_state_server::oci::{self, PullError, Reference};
use tofu_state_testing::certificates::Authority;
use tofu_state_testing::minisign::Signer;
use tofu_state_testing::registry::{Auth, PASSWORD, Registry, USER};
use tofu_state_testing::server::{Server, TOKEN, http};

use crate::support::variant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tofu-state");

fn settings(folder: &Path) -> oci::Settings {
    oci::Settings { cache: folder.join("cache"), credentials: None, ca: None }
}

async fn pull(reference: &str, settings: &oci::Settings) -> Result<Vec<u8>, PullError> {
    let reference: Reference = reference.parse().unwrap();
    oci::pull(&reference, settings, MAX_BYTES).await.map(|pulled| pulled.bytes.to_vec())
}

fn wrong(pulled: Result<Vec<u8>, PullError>) -> String {
    match pulled {
        Err(PullError::Wrong(what)) => what,
        other => panic!("{other:?}"),
    }
}

/// As `docker login` writes it.
fn login(folder: &Path, registry: &str, password: &str) -> PathBuf {
    let auth = BASE64_STANDARD.encode(format!("{USER}:{password}"));
    let file = folder.join("config.json");
    std::fs::write(&file, json!({"auths": {registry: {"auth": auth}}}).to_string()).unwrap();
    file
}

#[tokio::test]
async fn a_component_is_pulled_once_and_needs_no_registry_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut registry = Registry::start(Auth::None).await;
    let reference = registry.push("team/rules", FAULTY, json!({})).await;
    assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY);
    let asked = registry.log();
    assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY);
    assert_eq!(registry.log(), asked, "nothing is asked for twice");
    // What lies there is spoilt: it is pulled again.
    for file in std::fs::read_dir(&settings.cache).unwrap() {
        std::fs::write(file.unwrap().path(), "spoilt").unwrap();
    }
    assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY);
    registry.kill9();
    assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY, "from the folder");
    std::fs::remove_dir_all(&settings.cache).unwrap();
    let away = pull(&reference, &settings).await.unwrap_err();
    assert!(matches!(&away, PullError::Passing(what) if what.contains("team/rules")), "{away:?}");
}

#[tokio::test]
async fn credentials_are_asked_for_and_given() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(auth).await;
        let reference = registry.push("team/rules", FAULTY, json!({})).await;
        let mut settings = settings(folder.path());
        let without = wrong(pull(&reference, &settings).await);
        assert!(without.contains("credentials"), "{auth:?}: {without}");
        settings.credentials = Some(login(folder.path(), registry.address(), "not-the-password"));
        let refused = wrong(pull(&reference, &settings).await);
        assert!(!refused.contains("not-the-password"), "{refused}");
        settings.credentials = Some(login(folder.path(), registry.address(), PASSWORD));
        assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY, "{auth:?}: {}", registry.log());
    }
}

#[tokio::test]
async fn what_is_no_component_or_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let registry = Registry::start(Auth::None).await;
    let reference = registry.push("team/rules", FAULTY, json!({})).await;
    let small = oci::pull(&reference.parse().unwrap(), &settings, FAULTY.len() - 1).await;
    assert!(matches!(&small, Err(PullError::Wrong(what)) if what.contains("more than")), "{small:?}");
    // A manifest may lie about the size.
    let mut layer = registry.blob("team/rules", "application/wasm", FAULTY).await;
    layer["size"] = 1.into();
    let lying = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [layer],
        "config": registry.blob("team/rules", "application/vnd.wasm.config.v0+json", b"{}").await});
    let lying = registry.push_manifest("team/rules", &lying).await;
    let cut = oci::pull(&lying.parse().unwrap(), &settings, FAULTY.len() - 1).await;
    assert!(matches!(&cut, Err(PullError::Wrong(what)) if what.contains("more than")), "{cut:?}");

    let plain = registry.blob("team/rules", "application/octet-stream", FAULTY).await;
    let artifact = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example", "layers": [plain],
        "config": registry.blob("team/rules", "application/vnd.oci.empty.v1+json", b"{}").await});
    let artifact = registry.push_manifest("team/rules", &artifact).await;
    assert_eq!(pull(&artifact, &settings).await.unwrap(), FAULTY, "a plain artifact of one layer");

    let missing = format!("oci://{}/team/rules@sha256:{}", registry.address(), "0".repeat(64));
    assert!(wrong(pull(&missing, &settings).await).contains("404"));
}

#[tokio::test]
async fn redirects_lead_to_this_machine_or_over_tls_and_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let blobs = Registry::start(Auth::None).await;
    let elsewhere = Registry::start_redirecting(&format!("http://{}", blobs.address())).await;
    let reference = elsewhere.push("team/rules", FAULTY, json!({})).await;
    blobs.push("team/rules", FAULTY, json!({})).await;
    assert_eq!(pull(&reference, &settings).await.unwrap(), FAULTY);
    assert!(blobs.log().contains("GET /v2/team/rules/blobs/"), "{}", blobs.log());

    std::fs::remove_dir_all(&settings.cache).unwrap();
    let plain = Registry::start_redirecting("http://blobs.example.com").await;
    let reference = plain.push("team/rules", FAULTY, json!({})).await;
    let refused = pull(&reference, &settings).await.unwrap_err().to_string();
    assert!(refused.contains("plain HTTP"), "{refused}");
}

/// Only the authority that is named is trusted, and nothing is asked in clear text where one is.
#[tokio::test]
async fn a_private_authoritys_registry_is_asked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue().write(folder.path());
    let registry = Registry::start_tls(&certificate, &key, Auth::None).await;
    let reference = registry.push("team/rules", FAULTY, json!({})).await;
    let trusting = |ca: PathBuf| oci::Settings { ca: Some(ca), ..settings(folder.path()) };
    let another = Authority::new();
    let refused = pull(&reference, &trusting(another.file())).await.unwrap_err();
    assert!(matches!(&refused, PullError::Passing(what) if what.contains("certificate")), "{refused:?}");
    assert!(wrong(pull(&reference, &trusting(key)).await).contains("OCI_CACERT"), "a key is no certificate");
    assert_eq!(pull(&reference, &trusting(authority.file())).await.unwrap(), FAULTY, "{}", registry.log());
}

/// Policies from a registry with TLS, each signed in its manifest: as `policy check` and as a server take them.
#[tokio::test]
async fn policies_from_a_registry_are_checked_and_serve_if_the_key_has_signed_them() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, signer) = (Authority::new(), Signer::new(3));
    let (certificate, key) = authority.issue().write(folder.path());
    let registry = Registry::start_tls(&certificate, &key, Auth::None).await;
    let module = FAULTY_POLICY;
    let push = async |signature: Option<String>| {
        let annotations = signature.map_or(json!({}), |signature| json!({"org.tofu-state.minisig": signature}));
        registry.push("team/policies", module, annotations).await
    };
    let signed = push(Some(signer.sign(module))).await;
    let unsigned = push(None).await;
    let forged = push(Some(Signer::new(4).sign(module))).await;
    let file = folder.path().join("policies.toml");
    let write = |references: &[&String]| {
        let entry = |(number, reference): (usize, &&String)| {
            format!("[[policy]]\nname = \"p{number}\"\noci = \"{reference}\"\nconfiguration = \"deny not-today\"\n")
        };
        std::fs::write(&file, references.iter().enumerate().map(entry).collect::<String>()).unwrap();
    };
    let environment = [
        ("MODULE_PUBLIC_KEY", signer.public_key()),
        ("MODULE_CACHE_DIR", folder.path().join("cache").display().to_string()),
        ("OCI_CACERT", authority.file().display().to_string()),
    ];
    let check = async |environment: &[(&str, String)]| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["policy", "check"]).arg(&file).env_clear().stdin(std::process::Stdio::null());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), printed)
    };

    // Every entry that is wrong is told.
    write(&[&signed, &unsigned, &forged]);
    let (fine, told) = check(&environment).await;
    assert!(!fine && told.contains("policy \"p1\"") && told.contains("not signed"), "{told}");
    assert!(told.contains("policy \"p2\"") && told.contains("not by MODULE_PUBLIC_KEY"), "{told}");
    assert!(!told.contains("\"p0\""), "{told}");
    write(&[&signed]);
    let (fine, told) = check(&environment).await;
    assert!(fine && told.contains("p0") && told.contains(&tofu_state_component::digest(module)), "{told}");
    // Without the authority, this machine's registry is asked in clear text, which it does not speak.
    std::fs::remove_dir_all(folder.path().join("cache")).unwrap();
    let (fine, told) = check(&environment[..2]).await;
    assert!(!fine && told.contains("p0") && told.contains("the registry"), "{told}");
    let (fine, told) = check(&[("MODULE_PUBLIC_KEY", "nonsense".to_owned())]).await;
    assert!(!fine && told.contains("MODULE_PUBLIC_KEY"), "{told}");

    let serve = || {
        let builder = Server::builder(PROGRAM).set("POLICY_FILE", &file);
        environment.iter().fold(builder, |builder, (name, value)| builder.set(name, value))
    };
    let server = serve().start().await;
    let denied = http().request(Method::from_bytes(b"LOCK").unwrap(), server.url("a/b")).bearer_auth(TOKEN);
    let denied = denied.body(r#"{"ID":"i","Operation":"OperationTypeApply"}"#).send().await.unwrap();
    assert_eq!(denied.status(), 423);
    assert!(denied.text().await.unwrap().contains("not-today"));
    let ready: serde_json::Value = http().get(server.admin_url("readyz")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["ready"], true, "{ready}");
    write(&[&signed, &unsigned]);
    let (_, log) = serve().fails().await;
    assert!(log.contains("not signed"), "{log}");
}

#[tokio::test]
async fn a_server_starts_from_a_registry_and_again_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(Auth::Bearer).await;
    let reference = registry.push("team/protocol", &variant(BUILT_IN, b'r'), json!({})).await;
    let mut server = Server::builder(PROGRAM)
        .set("PROTOCOL_COMPONENT", &reference)
        .set("MODULE_CACHE_DIR", folder.path().join("cache"))
        .set("OCI_CREDENTIALS_FILE", login(folder.path(), registry.address(), PASSWORD))
        .start()
        .await;
    registry.kill9();
    server.restart().await;
    let ready: serde_json::Value = http().get(server.admin_url("readyz")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["generation"]["protocol"]["source"], reference.as_str());
    assert_eq!(http().get(server.url("a/b")).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
    assert!(!server.log().contains(PASSWORD));
}
