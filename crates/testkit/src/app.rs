//! Whole systems behind the HTTP contract, without a socket: requests go through the router.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Clock, Role, Token};
use platform_http::{HttpConfig, JwksSource, Quota, ServiceParts, System, Verifier};
use prometheus_client::registry::Registry;
use rand::Rng as _;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tower::ServiceExt as _;

use crate::{
    call::{eventually, tag},
    server::own_folder,
};

const ISSUER: &str = "https://issuer.test";
const KEY_ID: &str = "test-1";

/// One key for all tests.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));

/// Where its public half stands: one file for all tests of this user, since it is the same. Apps read it when they meet
/// their first token.
static KEYS: LazyLock<PathBuf> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(KEY.verifying_key().as_bytes());
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x});
    let keys = json!({"keys": [key]}).to_string();
    let folder = own_folder();
    let path = folder.join("keys.json");
    if fs::read_to_string(&path).is_ok_and(|found| found == keys) {
        return path;
    }
    let mut file = NamedTempFile::new_in(&folder).expect("a file");
    file.write_all(keys.as_bytes()).expect("room for it");
    file.persist(&path).expect("it is renamed whole");
    path
});

/// The systems of one process.
#[derive(Debug, Clone)]
pub struct TestApp {
    router: Router,
}

/// One request in the making.
#[derive(Debug)]
pub struct TestRequest {
    router: Router,
    parts: axum::http::request::Builder,
    body: Body,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, JSON or null.
    pub body: Value,
    /// Body as it came.
    pub text: String,
}

impl TestApp {
    /// These systems as `region` serves them.
    #[must_use]
    pub fn new(region: &str, systems: Vec<System>) -> Self {
        Self::with_clock(region, systems, Clock::System)
    }

    /// The same by another clock; tokens go by the machine's all the same.
    #[must_use]
    pub fn with_clock(region: &str, systems: Vec<System>, clock: Clock) -> Self {
        let mut config = HttpConfig::new(tag(region), "test");
        config.clock = clock;
        Self::with_config(config, systems)
    }

    /// The same with another time for a request.
    #[must_use]
    pub fn with_deadline(region: &str, systems: Vec<System>, deadline: Duration) -> Self {
        let mut config = HttpConfig::new(tag(region), "test");
        config.limits.deadline = deadline;
        Self::with_config(config, systems)
    }

    fn with_config(mut config: HttpConfig, systems: Vec<System>) -> Self {
        // The limiter has tests of its own; here it would only tell how fast the machine is.
        config.quota = Quota::new(1_000_000, 1).expect("a quota");
        let verifier = Verifier::new(
            JwksSource::File(KEYS.clone()),
            ISSUER,
            "meridian",
            Clock::System,
        );
        let parts = ServiceParts {
            verifier,
            readiness: platform_http::readiness(async || Ok(())),
            registry: Registry::default(),
            systems,
        };
        Self {
            router: platform_http::service(config, parts).router(),
        }
    }

    /// The router, to serve it on a socket.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// A request with the token of a manager of every office.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        self.request_as(&token(Role::Manager, &["*"]), method, path)
    }

    /// A request with this token.
    #[must_use]
    pub fn request_as(&self, token: &str, method: Method, path: &str) -> TestRequest {
        let parts = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        TestRequest {
            router: self.router.clone(),
            parts,
            body: Body::empty(),
        }
    }

    /// A request as a manager, to be sent through the router by oneself.
    #[must_use]
    pub fn bare(&self, method: Method, path: &str) -> Request<Body> {
        self.request(method, path).built()
    }

    /// GET as a manager.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    /// GET as a manager that takes what is shown by default, on every database: its token is one that all states cover.
    #[must_use]
    pub fn plain(&self, path: &str) -> TestRequest {
        let token = Token::new(0, 0).to_string();
        self.request(Method::GET, path)
            .header("consistency-token", &token)
    }

    /// Asks until an answer came from memory, which on a slow machine may take more than one.
    pub async fn warm(&self, path: &str) -> Answer {
        let mut shown = None;
        eventually("an answer from memory", async || {
            let answer = self.plain(path).send().await;
            let hit = answer.header("freshness").starts_with("cache;as_of=");
            shown = hit.then_some(answer);
            hit
        })
        .await;
        shown.expect("an answer")
    }

    /// POST as a manager, under a new key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path)
            .key(&new_key())
            .json(&body)
            .send()
            .await
    }

    /// POST as a manager, under a new key, [`patiently`].
    pub async fn post_patiently(&self, path: &str, body: Value) -> Answer {
        let key = new_key();
        patiently(|| self.request(Method::POST, path).key(&key).json(&body)).await
    }

    /// PATCH as a manager, of this version.
    pub async fn patch(&self, path: &str, version: i64, body: Value) -> Answer {
        let request = self.request(Method::PATCH, path);
        request
            .header("if-match", &format!("\"{version}\""))
            .json(&body)
            .send()
            .await
    }
}

impl TestRequest {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.parts = self.parts.header(name, value);
        self
    }

    /// Adds an idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Body::from(body.to_string());
        self.header("content-type", "application/json")
    }

    /// Sets a body of another type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    fn built(self) -> Request<Body> {
        let mut request = self.parts.body(self.body).expect("a request");
        ask_strongly(&mut request);
        request
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        let router = self.router.clone();
        let response = match router.oneshot(self.built()).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            text,
        }
    }
}

/// Sends a request, again for as long as others are in the way: there may be no time for all of those who want one row at
/// once.
pub async fn patiently(request: impl Fn() -> TestRequest) -> Answer {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = request().send().await;
        if !matches!(answer.status.as_u16(), 503 | 504) || Instant::now() > until {
            return answer;
        }
    }
}

/// PostgreSQL has one copy and shows the newest state whatever is asked for. CockroachDB shows an older one over several
/// offices unless it is told otherwise; tests that are about that say what they want.
fn ask_strongly(request: &mut Request<Body>) {
    let says = |name| request.headers().contains_key(name);
    if crate::db::on_cockroach()
        && request.method() == Method::GET
        && !says("read-consistency")
        && !says("consistency-token")
    {
        let strong = HeaderValue::from_static("strong");
        request.headers_mut().insert("read-consistency", strong);
    }
}

impl Answer {
    /// A header's value, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// The lines of an NDJSON body.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }

    /// Status and problem code (or null).
    #[must_use]
    pub fn problem(&self) -> (u16, &str) {
        (
            self.status.as_u16(),
            self.body["code"].as_str().unwrap_or(""),
        )
    }

    /// Pointers of the broken rules of a 422.
    #[must_use]
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        errors
            .iter()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }

    /// `version` of the body.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.body["version"].as_i64().unwrap_or(0)
    }
}

/// A token of a role, named after it, for these offices; `*` alone for all.
#[must_use]
pub fn token(role: Role, offices: &[&str]) -> String {
    let scopes: Vec<&str> = role
        .scopes()
        .into_iter()
        .map(kernel::Scope::as_str)
        .collect();
    signed(role.as_str(), &scopes, offices)
}

/// A token with these scopes for these offices; `*` alone for all.
#[must_use]
pub fn token_with(scopes: &[&str], offices: &[&str]) -> String {
    signed("someone", scopes, offices)
}

fn signed(name: &str, scopes: &[&str], offices: &[&str]) -> String {
    let now = Clock::System.now().as_millis() / 1000;
    let offices = if offices == ["*"] {
        json!("*")
    } else {
        json!(offices)
    };
    let claims = json!({
        "iss": ISSUER, "aud": "meridian", "sub": format!("test:{name}"),
        "scope": scopes.join(" "), "offices": offices, "iat": now, "exp": now + 600,
    });
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(KEY_ID.into());
    let der = KEY.to_pkcs8_der().expect("a key");
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes()))
        .expect("a token")
}

/// A key that no other write has.
#[must_use]
pub fn new_key() -> String {
    format!("test-{:032x}", rand::rng().random::<u128>())
}
