//! Bodies of payments, refunds, shipments and returns.

use kernel::{
    Invalid,
    text::{REFERENCE_MAX, TEXT_MAX},
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    SERVER_SET,
    orders::{LineUnitsBody, line_units, not_empty},
};
use crate::{
    domain::{
        delivery::Disposition,
        order::LINES_MAX,
        payment::{Method, PaymentKind},
    },
    ops::{
        record_payment::RecordPayment,
        return_goods::{ReturnGoods, Returned},
        ship_order::ShipOrder,
    },
    views::{delivery::DispositionName, payment::MethodName},
};

/// Lines of one return: one line may come back in several ways.
const RETURN_LINES_MAX: usize = 2 * LINES_MAX;

/// Money for an order, or money back.
#[derive(Debug, ToSchema)]
#[schema(as = NewPayment, example = json!({"amount_minor": 23_800, "method": "bank_transfer",
    "external_reference": "BANK-2026-11-22-0815"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `payment` below reads"
)]
pub(in crate::api) struct PaymentBody {
    /// In minor units of the office's currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount_minor: i64,
    method: MethodName,
    /// What the bank or the provider calls it; unique in the office, payments and refunds together.
    #[schema(min_length = 1, max_length = 128)]
    external_reference: Option<String>,
}

pub(in crate::api) fn payment(body: &Value, kind: PaymentKind) -> Result<RecordPayment, Invalid> {
    let mut fields = Fields::of(body);
    let amount = fields.amount("amount_minor", 1);
    let method = fields.parse::<Method>("method");
    let external_reference = fields.opt_text("external_reference", REFERENCE_MAX);
    fields.read_only(&["order", "office", "kind", "currency", "journal_entry"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(RecordPayment {
            kind,
            amount: amount?,
            method: method?,
            external_reference,
        })
    })
}

/// Units to ship; without lines all that is open.
#[derive(Debug, ToSchema)]
#[schema(as = NewShipment, example = json!({"lines": [{"line": "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra", "quantity": 1}],
    "carrier": "DHL", "tracking": "JJD0099"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `shipment` below reads"
)]
pub(in crate::api) struct ShipmentBody {
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<LineUnitsBody>>,
    #[schema(min_length = 1, max_length = 128)]
    carrier: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    tracking: Option<String>,
}

pub(in crate::api) fn shipment(body: &Value) -> Result<ShipOrder, Invalid> {
    let mut fields = Fields::of(body);
    let lines = fields.opt_list("lines", LINES_MAX, line_units);
    not_empty(&mut fields, body);
    let carrier = fields.opt_text("carrier", REFERENCE_MAX);
    let tracking = fields.opt_text("tracking", REFERENCE_MAX);
    fields.read_only(&["order", "office", "journal_entries"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(ShipOrder {
            lines,
            carrier,
            tracking,
        })
    })
}

/// Goods that came back.
#[derive(Debug, ToSchema)]
#[schema(as = NewReturn, example = json!({"lines": [{"line": "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra", "quantity": 1,
    "disposition": "restock", "reason": "wrong colour"}]}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `goods_back` below reads"
)]
pub(in crate::api) struct ReturnBody {
    #[schema(min_items = 1, max_items = 200)]
    lines: Vec<ReturnLineBody>,
}

/// Units of one line of the order that came back.
#[derive(Debug, ToSchema)]
#[schema(as = NewReturnLine)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `goods_back` below reads"
)]
struct ReturnLineBody {
    #[schema(example = "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    line: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    quantity: i64,
    /// `restock`: back on the shelf that they came from, at what they had cost. `scrap`: written off.
    disposition: DispositionName,
    #[schema(min_length = 1, max_length = 2000, example = "wrong colour")]
    reason: String,
}

pub(in crate::api) fn goods_back(body: &Value) -> Result<ReturnGoods, Invalid> {
    let mut fields = Fields::of(body);
    let lines = fields.list("lines", RETURN_LINES_MAX, |line| {
        let units = line_units(line);
        let disposition = line.parse::<Disposition>("disposition");
        let reason = line.text("reason", TEXT_MAX);
        Some(Returned {
            units: units?,
            disposition: disposition?,
            reason: reason?,
        })
    });
    not_empty(&mut fields, body);
    fields.read_only(&["order", "office", "journal_entries"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| Some(ReturnGoods { lines: lines? }))
}
