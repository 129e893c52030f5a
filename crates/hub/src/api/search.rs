//! `/v1/search`

use axum::extract::State;
use kernel::RegionTag;

use platform_http::{AllowPartial, AnyToken, ApiError, Found, Limit, Params, Problem};
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

const LIMIT_MAX: u16 = 50;
const LIMIT_DEFAULT: u16 = 20;

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// A name or its beginning, an id, a SKU, a barcode, a reference, an e-mail address; 2 to 200 characters after
    /// trimming. Capitals do not matter, and slips of the pen are forgiven.
    #[param(min_length = 2, max_length = 200, example = "desk lmap")]
    q: String,
    /// Hits to show; more than 50 is taken as 50.
    #[param(value_type = Option<u64>, minimum = 1, default = 20)]
    limit: Option<Limit>,
}

/// Finds what the caller may read, of all systems: what is named exactly first, then names that begin so, then what is
/// like it.
#[utoipa::path(get, path = "/v1/search", operation_id = "search", tag = "search",
    params(SearchQuery, AllowPartial),
    responses(
        (status = 200, description = "The hits, best first.", body = SearchPage),
        (status = 400, description = "`query_too_short`, or what is wrong with a parameter"),
    ),
    security(("bearer" = [])))]
pub(super) async fn search_all(
    State(app): State<App>,
    caller: AnyToken,
    Params(query): Params<SearchQuery>,
    _: AllowPartial,
) -> Result<Found<SearchPage>, ApiError> {
    let text = query.q.trim().to_owned();
    let limit = query
        .limit
        .map_or(LIMIT_DEFAULT, |Limit(limit)| limit.min(LIMIT_MAX));
    let limit = usize::from(limit);
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
    let who = (&caller.call, &*caller.principal, caller.want);
    let read = search(&app, who, (text, limit)).await?;
    Ok(Found::plain(SearchPage {
        data: read.value.into_iter().map(Hit::from).collect(),
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
    }))
}
