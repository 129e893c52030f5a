//! Bodies of orders.

use kernel::{
    CurrencyCode, Invalid, LocationCode, OfficeCode, Quantity,
    id::{CustomerId, ItemId, OrderLineId},
    money::AMOUNT_MAX,
    text::{REFERENCE_MAX, TEXT_MAX},
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use super::SERVER_SET;
use crate::{
    domain::{
        line::LineUnits,
        order::{HOLD_SECONDS_MAX, LINES_MAX},
    },
    ops::{
        cancel_order::CancelOrder, create_order::CreateOrder, new_lines::NewLine,
        update_order::OrderPatch,
    },
};

/// What only the server says of an order.
const OF_ORDER: &[&str] = &[
    "status",
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "paid_minor",
    "refunded_minor",
    "invoiced_minor",
    "credited_minor",
    "payment_status",
    "fulfilment_status",
    "placed_at",
    "expires_at",
];
/// What only the server says of a line.
const OF_LINE: &[&str] = &[
    "id",
    "sku",
    "name",
    "unit_price_minor",
    "tax_rate_bp",
    "shipped",
    "returned",
    "cancelled",
];

/// A new order.
#[derive(Debug, ToSchema)]
#[schema(as = NewOrder, example = json!({"office": "ber", "customer": "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra",
    "lines": [{"item": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra", "location": "ber-main", "quantity": 2}],
    "reference": "PO-4711", "hold_seconds": 900}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_order` below reads"
)]
pub(in crate::api) struct OrderBody {
    #[schema(example = "ber")]
    office: String,
    /// A customer of that office.
    #[schema(example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    customer: String,
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<OrderLineBody>,
    /// What the customer calls it.
    #[schema(min_length = 1, max_length = 128, example = "PO-4711")]
    reference: Option<String>,
    /// Hold the goods at once, for so long; without it nothing is held before the order is confirmed.
    #[schema(minimum = 1, maximum = 86_400, example = 900)]
    hold_seconds: Option<i64>,
    /// The office's currency, if you want to be sure which it is.
    #[schema(example = "EUR")]
    currency: Option<String>,
    #[schema(min_length = 1, max_length = 2000)]
    notes: Option<String>,
}

/// So many units of an item from a location of the office.
#[derive(Debug, ToSchema)]
#[schema(as = NewOrderLine)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_order` below reads"
)]
struct OrderLineBody {
    #[schema(example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: String,
    #[schema(example = "ber-main")]
    location: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 2)]
    quantity: i64,
}

/// Members of an order to change: of a draft all, later only `notes`.
#[derive(Debug, ToSchema)]
#[schema(as = OrderPatch, example = json!({"lines": [{"item": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra",
    "location": "ber-main", "quantity": 3}], "notes": "Ring twice."}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `update_order` below reads"
)]
pub(in crate::api) struct OrderPatchBody {
    /// All lines anew, at the prices of now; what the draft holds is held anew with them.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<OrderLineBody>>,
    customer: Option<String>,
    /// Null clears it.
    #[schema(min_length = 1, max_length = 128)]
    reference: Option<String>,
    /// Null clears them.
    #[schema(min_length = 1, max_length = 2000)]
    notes: Option<String>,
}

/// Why an order is cancelled, and how much of it.
#[derive(Debug, ToSchema)]
#[schema(as = OrderCancellation, example = json!({"reason": "The customer found another."}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `cancel_order` below reads"
)]
pub(in crate::api) struct CancelBody {
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// Only so much of these lines; without it all of the order, of which nothing may be shipped.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<LineUnitsBody>>,
}

/// Some units of a line of the order.
#[derive(Debug, ToSchema)]
#[schema(as = OrderLineUnits)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `line_units` below reads"
)]
pub(super) struct LineUnitsBody {
    #[schema(example = "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    line: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    quantity: i64,
}

pub(in crate::api) fn create_order(body: &Value) -> Result<CreateOrder, Invalid> {
    let mut fields = Fields::of(body);
    let office = fields.parse::<OfficeCode>("office");
    let customer = fields.parse::<CustomerId>("customer");
    let lines = fields.list("lines", LINES_MAX, new_line);
    not_empty(&mut fields, body);
    let reference = fields.opt_text("reference", REFERENCE_MAX);
    let hold_seconds = fields.opt_integer("hold_seconds", 1..=HOLD_SECONDS_MAX);
    let currency = fields.opt_parse::<CurrencyCode>("currency");
    let notes = fields.opt_text("notes", TEXT_MAX);
    fields.read_only(OF_ORDER);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        office?; // whose it is was found out ahead
        Some(CreateOrder {
            customer: customer?,
            lines: lines?,
            reference,
            hold_seconds,
            currency,
            notes,
        })
    })
}

pub(in crate::api) fn update_order(body: &Value) -> Result<OrderPatch, Invalid> {
    let mut fields = Fields::of(body);
    let has_lines = body.get("lines").is_some();
    let lines = if has_lines {
        let lines = fields.list("lines", LINES_MAX, new_line);
        not_empty(&mut fields, body);
        lines
    } else {
        fields.opt_list("lines", LINES_MAX, new_line)
    };
    let customer = fields.change_parse::<CustomerId>("customer");
    let reference = fields.patch_text("reference", REFERENCE_MAX);
    let notes = fields.patch_text("notes", TEXT_MAX);
    fields.immutable(&["office", "currency", "hold_seconds"]);
    fields.read_only(OF_ORDER);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(OrderPatch {
            lines,
            customer,
            reference,
            notes,
        })
    })
}

pub(in crate::api) fn cancel_order(body: &Value) -> Result<CancelOrder, Invalid> {
    let mut fields = Fields::of(body);
    let reason = fields.text("reason", TEXT_MAX);
    let lines = fields.opt_list("lines", LINES_MAX, line_units);
    not_empty(&mut fields, body);
    fields.finish(|| {
        Some(CancelOrder {
            reason: reason?,
            lines,
        })
    })
}

/// One element of the `lines` of a verb: so much of a line.
pub(super) fn line_units(line: &mut Fields<'_>) -> Option<LineUnits> {
    let id = line.parse::<OrderLineId>("line");
    let quantity = quantity(line);
    Some(LineUnits {
        line: id?,
        quantity: quantity?,
    })
}

fn new_line(line: &mut Fields<'_>) -> Option<NewLine> {
    let item = line.parse::<ItemId>("item");
    let location = line.parse::<LocationCode>("location");
    let quantity = quantity(line);
    line.read_only(OF_LINE);
    Some(NewLine {
        item: item?,
        location: location?,
        quantity: quantity?,
    })
}

fn quantity(line: &mut Fields<'_>) -> Option<Quantity> {
    line.integer("quantity", 1..=AMOUNT_MAX)
        .and_then(Quantity::new)
}

/// A list that was sent has at least one element; elements that are refused are named one by one.
pub(super) fn not_empty(fields: &mut Fields<'_>, body: &Value) {
    let lines = body.get("lines").and_then(Value::as_array);
    if lines.is_some_and(Vec::is_empty) {
        fields.error("lines", "length", "must have at least one element");
    }
}
