//! `expand=customer,lines.item`: resources in place of their ids.

use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::{Expand, Scope};

use crate::{
    auth::scope_missing,
    error::ApiError,
    exchange::Exchange,
    problem::{ParameterError, Problem},
    query,
};

/// At most so many paths.
pub(crate) const PATHS_MAX: usize = 4;

/// A member that an operation can show as what it names, and the right that its reader needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expandable {
    pub(crate) path: String,
    pub(crate) scope: Scope,
}

/// What the caller wants to see in place of its id. Which paths an operation has, and the right that each asks for, is
/// read from `extensions(("x-expand" = json!({"item": "warehouse:read"})))` of its `#[utoipa::path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanding(pub Expand);

impl<S: Send + Sync> FromRequestParts<S> for Expanding {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let operation = exchange.notes().operation.clone();
        let known = operation
            .as_ref()
            .map_or(&[][..], |operation| &operation.expand);
        let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
        let mut values = pairs.iter().filter(|(name, _)| name == "expand");
        let Some((_, value)) = values.next() else {
            return Ok(Self(Expand::default()));
        };
        if values.next().is_some() {
            return Err(refuse("repeated", "is sent more than once".into()).into());
        }
        let wanted = wanted(value, known)?;
        let principal = exchange.principal();
        for expandable in &wanted {
            if !principal
                .as_ref()
                .is_some_and(|who| who.has(expandable.scope))
            {
                return Err(scope_missing(expandable.scope).into());
            }
        }
        let paths = wanted.into_iter().map(|expandable| expandable.path.clone());
        Ok(Self(Expand::new(paths)))
    }
}

fn wanted<'k>(value: &str, known: &'k [Expandable]) -> Result<Vec<&'k Expandable>, Problem> {
    let paths: Vec<&str> = value.split(',').collect();
    if paths.len() > PATHS_MAX {
        return Err(refuse(
            "too_many",
            format!("must name at most {PATHS_MAX} paths"),
        ));
    }
    let find = |path: &&str| {
        known
            .iter()
            .find(|expandable| expandable.path == *path)
            .ok_or_else(|| {
                let names: Vec<&str> = known
                    .iter()
                    .map(|expandable| expandable.path.as_str())
                    .collect();
                let detail = format!(
                    "must name some of {}, with commas; not {path:?}",
                    names.join(", ")
                );
                refuse("enum", detail)
            })
    };
    paths.iter().map(find).collect()
}

fn refuse(code: &str, detail: String) -> Problem {
    Problem::invalid_parameters(vec![ParameterError::new("expand", code, detail)])
}
