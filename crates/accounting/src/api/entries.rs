//! `/v1/accounting/journal-entries`

use axum::extract::State;
use kernel::{AccountCode, Date, OfficeCode, Position, Timestamp, id::EntryId};
use platform_http::{
    ApiError, Can, Found, Paging, Params, Segment, WriteRequest, Written,
    permission::{AccountingPost, AccountingRead},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{belongs_to, bodies};
use crate::{
    App,
    ops::{
        create_journal_entry as create,
        read_journal_entries::{self as read, Wanted},
        reverse_journal_entry as reverse,
    },
    views::{EntryPage, EntryView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EntryQuery {
    /// Only entries of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only entries with a posting that debits or credits this account.
    #[param(value_type = Option<String>, example = "1000")]
    account: Option<AccountCode>,
    /// Only entries of this business date or later.
    #[param(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
    /// Only entries of this business date or earlier.
    #[param(value_type = Option<String>, format = Date)]
    effective_to: Option<Date>,
    /// Recorded at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Recorded at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
    /// As it was at this time.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// The moment that one entry is shown at.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MomentQuery {
    /// As it was at this time.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// Lists the journal entries of the offices.
#[utoipa::path(get, path = "/v1/accounting/journal-entries", operation_id = "list_journal_entries",
    tag = "accounting",
    params(EntryQuery, Paging),
    responses(
        (status = 200, description = "One page of entries, by `recorded_at`.", body = EntryPage),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn list_journal_entries(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Params(query): Params<EntryQuery>,
    paging: Paging,
) -> Result<Found<EntryPage>, ApiError> {
    let wanted = Wanted {
        offices: query.office,
        account: query.account,
        effective_from: query.effective_from,
        effective_to: query.effective_to,
        created_from: query.created_from,
        created_to: query.created_to,
        as_of: query.as_of,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let (listed, as_of) =
        read::list_journal_entries(&app, who, wanted, paging.request.clone()).await?;
    let listed = paging.page(
        listed,
        |entry| Position {
            created_at: entry.recorded_at,
            id: entry.id.uuid().to_string(),
        },
        |entry| EntryView::from(&entry),
    );
    Ok(Found::plain(EntryPage {
        listed,
        is_final: as_of.map(|as_of| as_of.is_final),
    }))
}

/// Posts an entry into the books of an office.
#[utoipa::path(post, path = "/v1/accounting/journal-entries", operation_id = "create_journal_entry",
    tag = "accounting",
    request_body = bodies::EntryBody,
    responses(
        (status = 201, description = "The entry.", body = EntryView),
        (status = 409, description = "`period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`account_unknown`, `currency_mismatch`, `same_account`, `controlled_account`, \
            `amount_out_of_range`, `validation_failed`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["accounting:post"])))]
pub(super) async fn create_journal_entry(
    State(app): State<App>,
    caller: Can<AccountingPost>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::create_journal_entry(request.body());
    let office = bodies::office(request.body());
    let (home, office) = belongs_to(&app, &caller.call, office).await?;
    let intent = request.intent(&caller, "create_journal_entry", home, office);
    Ok(Written(
        create::create_journal_entry(&app, intent, command).await?,
    ))
}

/// Shows one journal entry.
#[utoipa::path(get, path = "/v1/accounting/journal-entries/{id}", operation_id = "get_journal_entry",
    tag = "accounting",
    params(
        ("id" = String, Path, description = "Id of the entry.", example = "jrn_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs"),
        MomentQuery,
    ),
    responses(
        (status = 200, description = "The entry.", body = EntryView),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn get_journal_entry(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Segment(id): Segment<EntryId>,
    Params(query): Params<MomentQuery>,
) -> Result<Found<EntryView>, ApiError> {
    let how = (&caller.call, caller.want);
    let (entry, as_of) = read::get_journal_entry(&app, how, id, query.as_of).await?;
    caller.reach(&entry.office)?;
    let view = EntryView::from(&entry).at(as_of);
    Ok(Found {
        version: Some(entry.version()),
        stable: as_of.is_none(), // `final` changes by itself
        body: view,
    })
}

/// Takes an entry back: posts a second one with the sides swapped.
#[utoipa::path(post, path = "/v1/accounting/journal-entries/{id}/reverse", operation_id = "reverse_journal_entry",
    tag = "accounting",
    params(("id" = String, Path, description = "Id of the entry.", example = "jrn_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")),
    request_body = bodies::ReversalBody,
    responses(
        (status = 201, description = "The reversing entry.", body = EntryView),
        (status = 409, description = "`already_reversed`, `system_entry`, `period_closed`, `already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["accounting:post"])))]
pub(super) async fn reverse_journal_entry(
    State(app): State<App>,
    caller: Can<AccountingPost>,
    Segment(id): Segment<EntryId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::reverse_journal_entry(request.body());
    let found = reverse::find_whereabouts(&app, &caller.call, &id).await?;
    let office = found.map(|home| home.office);
    let (home, office) = belongs_to(&app, &caller.call, office).await?;
    let intent = request.intent(&caller, "reverse_journal_entry", home, office);
    Ok(Written(
        reverse::reverse_journal_entry(&app, intent, id, command).await?,
    ))
}
