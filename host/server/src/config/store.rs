//! Which store, and what it needs.

use std::path::PathBuf;

use super::mistakes::Wrong;
use super::source::{Reading, Secret};
use super::{settings, values};

/// The store that holds the states.
#[derive(Debug)]
pub enum StoreChoice {
    /// OpenBao's KV v2.
    OpenBao(OpenBao),
    /// On this machine's disk, in this folder.
    Embedded(PathBuf),
}

/// What it takes to reach OpenBao.
#[derive(Debug)]
pub struct OpenBao {
    /// Its base URL, without a `/` at the end.
    pub address: String,
    /// The namespace, if any.
    pub namespace: Option<String>,
    /// The server's own token.
    pub token: Secret,
    /// The KV v2 mount.
    pub mount: String,
    /// PEM certificates of a private CA.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    OpenBao,
    Embedded,
}

/// Reads the store's settings. All of them are checked, whichever store is chosen.
pub(super) fn choice(r: &mut Reading<'_>) -> Option<StoreChoice> {
    let asked = r.given(&settings::STORE).is_some();
    let kind = r.value(&settings::STORE, |text| {
        values::choice(text, &[("openbao", Kind::OpenBao), ("embedded", Kind::Embedded)])
    });
    let address = r.value(&settings::BAO_ADDR, values::url);
    let namespace_given = r.given(&settings::BAO_NAMESPACE).is_some();
    let namespace = r.value(&settings::BAO_NAMESPACE, values::bao_path);
    let mount = r.value(&settings::BAO_MOUNT, values::bao_path);
    let ca_given = r.given(&settings::BAO_CACERT).is_some();
    let ca = r.value(&settings::BAO_CACERT, values::readable_file);
    let token_given = [settings::BAO_TOKEN.name.to_owned(), settings::BAO_TOKEN.file_variable()]
        .iter()
        .any(|name| r.variable(name).is_some());
    let token = r.secret(&settings::BAO_TOKEN);
    let folder = r.value(&settings::DATA_DIR, values::path);

    match (kind, asked, token_given) {
        (Some(Kind::Embedded), ..) => {
            if token_given {
                r.warnings.push("BAO_TOKEN is set but not used: STORE is `embedded`".to_owned());
            }
            Some(StoreChoice::Embedded(folder?))
        }
        (Some(Kind::OpenBao), _, false) => {
            let wrong = Wrong::new("STORE is `openbao`, which needs a token", "set BAO_TOKEN or BAO_TOKEN_FILE");
            r.mistake(settings::BAO_TOKEN.name, None, wrong);
            None
        }
        (Some(Kind::OpenBao), _, true) | (None, false, true) => {
            let address = address?;
            if address.in_clear_text {
                r.warnings.push(format!(
                    "BAO_ADDR {} is plain HTTP to another machine: OpenBao's token and all states cross the network \
                     in clear text",
                    address.text
                ));
            }
            if (namespace_given && namespace.is_none()) || (ca_given && ca.is_none()) {
                return None;
            }
            Some(StoreChoice::OpenBao(OpenBao { address: address.text, namespace, token: token?, mount: mount?, ca }))
        }
        (None, false, false) => {
            let wrong = Wrong::new(
                "no store is chosen, and the server never falls back to a disk nobody chose",
                "set STORE=embedded for this machine's disk (DATA_DIR), or BAO_TOKEN (and BAO_ADDR) for OpenBao",
            );
            r.mistake(settings::STORE.name, None, wrong);
            None
        }
        // What is wrong with STORE has been noted.
        (None, true, _) => None,
    }
}
