//! `/v1/sales/orders/{id}/payments`, and refunds

use axum::extract::State;
use kernel::id::{OrderId, PaymentId};
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, Segments, WriteRequest, Written,
    permission::{SalesRead, SalesWrite},
};

use super::{
    bodies::documents::{self as bodies, PaymentBody},
    documents::{self, DocumentQuery},
};
use crate::{
    App,
    domain::payment::{Payment, PaymentKind},
    ops::{
        order::{belongs_to, find_whereabouts},
        read_documents as read,
        record_payment::record_payment as record,
    },
    views::payment::PaymentView,
};

/// Takes money for an order: first what it owes, the rest is paid ahead.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/payments", operation_id = "record_payment", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = PaymentBody,
    responses(
        (status = 201, description = "The payment.", body = PaymentView),
        (status = 409, description = "`order_state`, `duplicate_reference`, `period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn record_payment(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::payment(request.body(), PaymentKind::Payment);
    let found = find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "record_payment", region, office);
    Ok(Written(record(&app, intent, (id, found), command).await?))
}

/// Gives money back, in whatever state the order is: first what was paid ahead.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/refunds", operation_id = "record_refund", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = PaymentBody,
    responses(
        (status = 201, description = "The refund, which is among the payments.", body = PaymentView),
        (status = 409, description = "`refund_exceeds_paid`, `duplicate_reference`, `period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn record_refund(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::payment(request.body(), PaymentKind::Refund);
    let found = find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "record_refund", region, office);
    Ok(Written(record(&app, intent, (id, found), command).await?))
}

/// Lists the payments of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/payments", operation_id = "list_payments", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"), DocumentQuery, Paging),
    responses((status = 200, description = "One page of payments.", body = Listed<PaymentView>)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn list_payments(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<OrderId>,
    Params(query): Params<DocumentQuery>,
    paging: Paging,
) -> Result<Listed<PaymentView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let filter = query.of(order);
    let listed = read::list_documents::<Payment>(&app, how, filter, paging.request.clone()).await?;
    Ok(documents::listed(&paging, listed, |payment| {
        PaymentView::from(&payment)
    }))
}

/// Shows one payment or refund of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/payments/{payment}", operation_id = "get_payment", tag = "sales",
    params(
        ("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        ("payment" = String, Path, description = "Id of the payment or refund.", example = "pay_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
    ),
    responses((status = 200, description = "The payment or refund.", body = PaymentView)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_payment(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segments(id, payment): Segments<OrderId, PaymentId>,
) -> Result<Found<PaymentView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let payment = read::get_document::<Payment>(&app, how, order, payment).await?;
    Ok(Found::plain(PaymentView::from(&payment)))
}
