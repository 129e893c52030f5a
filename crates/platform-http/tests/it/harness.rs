//! A small system with a route for every extractor, tokens for it, and a real server on port 0.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, Request, Response, StatusCode},
};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{
    Clock, Common, Freshness, OfficeCode, OpError, Position, Read, RegionTag, Reply, SystemError,
    Timestamp, Token,
};
use platform_http::{
    AnyToken, ApiError, Can, EdgeLocation, Fields, Format, Found, HttpConfig, JsonRequest,
    JwksSource, Listed, Open, Paging, Params, Problem, ProblemType, Report, Segment, Service,
    ServiceParts, System, Tabled, ToProblem, Verifier, WriteRequest, Written, csv,
    permission::{OfficesRead, WarehouseRead, WarehouseWrite},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt as _;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) const ISSUER: &str = "https://issuer.test";
/// Long enough for any machine, short enough to fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A POST that is fine but for what a test adds.
pub(crate) const GOOD: &str = r#"{"name":"n","behave":"ok"}"#;

/// What the routes do and note.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// Handlers with `behave: gate` wait for one permit each.
    pub(crate) gate: Arc<Semaphore>,
    /// Handlers that came to their gate.
    pub(crate) waiting: Arc<AtomicU64>,
    /// Writes that were done.
    pub(crate) done: Arc<AtomicU64>,
    /// Rows of each batch that an import tried to write.
    pub(crate) batches: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Thing {
    id: String,
    version: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListThings {
    /// Offices, separated by commas.
    office: Option<Vec<OfficeCode>>,
    /// At least this.
    min: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("taken")]
pub(crate) struct Taken;

const TAKEN: ProblemType = ProblemType::new("sku_taken", 409, "SKU taken");

impl ToProblem for Taken {
    fn to_problem(&self) -> Problem {
        Problem::new(&TAKEN, "Another thing has this SKU.").with("sku", "LAMP-7")
    }
}

/// Shows a thing: its version is the length of its code; codes beginning with `x` change by themselves.
#[utoipa::path(get, path = "/v1/things/{id}", operation_id = "get_thing", params(("id" = String, Path)),
    responses((status = 200, body = Thing)))]
async fn get_thing(
    caller: Can<WarehouseRead>,
    Segment(id): Segment<OfficeCode>,
) -> Result<Found<Thing>, ApiError> {
    if id.as_str() == "none" {
        return Err(Common::NotFound {
            what: "The thing none".into(),
        }
        .into());
    }
    let mut facts = caller.call.facts();
    facts.statements = 1;
    facts.token = Some(Token::at(Timestamp::from_millis(1_000)));
    facts.freshness = Some(Freshness::Strong {
        home: RegionTag::global(),
    });
    let version = i64::try_from(id.as_str().len()).unwrap();
    let stable = !id.as_str().starts_with('x');
    Ok(Found {
        version: Some(version),
        stable,
        body: Thing {
            id: id.to_string(),
            version,
        },
    })
}

/// Lists the numbers from 0 to 119.
#[utoipa::path(get, path = "/v1/things", operation_id = "list_things", params(ListThings, Paging),
    responses((status = 200, body = Listed<Thing>)))]
async fn list_things(
    caller: Can<WarehouseRead>,
    Params(filters): Params<ListThings>,
    paging: Paging,
) -> Result<Listed<u32>, ApiError> {
    for office in filters.office.iter().flatten() {
        caller.reach(office)?;
    }
    let after = paging
        .request
        .after
        .as_ref()
        .map_or(0, |after| after.id.parse::<u32>().unwrap() + 1);
    let first = after.max(filters.min.unwrap_or(0));
    let rows: Vec<u32> = (first..120)
        .take(usize::from(paging.request.limit) + 1)
        .collect();
    let at = Clock::System.now();
    let read = Read {
        value: rows,
        at,
        unreachable: Vec::new(),
    };
    Ok(paging.page(
        read,
        |row| Position {
            created_at: at,
            id: row.to_string(),
        },
        |row| row,
    ))
}

/// Two rows, the second with what a spreadsheet would run.
#[derive(Debug, Serialize, ToSchema)]
struct Rows {
    data: Vec<(String, Option<i64>)>,
}

impl Tabled for Rows {
    const COLUMNS: &'static [&'static str] = &["name", "value"];

    fn write_rows(&self, table: &mut csv::Table) {
        for (name, value) in &self.data {
            table.row(&[name.into(), (*value).into()]);
        }
    }
}

/// Reports.
#[utoipa::path(get, path = "/v1/report", operation_id = "report",
    responses((status = 200, content((Rows = "application/json"), (String = "text/csv")))))]
async fn report(_: Can<WarehouseRead>, format: Format) -> Report<Rows> {
    let data = vec![("a, b".to_owned(), Some(-5)), ("=1+1".to_owned(), None)];
    Report {
        format,
        body: Rows { data },
    }
}

/// Does what `behave` says.
#[utoipa::path(post, path = "/v1/things", operation_id = "create_thing", request_body = Value,
    responses((status = 201, body = Thing)))]
async fn create_thing(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    if request.body()["behave"] == "panic_before" {
        panic!("before anything was handed to the database");
    }
    let office = request.body()["office"]
        .as_str()
        .map(|office| office.parse().unwrap());
    let intent = request.intent(&caller, "create_thing", RegionTag::global(), office);
    let fingerprint: String = intent
        .fingerprint
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let result = behave(&app, &caller, request.body()).await;
    let mut reply = result?;
    reply.body = Some(json!({"fingerprint": fingerprint, "key": intent.key.as_str()}).to_string());
    Ok(Written(reply))
}

async fn behave(
    app: &App,
    caller: &Can<WarehouseWrite>,
    body: &Value,
) -> Result<Reply, OpError<Taken>> {
    let mut f = Fields::of(body);
    f.text("name", 5);
    f.opt_text("office", 32);
    let behave = f.text("behave", 20);
    let behave = f.finish(|| behave).map_err(Common::Invalid)?;
    let source = || Some("the database said: password hunter2".into());
    match behave.as_str() {
        "taken" => return Err(OpError::Refused(Taken)),
        "contended" => return Err(SystemError::Contended.into()),
        "unavailable" => return Err(SystemError::Unavailable { source: source() }.into()),
        "late" => return Err(SystemError::DeadlineExceeded.into()),
        "unknown" => {
            let attempt_at = caller.call.received_at();
            return Err(SystemError::OutcomeUnknown {
                attempt_at,
                source: source(),
            }
            .into());
        }
        "bug" | "bug_unknown" => {
            let effect_unknown = behave == "bug_unknown";
            let source = "hunter2".into();
            return Err(SystemError::Bug {
                effect_unknown,
                source,
            }
            .into());
        }
        "stale" => return Err(Common::VersionChanged { current: 8 }.into()),
        "exists" => {
            return Err(Common::AlreadyExists {
                location: Some("/v1/things/old".into()),
            }
            .into());
        }
        "panic" => panic!("in the middle"),
        "hang" => std::future::pending().await,
        "gate" => {
            app.waiting.fetch_add(1, Ordering::SeqCst);
            app.gate.acquire().await.unwrap().forget();
        }
        "replay" => caller.call.facts().replayed = true,
        _ => {}
    }
    app.done.fetch_add(1, Ordering::SeqCst);
    Ok(Reply {
        status: 201,
        location: Some("/v1/things/new".into()),
        version: Some(1),
        body: None,
        effect_ids: vec![],
    })
}

/// Changes a thing, which is at version 7.
#[utoipa::path(patch, path = "/v1/things/{id}", operation_id = "update_thing", params(("id" = String, Path)),
    request_body = Value, responses((status = 200, body = Thing)))]
async fn update_thing(
    caller: Can<WarehouseWrite>,
    Segment(id): Segment<OfficeCode>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    caller.reach(&id)?;
    let intent = request.intent(
        &caller,
        "update_thing",
        RegionTag::global(),
        Some(id.clone()),
    );
    intent.require_version(7)?;
    let body = Some(json!({"id": id, "version": 8, "key": intent.key.as_str()}).to_string());
    Ok(Written(Reply {
        status: 200,
        location: None,
        version: Some(8),
        body,
        effect_ids: vec![],
    }))
}

/// Waits for ever.
#[utoipa::path(get, path = "/v1/hang", operation_id = "hang", responses((status = 200)))]
async fn hang(State(app): State<App>, _: AnyToken) -> StatusCode {
    app.waiting.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

/// Panics.
#[utoipa::path(get, path = "/v1/panic", operation_id = "panic", responses((status = 200)))]
async fn panic(_: AnyToken) -> StatusCode {
    panic!("a bug")
}

/// Anyone may ask.
#[utoipa::path(get, path = "/v1/public", operation_id = "public", security(()), responses((status = 200)))]
async fn public(open: Open, EdgeLocation(location): EdgeLocation) -> Found<Value> {
    Found::plain(
        json!({"client": open.call.client(), "traceparent": open.call.traceparent(), "location": location}),
    )
}

/// Asks for a right that clerks of the warehouse lack.
#[utoipa::path(get, path = "/v1/offices", operation_id = "offices", responses((status = 200)))]
async fn offices(caller: Can<OfficesRead>) -> Found<Value> {
    Found::plain(json!({"subject": caller.principal.subject}))
}

/// A POST without key.
#[utoipa::path(post, path = "/v1/check", operation_id = "check", request_body = Value,
    extensions(("x-keyless" = json!(true))), responses((status = 200)))]
async fn check(_: AnyToken, request: JsonRequest) -> Found<Value> {
    Found::plain(request.body().clone())
}

/// What a test may change before the service is made.
pub(crate) struct Setup {
    pub(crate) config: HttpConfig,
    pub(crate) verifier: Verifier,
    pub(crate) ready: Result<(), String>,
}

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) service: Service,
    _keys: tempfile::TempDir,
}

/// The issuer's key, made anew for every run.
pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    SigningKey::generate(&mut ed25519_dalek::ed25519::signature::rand_core::OsRng)
});

pub(crate) fn jwk(key: &SigningKey, kid: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x})
}

pub(crate) fn now_secs() -> i64 {
    Clock::System.now().as_millis() / 1000
}

/// A token of `ada` with every scope, changed by `change`.
pub(crate) fn token(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({"iss": ISSUER, "aud": "meridian", "sub": "ada", "iat": now_secs(),
        "exp": now_secs() + 3600, "scope": "warehouse:read warehouse:write offices:read", "offices": "*"});
    change(&mut claims);
    sign(&claims, &KEY, Some("k1"))
}

pub(crate) fn sign(claims: &Value, key: &SigningKey, kid: Option<&str>) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = kid.map(str::to_owned);
    let der = key.to_pkcs8_der().unwrap();
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let path = keys.path().join("jwks.json");
        std::fs::write(&path, json!({"keys": [jwk(&KEY, "k1")]}).to_string()).unwrap();
        let mut config = HttpConfig::new("eu1".parse().unwrap(), "test-1");
        config.alternatives = vec![("us1".parse().unwrap(), "http://127.0.0.1:8102".into())];
        let verifier = Verifier::new(
            JwksSource::File(path),
            ISSUER,
            "meridian",
            config.clock.clone(),
        );
        let mut setup = Setup {
            config,
            verifier,
            ready: Ok(()),
        };
        change(&mut setup);
        let app = App {
            gate: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
            done: Arc::default(),
            batches: Arc::default(),
        };
        let router = OpenApiRouter::new()
            .routes(routes!(list_things, create_thing))
            .routes(routes!(get_thing, update_thing))
            .routes(routes!(report))
            .routes(routes!(hang))
            .routes(routes!(panic))
            .routes(routes!(public))
            .routes(routes!(offices))
            .routes(routes!(check))
            .routes(routes!(crate::imports::import_things))
            .routes(routes!(crate::exports::export_numbers))
            .with_state(app.clone());
        let ready = setup.ready.clone();
        let service = platform_http::service(
            setup.config,
            ServiceParts {
                verifier: setup.verifier,
                readiness: platform_http::readiness(move || std::future::ready(ready.clone())),
                registry: prometheus_client::registry::Registry::default(),
                systems: vec![System {
                    name: "things",
                    router,
                    problems: &[TAKEN],
                }],
            },
        );
        Self {
            app,
            service,
            _keys: keys,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.service.router().oneshot(request).await.unwrap();
        Answer::of(response).await
    }

    /// GET with a good token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[], "")).await
    }

    /// POST of JSON with a good token and a key.
    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.send(request(
            "POST",
            "/v1/things",
            &[("idempotency-key", "key-00001")],
            body,
        ))
        .await
    }
}

/// A request with a good token, and with JSON if there is a body. Headers given replace these.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let bearer = format!("Bearer {}", token(|_| {}));
    let mut all = vec![("authorization", bearer.as_str())];
    if !body.is_empty() {
        all.push(("content-type", "application/json"));
    }
    for (name, value) in all
        .into_iter()
        .filter(|(name, _)| headers.iter().all(|(other, _)| other != name))
    {
        request
            .headers_mut()
            .append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request
            .headers_mut()
            .append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    request
}

/// One answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem, whose members every problem has.
    pub(crate) fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        for member in [
            "type",
            "title",
            "detail",
            "instance",
            "code",
            "request_id",
            "region",
        ] {
            assert!(
                body[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {body}"
            );
        }
        assert_eq!(body["status"], self.status, "{body}");
        assert!(body["retryable"].is_boolean(), "{body}");
        assert_eq!(body["request_id"], self.header("request-id"));
        (self.status, body["code"].as_str().unwrap().to_owned())
    }

    /// That the answer has every header of the contract.
    pub(crate) fn has_contract_headers(&self) {
        for name in [
            "request-id",
            "served-by",
            "freshness",
            "consistency-token",
            "request-cost",
            "server-timing",
            "ratelimit-policy",
            "ratelimit",
        ] {
            assert_eq!(
                self.headers.get_all(name).iter().count(),
                1,
                "{name}: {self:?}"
            );
        }
        assert!(
            self.header("request-id").starts_with("req_eu1_"),
            "{self:?}"
        );
        assert_eq!(self.header("served-by"), "eu1;node=\"test-1\"");
        assert!(
            self.header("server-timing").contains("total;dur="),
            "{self:?}"
        );
        assert!(
            self.header("consistency-token").parse::<Token>().is_ok(),
            "{self:?}"
        );
        assert!(
            self.headers
                .keys()
                .all(|name| !name.as_str().starts_with("x-ratelimit")),
            "{self:?}"
        );
    }
}

/// A real server.
pub(crate) struct Server {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    pub(crate) running: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        let world = World::with(change);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = world
            .service
            .tasks()
            .clone()
            .spawn(platform_http::serve(listener, world.service.clone()));
        Self {
            world,
            address,
            running,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    read.expect("the server neither answered nor closed")
        .expect("the connection was reset");
    String::from_utf8(bytes).unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::task::yield_now().await;
    }
}

/// The bytes of a request that ends its connection.
pub(crate) fn raw(method: &str, path: &str, headers: &str, body: &str) -> String {
    let bearer = token(|_| {});
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
