//! Which store, and what it needs.

use std::path::PathBuf;

use tofu_state_store::openbao::{Login, Secret as LoginSecret};

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

impl StoreChoice {
    /// Its name in traces.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenBao(_) => "openbao",
            Self::Embedded(_) => "embedded",
        }
    }
}

/// What it takes to reach OpenBao.
#[derive(Debug)]
pub struct OpenBao {
    /// Its base URL, without a `/` at the end.
    pub address: String,
    /// The namespace, if any.
    pub namespace: Option<String>,
    /// How the server proves who it is.
    pub login: Login,
    /// The file that its token was read from, if it was: whoever renews it writes another one there.
    pub token_file: Option<PathBuf>,
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
    let logins = given_logins(r);
    let login = login(r, &logins);
    let folder = r.value(&settings::DATA_DIR, values::path);

    match (kind, asked, !logins.is_empty()) {
        (Some(Kind::Embedded), ..) => {
            if let Some(login) = logins.first() {
                r.warnings.push(format!("{login} is set but not used: STORE is `embedded`"));
            }
            Some(StoreChoice::Embedded(folder?))
        }
        (Some(Kind::OpenBao), _, false) => {
            let wrong = Wrong::new(
                "STORE is `openbao`, which needs a token or a login",
                "set BAO_TOKEN (or BAO_TOKEN_FILE), BAO_ROLE_ID with BAO_SECRET_ID, or BAO_KUBERNETES_ROLE",
            );
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
            let (login, token_file) = login?;
            let address = address.text;
            Some(StoreChoice::OpenBao(OpenBao { address, namespace, login, token_file, mount: mount?, ca }))
        }
        (None, false, false) => {
            let wrong = Wrong::new(
                "no store is chosen, and the server never falls back to a disk nobody chose",
                "set STORE=embedded for this machine's disk (DATA_DIR), or BAO_TOKEN or another login (and BAO_ADDR) for OpenBao",
            );
            r.mistake(settings::STORE.name, None, wrong);
            None
        }
        // What is wrong with STORE has been noted.
        (None, true, _) => None,
    }
}

/// Which of the ways to log in are set, by the setting that stands for each.
fn given_logins(r: &mut Reading<'_>) -> Vec<&'static str> {
    let by_file = |setting: &settings::Setting| [setting.name.to_owned(), setting.file_variable()];
    let token = by_file(&settings::BAO_TOKEN).iter().any(|name| r.variable(name).is_some());
    let role = r.given(&settings::BAO_ROLE_ID).is_some()
        || by_file(&settings::BAO_SECRET_ID).iter().any(|name| r.variable(name).is_some());
    let kubernetes = r.given(&settings::BAO_KUBERNETES_ROLE).is_some();
    let all = [
        (token, settings::BAO_TOKEN.name),
        (role, settings::BAO_ROLE_ID.name),
        (kubernetes, settings::BAO_KUBERNETES_ROLE.name),
    ];
    all.into_iter().filter_map(|(given, name)| given.then_some(name)).collect()
}

/// The login, and the file that its token was read from; none if there is none, or after a mistake, which is noted.
fn login(r: &mut Reading<'_>, given: &[&'static str]) -> Option<(Login, Option<PathBuf>)> {
    let mount = r.value(&settings::BAO_AUTH_MOUNT, values::bao_path);
    let role_id = r.value(&settings::BAO_ROLE_ID, |text| Ok(text.to_owned()));
    let secret_id = r.secret(&settings::BAO_SECRET_ID);
    let role = r.value(&settings::BAO_KUBERNETES_ROLE, |text| Ok(text.to_owned()));
    let token_file = r.value(&settings::BAO_KUBERNETES_TOKEN_FILE, values::path);
    let token = r.secret(&settings::BAO_TOKEN);
    let way = match given {
        [] => return None,
        [way] => *way,
        [way, other, ..] => {
            let wrong = Wrong::new(format!("{other} is set too"), "set one way to log in");
            r.mistake(way, None, wrong);
            return None;
        }
    };
    if way == settings::BAO_TOKEN.name {
        return token.map(|token| (Login::Token(token.value), token.file));
    }
    if way == settings::BAO_KUBERNETES_ROLE.name {
        let token_file = token_file?;
        let text = token_file.display().to_string();
        if let Err(wrong) = values::readable_file(&text) {
            r.mistake(settings::BAO_KUBERNETES_TOKEN_FILE.name, Some(text), wrong);
            return None;
        }
        let mount = mount.unwrap_or_else(|| "kubernetes".to_owned());
        return Some((Login::Kubernetes { mount, role: role?, token_file }, None));
    }
    if role_id.is_none() {
        let wrong = Wrong::new("not set, but BAO_SECRET_ID is", "set both, or BAO_TOKEN instead");
        r.mistake(settings::BAO_ROLE_ID.name, None, wrong);
    }
    if r.variable(settings::BAO_SECRET_ID.name).is_none()
        && r.variable(&settings::BAO_SECRET_ID.file_variable()).is_none()
    {
        let wrong = Wrong::new("not set, but BAO_ROLE_ID is", "set it, or BAO_SECRET_ID_FILE");
        r.mistake(settings::BAO_SECRET_ID.name, None, wrong);
    }
    let mount = mount.unwrap_or_else(|| "approle".to_owned());
    let secret_id = match secret_id? {
        Secret { file: Some(file), .. } => LoginSecret::File(file),
        Secret { value, file: None } => LoginSecret::Value(value),
    };
    Some((Login::AppRole { mount, role_id: role_id?, secret_id }, None))
}
