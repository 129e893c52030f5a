//! `/v1/events`

use axum::extract::State;
use kernel::{OfficeCode, RegionTag};
use platform_http::{ApiError, Can, Feed, Found, Params, permission::EventsRead};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::read_events::{EventsWanted, TypePattern, event_filter, read_events},
    views::events::{EventPageView, EventView},
};

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only these types, as a comma list of types, or of their beginnings with `.*` behind.
    #[param(value_type = Option<String>, example = "warehouse.*,office.created")]
    types: Option<Vec<TypePattern>>,
    /// Only events of these offices, as a comma list. Without it: of every office that the token reaches, and of what
    /// belongs to none.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
}

/// Lists what happened, oldest first, and waits for more if asked to.
#[utoipa::path(get, path = "/v1/events", operation_id = "list_events", tag = "events",
    params(EventQuery, Feed),
    responses(
        (status = 200, description = "The next events behind the cursor; none if there are none yet.", body = EventPageView),
        (status = 410, description = "`cursor_expired`: events behind the cursor are deleted, in the regions in `expired`"),
    ),
    security(("bearer" = ["events:read"])))]
pub(super) async fn list_events(
    State(app): State<App>,
    caller: Can<EventsRead>,
    Params(query): Params<EventQuery>,
    mut feed: Feed,
) -> Result<Found<EventPageView>, ApiError> {
    let wanted = EventsWanted {
        types: query.types,
        offices: query.office,
    };
    let filter = event_filter(&app, (&caller.call, &caller.principal), wanted).await?;
    let (want, limit) = (caller.want, feed.limit);
    let places = feed.places.clone();
    let mut page = read_events(&app.db, (&caller.call, want), &filter, places, limit).await?;
    while page.events.is_empty()
        && let Some(call) = feed.wait(app.db.events_behind(&page.places)).await
    {
        let read = read_events(&app.db, (&call, want), &filter, page.places.clone(), limit).await;
        feed.add(&call);
        page = read?;
    }
    Ok(Found::plain(EventPageView {
        next_cursor: feed.cursor(&page.places),
        data: page.events.into_iter().map(EventView::from).collect(),
        unreachable: page.unreachable.iter().map(RegionTag::resource).collect(),
    }))
}
