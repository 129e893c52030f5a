//! Puts systems together into one service.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc};

use axum::{Router, extract::MatchedPath, middleware};
use http::request::Parts;
use kernel::Token;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    auth::{self, Verifier},
    config::HttpConfig,
    exchange::Operation,
    limiter::Limiter,
    metrics::Metrics,
    newest::Newest,
    openapi, pipeline, probes,
    problem::{Problem, ProblemType},
};

/// One system of the API: its routes, described, and the problems that only it answers.
pub struct System {
    /// `warehouse`
    pub name: &'static str,
    /// Its routes, each with its whole path (`/v1/warehouse/items`) and its state.
    pub router: OpenApiRouter,
    /// Its problems; each code is a heading of `docs/problems.md`.
    pub problems: &'static [ProblemType],
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether the process can serve; the error says why not, for people.
pub type Readiness =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What a service is made from, besides its configuration.
pub struct ServiceParts {
    /// Verifies tokens.
    pub verifier: Verifier,
    /// Asked by `/readyz`, at most five times a second.
    pub readiness: Readiness,
    /// Metrics of the process so far; ours are added, `/metrics` shows them all.
    pub registry: Registry,
    /// What is served.
    pub systems: Vec<System>,
}

impl fmt::Debug for ServiceParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceParts")
            .field("systems", &self.systems)
            .finish_non_exhaustive()
    }
}

/// Turns a closure into a [`Readiness`].
pub fn readiness<F, R>(check: F) -> Readiness
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), String>> + Send + 'static,
{
    Arc::new(move || Box::pin(check()))
}

/// What every request of a process shares.
pub(crate) struct Shared {
    pub(crate) config: HttpConfig,
    pub(crate) verifier: Verifier,
    pub(crate) readiness: probes::Checked,
    pub(crate) registry: Registry,
    pub(crate) metrics: Metrics,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) permits: Arc<Semaphore>,
    /// Requests that wait for something to happen.
    pub(crate) waiting: Arc<Semaphore>,
    /// Imports at work.
    pub(crate) imports: Arc<Semaphore>,
    /// Exports at work.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) newest: Newest,
    pub(crate) systems: Vec<&'static str>,
    pub(crate) openapi: Vec<u8>,
    /// By route.
    operations: HashMap<String, Vec<Arc<Operation>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("systems", &self.systems)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The operation that a routed request is for.
    pub(crate) fn operation(&self, parts: &Parts) -> Option<Arc<Operation>> {
        let path = parts.extensions.get::<MatchedPath>()?.as_str();
        let method = match parts.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let mut of_route = self.operations.get(path)?.iter();
        of_route
            .find(|operation| operation.method == method)
            .cloned()
    }
}

impl Shared {
    /// The methods of a route, for `Allow`. The routes beside the API have GET only.
    pub(crate) fn allowed(&self, route: Option<&MatchedPath>) -> String {
        let of_route = route.and_then(|route| self.operations.get(route.as_str()));
        let of_route = of_route.into_iter().flatten();
        let mut methods: Vec<&str> = of_route
            .map(|operation| operation.method.as_str())
            .collect();
        if methods.is_empty() || methods.contains(&"GET") {
            methods.extend(["GET", "HEAD"]);
        }
        methods.push("OPTIONS");
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }
}

/// The whole HTTP side of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) shared: Arc<Shared>,
    router: Router,
}

/// Puts the systems together. Routes of `/v1` get the contract's checks and headers; beside them are `/healthz`,
/// `/readyz`, `/metrics`, `/openapi.json`, `/docs` and `/problems/{code}`.
#[must_use]
pub fn service(config: HttpConfig, parts: ServiceParts) -> Service {
    let ServiceParts {
        verifier,
        readiness,
        mut registry,
        systems,
    } = parts;
    let names = systems.iter().map(|system| system.name).collect();
    let metrics = Metrics::register(&mut registry);
    verifier.register(&mut registry);
    let (routes, document) = openapi::merge(systems);
    let shared = Arc::new(Shared {
        permits: Arc::new(Semaphore::new(config.limits.concurrent)),
        waiting: Arc::new(Semaphore::new(config.limits.waiting)),
        imports: Arc::new(Semaphore::new(config.limits.imports)),
        exports: Arc::new(Semaphore::new(config.limits.exports)),
        limiter: Limiter::new(config.quota),
        operations: openapi::operations(&document),
        openapi: serde_json::to_vec(&document).unwrap_or_default(),
        readiness: probes::Checked::new(readiness),
        newest: Newest::default(),
        systems: names,
        metrics,
        registry,
        verifier,
        config,
    });
    let mut api = routes;
    if api.has_routes() {
        if let Some(limiter) = &shared.limiter {
            api = api.route_layer(limiter.layer());
        }
        api = api.route_layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            auth::authenticate,
        ));
    }
    let router = api
        .merge(probes::router(Arc::clone(&shared)))
        .fallback(pipeline::no_route)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            pipeline::run,
        ));
    Service { shared, router }
}

/// The OpenAPI document of the systems, as `/openapi.json` serves it.
#[must_use]
pub fn document(systems: Vec<System>) -> Value {
    openapi::merge(systems).1
}

impl Service {
    /// The routes with every layer, for a server of one's own or for `oneshot`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The OpenAPI document.
    #[must_use]
    pub fn openapi(&self) -> Value {
        serde_json::from_slice(&self.shared.openapi).unwrap_or_default()
    }

    /// Where writes run; shutdown waits for it.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.shared.config.tasks
    }

    /// The newest state that any answer of this process reflected.
    #[must_use]
    pub fn newest_token(&self) -> Token {
        self.shared.newest.get()
    }
}

/// The answer where no route is.
pub(crate) fn not_found(path: &str) -> Problem {
    Problem::new(
        &crate::problem::NOT_FOUND,
        format!("There is nothing at {path}."),
    )
}
