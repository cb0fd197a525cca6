//! As much of a Kubernetes API server as OpenBao needs to log in a service account: `TokenReview`.
//!
//! OpenBao's own auth method for Kubernetes runs against it, unchanged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::bao::Bao;
use crate::certificates::Authority;

/// The namespace and the name of the service account.
const NAMESPACE: &str = "tofu-state";
/// See [`NAMESPACE`].
const ACCOUNT: &str = "tofu-state";

/// A Kubernetes API that knows one service account. It ends when dropped.
pub struct Kubernetes {
    address: String,
    /// The tokens that it takes for the service account's.
    valid: Arc<Mutex<Vec<String>>>,
    /// How many it has made.
    made: Mutex<usize>,
    task: AbortHandle,
}

impl Kubernetes {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the Kubernetes API");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        let valid = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&valid);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(review(stream, Arc::clone(&known)));
            }
        });
        Self { address, valid, made: Mutex::new(0), task: task.abort_handle() }
    }

    /// A token of the service account; those before it stay valid.
    ///
    /// # Panics
    /// If the clock is wrong.
    #[must_use]
    pub fn token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let number = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            *made += 1;
            *made
        };
        let claims = json!({
            "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"],
            "sub": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"), "jti": number.to_string(),
            "iat": now, "nbf": now.saturating_sub(5), "exp": now + 3600,
            "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": ACCOUNT, "uid": "1"}},
        });
        // Nobody but this API judges the signature.
        let parts = [json!({"alg": "RS256", "kid": "test"}).to_string(), claims.to_string(), "signature".to_owned()];
        let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).push(token.clone());
        token
    }

    /// Takes none of the tokens that it has made any more: they have expired.
    pub fn expire_tokens(&self) {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Enables OpenBao's auth method for this API at `auth/kubernetes/`.
    ///
    /// # Panics
    /// If that fails.
    pub async fn enable_in(&self, bao: &Bao) {
        bao.enable_auth("kubernetes", "kubernetes").await;
        let authority = std::fs::read_to_string(Authority::new().file()).expect("an authority");
        let config =
            json!({"kubernetes_host": self.address, "kubernetes_ca_cert": authority, "disable_local_ca_jwt": true});
        bao.ok(Method::POST, "auth/kubernetes/config", config).await;
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request: <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/>.
async fn review(mut stream: TcpStream, valid: Arc<Mutex<Vec<String>>>) {
    let Some(request) = body(&mut stream).await else { return };
    let token = request["spec"]["token"].as_str().unwrap_or_default();
    let known = valid.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|valid| valid == token);
    let user = json!({"username": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"), "uid": "1"});
    let status = match known {
        true => json!({"authenticated": true, "user": user, "audiences": request["spec"]["audiences"]}),
        false => json!({"authenticated": false, "error": "the token has expired"}),
    };
    let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}).to_string();
    let head = format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    // OpenBao may have gone.
    let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
}

async fn body(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().filter_map(|line| line.split_once(':'));
            let length = length.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1;
            if body.len() >= length.trim().parse().ok()? {
                return serde_json::from_str(body).ok();
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
