//! Who asks and what they may do, as types of handlers' arguments.
//!
//! A route layer verifies the token before the rate limiter runs; the extractors here decide, so that a handler's
//! signature is its authorization: `Can<permission::WarehouseWrite>`.

mod claims;
mod keys;
mod verifier;

use std::{marker::PhantomData, net::IpAddr, ops::Deref, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use kernel::{Call, Common, OfficeCode, Principal, ReadWant, Scope};

pub use self::{
    keys::{JwksSource, KeysError},
    verifier::Verifier,
};
use crate::{
    error::{ApiError, token_unknown},
    exchange::{Credentials, Exchange},
    headers,
    paging::AllowPartial,
    problem::{self, Problem},
    query,
    service::Shared,
};

/// A right that a route asks for, as a type.
pub trait Permission: Send + Sync + 'static {
    /// The right.
    const SCOPE: Scope;
}

/// Every right as a type.
pub mod permission {
    use super::{Permission, Scope};

    macro_rules! permissions {
        ($($name:ident)*) => {$(
            #[doc = concat!("`Scope::", stringify!($name), "`")]
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}
            impl Permission for $name { const SCOPE: Scope = Scope::$name; }
        )*};
    }

    permissions! {
        OfficesRead OfficesWrite WarehouseRead WarehouseWrite SalesRead SalesWrite AccountingRead AccountingPost
        AccountingAdmin ReportsRead EventsRead AuditRead OpsAdmin
    }
}

/// A caller whose token has the scope of `P`. Must be the first extractor after `State`.
#[derive(Debug, Clone)]
pub struct Can<P: Permission> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

/// A caller with any valid token. Must be the first extractor after `State`.
#[derive(Debug, Clone)]
pub struct AnyToken(Caller);

/// Anyone, for the public routes. Must be the first extractor after `State`.
#[derive(Debug, Clone)]
pub struct Open {
    /// The request.
    pub call: Call,
    /// What a read must honour.
    pub want: ReadWant,
}

/// A verified caller and the request it sent.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The request.
    pub call: Call,
    /// What a read must honour.
    pub want: ReadWant,
}

impl Caller {
    /// Checks that the token reaches the office.
    ///
    /// # Errors
    /// `office_forbidden`.
    pub fn reach(&self, office: &OfficeCode) -> Result<(), Common> {
        if self.principal.offices.allow(office) {
            Ok(())
        } else {
            Err(Common::OfficeForbidden {
                office: office.clone(),
            })
        }
    }
}

impl<P: Permission> Deref for Can<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Deref for AnyToken {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Can<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let principal = authenticated(&exchange)?;
        if !principal.has(P::SCOPE) {
            return Err(scope_missing(P::SCOPE).into());
        }
        let want = check_request(parts, &exchange)?;
        let caller = Caller {
            principal,
            call: exchange.call().clone(),
            want,
        };
        Ok(Self {
            caller,
            permission: PhantomData,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AnyToken {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let principal = authenticated(&exchange)?;
        let want = check_request(parts, &exchange)?;
        Ok(Self(Caller {
            principal,
            call: exchange.call().clone(),
            want,
        }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Open {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let want = check_request(parts, &exchange)?;
        Ok(Self {
            call: exchange.call().clone(),
            want,
        })
    }
}

/// The coordinates that a trusted edge found for the client's address (`hard-cases` 32): latitude, longitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeLocation(pub Option<(f64, f64)>);

impl<S: Send + Sync> FromRequestParts<S> for EdgeLocation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let shared = Arc::clone(Exchange::of(parts)?.shared());
        let trusted = peer(parts).is_some_and(|peer| shared.config.trusted_proxies.contain(peer));
        if !trusted {
            return Ok(Self(None));
        }
        let degrees = |name: &str, max: f64| {
            let value: f64 = parts
                .headers
                .get(name)?
                .to_str()
                .ok()?
                .trim()
                .parse()
                .ok()?;
            (value.abs() <= max).then_some(value)
        };
        let latitude = degrees("x-geo-latitude", 90.0);
        Ok(Self(latitude.zip(degrees("x-geo-longitude", 180.0))))
    }
}

/// The other end of the connection.
pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
        .map(|info| info.0.ip().to_canonical())
}

/// The token lacks a right.
pub(crate) fn scope_missing(scope: Scope) -> Problem {
    let detail = format!("The token lacks the scope {scope}.");
    Problem::new(&problem::SCOPE_MISSING, detail)
        .with("scope", scope.as_str())
        .header(
            header::WWW_AUTHENTICATE,
            format_args!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
        )
}

fn authenticated(exchange: &Exchange) -> Result<Arc<Principal>, Problem> {
    let credentials = exchange.notes().credentials.clone();
    match credentials {
        Credentials::Good(principal) => Ok(principal),
        Credentials::Missing => Err(Problem::new(
            &problem::UNAUTHENTICATED,
            "Send a token as Authorization: Bearer <token>.",
        )
        .header(header::WWW_AUTHENTICATE, "Bearer")),
        Credentials::Bad(why) => {
            Err(
                Problem::new(&problem::UNAUTHENTICATED, format!("The token {why}.")).header(
                    header::WWW_AUTHENTICATE,
                    format_args!("Bearer error=\"invalid_token\", error_description=\"{why}\""),
                ),
            )
        }
        Credentials::NoKeys => Err(Problem::new(
            &problem::REGION_UNAVAILABLE,
            "The token cannot be verified here now: the issuer's keys could not be read.",
        )
        .retry_after_ms(1000)
        .with_alternatives()),
    }
}

/// The checks that follow the scope and mean the same on every route: parameters' names, then headers.
fn check_request(parts: &Parts, exchange: &Exchange) -> Result<ReadWant, Problem> {
    let operation = exchange.notes().operation.clone();
    let mut want = match operation {
        Some(operation) => {
            query::refuse_unknown(parts.uri.query(), &operation.query)?;
            headers::common(parts, &operation.produces)?
        }
        None => headers::common(parts, &["application/json"])?,
    };
    want.whole = AllowPartial::is_refused(parts.uri.query());
    if let Some(token) = want.token {
        // One slightly ahead is fine: it is served strong (`hard-cases` 14).
        let slack =
            exchange.shared().config.max_clock_offset * 2 + std::time::Duration::from_secs(1);
        if token.time() > exchange.call().received_at().plus(slack) {
            return Err(token_unknown());
        }
    }
    if exchange.is_safe() {
        exchange.notes().if_none_match =
            headers::entity_tags(&parts.headers, &header::IF_NONE_MATCH)?;
    }
    Ok(want)
}

/// Verifies the token, if there is one, and leaves the outcome for the limiter and the extractors.
pub(crate) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Ok(exchange) = Exchange::of(&parts) {
        let operation = shared.operation(&parts);
        if operation.is_none() {
            // The layer is around a route's answer to other methods too, which needs neither token nor quota.
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        exchange.notes().operation = operation;
        let started = std::time::Instant::now();
        let credentials = credentials(&shared.verifier, &parts.headers).await;
        exchange.call().facts().auth = started.elapsed();
        exchange.notes().credentials = credentials;
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn credentials(verifier: &Verifier, headers: &HeaderMap) -> Credentials {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next(), values.next());
    let Some(value) = value else {
        return Credentials::Missing;
    };
    if more.is_some() {
        return Credentials::Bad("is sent more than once");
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match token {
        Some(token) => verifier.verify(token).await,
        None => Credentials::Bad("is not sent as Bearer"),
    }
}
