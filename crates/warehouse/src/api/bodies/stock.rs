//! Bodies of receipts and adjustments.

use kernel::{
    AmountMinor, Invalid, LocationCode, Quantity, id::ItemId, money::AMOUNT_MAX,
    text::REFERENCE_MAX,
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use super::SERVER_SET;
use crate::{
    domain::movement::Reason,
    ops::{
        adjust_stock::{AdjustStock, Change},
        receive_stock::{ReceiptKind, ReceiptLine, ReceiveStock},
    },
    views::level::ReasonName,
};

/// Lines of one receipt: more are a second one.
const LINES_MAX: usize = 500;

/// Goods that came in.
#[derive(Debug, ToSchema)]
#[schema(as = NewReceipt, example = json!({"location": "ber-main", "reference": "PO-2210", "lines": [
    {"item": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra", "quantity": 40, "unit_cost_minor": 6_000}]}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `receive_stock` below reads"
)]
pub(in crate::api) struct ReceiptBody {
    #[schema(example = "ber-main")]
    location: String,
    /// What you call it.
    #[schema(min_length = 1, max_length = 128, example = "PO-2210")]
    reference: String,
    /// `opening`: goods that were there before the books were; needs `accounting:post` too.
    kind: Option<ReceiptKindName>,
    #[schema(min_items = 1, max_items = 500)]
    lines: Vec<ReceiptLineBody>,
}

/// Where goods come from.
#[derive(Debug, ToSchema)]
#[schema(as = ReceiptKind, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "describes the words of `ReceiptKind` in the OpenAPI document"
)]
enum ReceiptKindName {
    Receipt,
    Opening,
}

/// Goods of one item: `unit_cost_minor` or `cost_minor`, exactly one.
#[derive(Debug, ToSchema)]
#[schema(as = NewReceiptLine)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `receive_stock` below reads"
)]
struct ReceiptLineBody {
    #[schema(example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 40)]
    quantity: i64,
    /// What one cost, in minor units of the office's currency.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 6_000)]
    unit_cost_minor: Option<i64>,
    /// What all of it cost: where one costs less than a minor unit, or a share of it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    cost_minor: Option<i64>,
}

pub(in crate::api) fn receive_stock(body: &Value) -> Result<ReceiveStock, Invalid> {
    let mut fields = Fields::of(body);
    let location = fields.parse::<LocationCode>("location");
    let kind = fields.opt_one_of(
        "kind",
        &[
            ("receipt", ReceiptKind::Receipt),
            ("opening", ReceiptKind::Opening),
        ],
    );
    let reference = fields.text("reference", REFERENCE_MAX);
    let lines = fields.list("lines", LINES_MAX, receipt_line);
    if lines.as_ref().is_some_and(Vec::is_empty) && is_empty_list(body, "lines") {
        fields.error("lines", "length", "must have at least one element");
    }
    fields.read_only(&["id", "office", "movements", "journal_entry"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(ReceiveStock {
            location: location?,
            kind: kind.unwrap_or(ReceiptKind::Receipt),
            reference: reference?,
            lines: lines?,
        })
    })
}

/// Whether a list is empty as sent: elements that are refused are named one by one.
fn is_empty_list(body: &Value, name: &str) -> bool {
    body.get(name)
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
}

fn receipt_line(line: &mut Fields<'_>) -> Option<ReceiptLine> {
    let item = line.parse::<ItemId>("item");
    let quantity = quantity(line, "quantity", 1);
    let unit_cost = line.opt_amount("unit_cost_minor", 0);
    let whole_cost = line.opt_amount("cost_minor", 0);
    match (line.has("unit_cost_minor"), line.has("cost_minor")) {
        (true, true) => line.error(
            "cost_minor",
            "exclusive",
            "cannot be sent together with unit_cost_minor",
        ),
        (false, false) if line.is_object() => line.error(
            "unit_cost_minor",
            "required",
            "is required, or cost_minor in its place",
        ),
        (true, false) | (false, true) | (false, false) => {}
    }
    let cost = match (unit_cost, quantity) {
        (Some(unit_cost), Some(quantity)) => match unit_cost.times(quantity) {
            Ok(cost) => Some(cost),
            Err(error) => {
                let detail = format!("times quantity {error}");
                line.error("unit_cost_minor", "amount_out_of_range", detail);
                None
            }
        },
        _ => whole_cost,
    };
    Some(ReceiptLine {
        item: item?,
        quantity: quantity?,
        cost: cost?,
    })
}

fn quantity(fields: &mut Fields<'_>, name: &'static str, min: i64) -> Option<Quantity> {
    fields
        .integer(name, min..=AMOUNT_MAX)
        .and_then(Quantity::new)
}

/// A difference (`delta`), or what was counted (`counted` and `expected_on_hand`).
#[derive(Debug, ToSchema)]
#[schema(as = NewAdjustment, example = json!({"location": "ber-main", "item": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra",
    "counted": 38, "expected_on_hand": 40, "reason": "count"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `adjust_stock` below reads"
)]
pub(in crate::api) struct AdjustmentBody {
    #[schema(example = "ber-main")]
    location: String,
    #[schema(example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: String,
    /// Units more (positive) or less (negative) than the books say; not 0.
    #[schema(
        minimum = -9_007_199_254_740_991_i64,
        maximum = 9_007_199_254_740_991_i64,
        example = -2
    )]
    delta: Option<i64>,
    /// With `delta`: what one is worth, where nothing is on hand to tell; otherwise goods found are worth as much as
    /// those there.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    unit_cost_minor: Option<i64>,
    /// What is there.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 38)]
    counted: Option<i64>,
    /// With `counted`: what the books said when the count began. If they say something else by now, 412
    /// `quantity_changed`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 40)]
    expected_on_hand: Option<i64>,
    reason: ReasonName,
}

pub(in crate::api) fn adjust_stock(body: &Value) -> Result<AdjustStock, Invalid> {
    let mut fields = Fields::of(body);
    let location = fields.parse::<LocationCode>("location");
    let item = fields.parse::<ItemId>("item");
    let change = if fields.has("counted") || fields.has("expected_on_hand") {
        count(&mut fields)
    } else {
        delta(&mut fields)
    };
    let reason = fields.parse::<Reason>("reason");
    fields.read_only(&["id", "office", "movements", "journal_entry"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(AdjustStock {
            location: location?,
            item: item?,
            change: change?,
            reason: reason?,
        })
    })
}

fn count(fields: &mut Fields<'_>) -> Option<Change> {
    let counted = quantity(fields, "counted", 0);
    let expected = quantity(fields, "expected_on_hand", 0);
    for other in ["delta", "unit_cost_minor"] {
        if fields.has(other) {
            fields.error(other, "exclusive", "cannot be sent together with counted");
        }
    }
    // Known, so that they are not called unknown too.
    fields.opt_integer("delta", i64::MIN..=i64::MAX);
    fields.opt_amount("unit_cost_minor", 0);
    Some(Change::Count {
        counted: counted?,
        expected: expected?,
    })
}

fn delta(fields: &mut Fields<'_>) -> Option<Change> {
    if fields.is_object() && !fields.has("delta") {
        fields.error(
            "delta",
            "required",
            "is required, or counted with expected_on_hand in its place",
        );
    }
    let delta = fields.opt_integer("delta", -AMOUNT_MAX..=AMOUNT_MAX);
    if delta == Some(0) {
        fields.error("delta", "range", "must not be 0");
    }
    let unit_cost: Option<AmountMinor> = fields.opt_amount("unit_cost_minor", 0);
    // Named above if they were sent with a value; null is the same as absent.
    fields.opt_integer("counted", 0..=AMOUNT_MAX);
    fields.opt_integer("expected_on_hand", 0..=AMOUNT_MAX);
    let quantity = Quantity::new(delta?.checked_abs()?)?;
    Some(if delta? < 0 {
        Change::Less(quantity)
    } else {
        Change::More {
            quantity,
            unit_cost,
        }
    })
}
