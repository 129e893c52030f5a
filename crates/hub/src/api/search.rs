//! `/v1/search`

use axum::extract::State;
use platform_http::{AnyToken, ApiError, Found, Params, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::QUERY_TOO_SHORT;
use crate::{
    App,
    ops::search::search,
    views::search::{Hit, SearchPage},
};

/// Characters after trimming.
const TEXT_MIN: usize = 2;
const TEXT_MAX: usize = 200;

const LIMIT_MAX: u64 = 50;
const LIMIT_DEFAULT: u64 = 20;

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// A name or its beginning, an id, a SKU, a barcode, a reference, an e-mail address; 2 to 200 characters after
    /// trimming. Capitals do not matter, and slips of the pen are forgiven.
    #[param(min_length = 2, max_length = 200, example = "desk lmap")]
    q: String,
    /// Hits to show; more than 50 is taken as 50.
    #[param(minimum = 1, default = 20)]
    limit: Option<u64>,
}

/// Finds what the caller may read, of all systems: what is named exactly first, then names that begin so, then what is
/// like it.
#[utoipa::path(get, path = "/v1/search", operation_id = "search", tag = "search",
    params(SearchQuery),
    responses(
        (status = 200, description = "The hits, best first.", body = SearchPage),
        (status = 400, description = "`query_too_short`, or what is wrong with a parameter"),
    ),
    security(("bearer" = [])))]
pub(super) async fn search_all(
    State(app): State<App>,
    caller: AnyToken,
    Params(query): Params<SearchQuery>,
) -> Result<Found<SearchPage>, ApiError> {
    let text = query.q.trim().to_owned();
    let limit = match query.limit.unwrap_or(LIMIT_DEFAULT) {
        0 => return Err(Problem::invalid_parameter("limit", "range", "must be at least 1").into()),
        limit => usize::try_from(limit.min(LIMIT_MAX)).unwrap_or_default(),
    };
    match text.chars().count() {
        ..TEXT_MIN => {
            let detail = "q must have at least 2 characters besides white space at its ends.";
            return Err(Problem::new(&QUERY_TOO_SHORT, detail).into());
        }
        TEXT_MIN..=TEXT_MAX => {}
        _ => {
            let detail = "must have at most 200 characters";
            return Err(Problem::invalid_parameter("q", "too_long", detail).into());
        }
    }
    let who = (&*caller.principal, caller.want);
    let hits = search(&app.db, &caller.call, who, (text, limit)).await?;
    Ok(Found::plain(SearchPage {
        data: hits.into_iter().map(Hit::from).collect(),
        unreachable: Vec::new(),
    }))
}
