//! `/v1/sales/customers`

use axum::extract::State;
use kernel::{Call, OfficeCode, Position, RegionTag, SystemError, Timestamp, id::CustomerId};
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, WriteRequest, Written,
    permission::{SalesRead, SalesWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{belongs_to, bodies};
use crate::{
    App,
    domain::customer::{CustomerStatus, Email},
    ops::{
        anonymise_customer as anonymise, create_customer as create,
        read_customers::{self as read, Wanted},
        update_customer as update,
    },
    views::customer::{CustomerStatusName, CustomerView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerQuery {
    /// Only customers of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only customers in this state.
    #[param(value_type = Option<CustomerStatusName>)]
    status: Option<CustomerStatus>,
    /// Only customers with this e-mail, in whatever case it is written.
    #[param(value_type = Option<String>, example = "kim@example.com")]
    email: Option<Email>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the customers of the offices.
#[utoipa::path(get, path = "/v1/sales/customers", operation_id = "list_customers", tag = "sales",
    params(CustomerQuery, Paging),
    responses((status = 200, description = "One page of customers.", body = Listed<CustomerView>)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn list_customers(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Params(query): Params<CustomerQuery>,
    paging: Paging,
) -> Result<Listed<CustomerView>, ApiError> {
    let wanted = Wanted {
        offices: query.office,
        status: query.status,
        email: query.email,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let listed = read::list_customers(&app, who, wanted, paging.request.clone()).await?;
    Ok(paging.page(
        listed,
        |customer| Position {
            created_at: customer.created_at,
            id: customer.id.uuid().to_string(),
        },
        |customer| CustomerView::from(&customer),
    ))
}

/// Adds a customer to an office.
#[utoipa::path(post, path = "/v1/sales/customers", operation_id = "create_customer", tag = "sales",
    request_body = bodies::customers::CustomerBody,
    responses(
        (status = 201, description = "The customer.", body = CustomerView),
        (status = 409, description = "`email_taken`, `already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn create_customer(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::customers::create_customer(request.body());
    let office = bodies::office(request.body());
    let (home, office) = belongs_to(&app, &caller.call, office).await?;
    let intent = request.intent(&caller, "create_customer", home, office);
    Ok(Written(
        create::create_customer(&app, intent, command).await?,
    ))
}

/// Shows one customer.
#[utoipa::path(get, path = "/v1/sales/customers/{id}", operation_id = "get_customer", tag = "sales",
    params(("id" = String, Path, description = "Id of the customer.", example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "The customer.", body = CustomerView)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_customer(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<CustomerId>,
) -> Result<Found<CustomerView>, ApiError> {
    let customer = read::get_customer(&app, &caller.call, caller.want, id).await?;
    caller.reach(&customer.office)?;
    Ok(Found::versioned(
        customer.version,
        CustomerView::from(&customer),
    ))
}

/// Changes what is known of a customer.
#[utoipa::path(patch, path = "/v1/sales/customers/{id}", operation_id = "update_customer", tag = "sales",
    params(("id" = String, Path, description = "Id of the customer.", example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = bodies::customers::CustomerPatchBody,
    responses(
        (status = 200, description = "The customer.", body = CustomerView),
        (status = 409, description = "`email_taken`, `customer_anonymised`, `key_voided`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn update_customer(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<CustomerId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let patch = bodies::customers::update_customer(request.body());
    let (found, home, office) = home_of(&app, &caller.call, &id).await?;
    let intent = request.intent(&caller, "update_customer", home, office);
    Ok(Written(
        update::update_customer(&app, intent, (id, found), patch).await?,
    ))
}

/// Makes a customer anonymous.
///
/// Name, e-mail, phone and tax id are gone, also from the stored answers of the writes that told them. The customer stays,
/// and so do its orders, which can be finished.
#[utoipa::path(delete, path = "/v1/sales/customers/{id}", operation_id = "anonymise_customer", tag = "sales",
    params(("id" = String, Path, description = "Id of the customer.", example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses(
        (status = 204, description = "Nothing is known of the person any more."),
        (status = 409, description = "`key_voided`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn anonymise_customer(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<CustomerId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let nothing = bodies::nothing(request.body());
    let (found, home, office) = home_of(&app, &caller.call, &id).await?;
    let intent = request.intent(&caller, "anonymise_customer", home, office);
    Ok(Written(
        anonymise::anonymise_customer(&app, intent, (id, found), nothing).await?,
    ))
}

/// Where the customer lives, if there is one; where the keys of a write to it live; and the office written to.
async fn home_of(
    app: &App,
    call: &Call,
    id: &CustomerId,
) -> Result<(Option<RegionTag>, RegionTag, Option<OfficeCode>), SystemError> {
    Ok(match read::find_home(app, call, id).await? {
        Some(home) => (Some(home.region.clone()), home.region, Some(home.office)),
        None => (None, app.hinted(id), None),
    })
}
