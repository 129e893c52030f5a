//! The only place with status codes: domain refusal → problem document.

use accounting::ledger::PostError;
use kernel::{Month, OfficeCode};
use platform_http::{
    Problem, ProblemType, ToProblem,
    problem::{AMOUNT_OUT_OF_RANGE, SCOPE_MISSING},
};

use crate::{
    domain::reservation::{NotReleasable, ReservationStatus},
    ops::{
        adjust_stock::{AdjustError, InTheWay},
        create_item::CreateItemError,
        delete_item::DeleteItemError,
        find_availability::{Shortage, UnknownSku},
        receive_stock::ReceiveError,
        release_reservation::ReleaseError,
        reserve_stock::ReserveError,
        set_item_price::SetItemPriceError,
        write_documents::DocumentError,
    },
    views::{availability::ShortageView, json, reservation::ReservationView},
};

const SKU_TAKEN: ProblemType = ProblemType::new("sku_taken", 409, "SKU taken");
const ITEM_IN_USE: ProblemType = ProblemType::new("item_in_use", 409, "Item in use");
const ITEM_ARCHIVED: ProblemType = ProblemType::new("item_archived", 409, "Item archived");
const INSUFFICIENT_STOCK: ProblemType =
    ProblemType::new("insufficient_stock", 409, "Not enough stock");
const RESERVATION_NOT_ACTIVE: ProblemType =
    ProblemType::new("reservation_not_active", 409, "Reservation not active");
const PERIOD_CLOSED: ProblemType = ProblemType::new("period_closed", 409, "Period closed");
const QUANTITY_CHANGED: ProblemType = ProblemType::new("quantity_changed", 412, "Quantity changed");
const UNKNOWN_SKU: ProblemType = ProblemType::new("unknown_sku", 404, "Unknown SKU");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[
    SKU_TAKEN,
    ITEM_IN_USE,
    ITEM_ARCHIVED,
    INSUFFICIENT_STOCK,
    RESERVATION_NOT_ACTIVE,
    PERIOD_CLOSED,
    QUANTITY_CHANGED,
    UNKNOWN_SKU,
];

impl ToProblem for CreateItemError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::SkuTaken => Problem::new(&SKU_TAKEN, "Another item has this SKU."),
        }
    }
}

impl ToProblem for DeleteItemError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::InUse => Problem::new(
                &ITEM_IN_USE,
                "The item is referred to. Archive it instead: PATCH {\"status\": \"archived\"}.",
            ),
        }
    }
}

impl ToProblem for SetItemPriceError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Archived => Problem::new(&ITEM_ARCHIVED, "The item is archived and not sold."),
        }
    }
}

impl ToProblem for ReserveError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Archived => Problem::new(
                &ITEM_ARCHIVED,
                "The item is archived and takes no new reservations.",
            ),
            Self::Insufficient { location, lines } => {
                let detail = format!("There is less available at {location} than wanted.");
                insufficient_stock(detail, lines)
            }
        }
    }
}

impl ToProblem for ReleaseError {
    fn to_problem(&self) -> Problem {
        let refuse = |detail: String| Problem::new(&RESERVATION_NOT_ACTIVE, detail);
        match self {
            Self::NotActive(NotReleasable::Ended(status)) => {
                refuse(format!("The reservation is {} already.", status.as_str()))
                    .with("reservation_status", status.as_str())
            }
            Self::NotActive(NotReleasable::OfOrder(line)) => {
                refuse("The reservation belongs to an order, which alone releases it.".into())
                    .with("reservation_status", ReservationStatus::Active.as_str())
                    .with("order_line", line.to_string())
            }
        }
    }
}

impl ToProblem for UnknownSku {
    fn to_problem(&self) -> Problem {
        Problem::new(&UNKNOWN_SKU, format!("No item has the SKU {}.", self.sku))
            .with("sku", self.sku.as_str())
    }
}

impl ToProblem for ReceiveError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::MayNotPost => Problem::new(
                &SCOPE_MISSING,
                "Opening stock is posted to the books: the token lacks the scope accounting:post.",
            )
            .with("scope", "accounting:post"),
            Self::Archived { skus } => items_archived("stock", skus),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => out_of_range(),
        }
    }
}

/// Which lines cannot be had, and who could help.
#[must_use]
pub fn insufficient_stock(detail: impl Into<String>, lines: &[Shortage]) -> Problem {
    let lines: Vec<ShortageView<'_>> = lines.iter().map(ShortageView::from).collect();
    Problem::new(&INSUFFICIENT_STOCK, detail.into()).with("lines", json(&lines))
}

/// What archived items take no more of.
#[must_use]
pub fn items_archived(what: &str, skus: &[String]) -> Problem {
    Problem::new(
        &ITEM_ARCHIVED,
        format!("Archived items take no new {what}: {}.", skus.join(", ")),
    )
    .with("skus", skus.to_vec())
}

impl ToProblem for DocumentError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Receive(error) => error.to_problem(),
            Self::Adjust(error) => error.to_problem(),
            Self::Books(PostError::PeriodClosed { office, period }) => {
                period_closed(office, *period)
            }
            Self::Books(PostError::OutOfRange) => out_of_range(),
        }
    }
}

impl ToProblem for AdjustError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::QuantityChanged { on_hand } => Problem::new(
                &QUANTITY_CHANGED,
                format!("{} are on hand by now; count again.", on_hand.get()),
            )
            .with("on_hand", on_hand.get()),
            Self::Archived { sku } => Problem::new(
                &ITEM_ARCHIVED,
                format!("{sku} is archived and takes no new stock."),
            )
            .with("skus", vec![sku.clone()]),
            Self::Insufficient(way) => {
                let detail = format!(
                    "There is less available at {} than is to be taken.",
                    way.location
                );
                insufficient_stock(detail, std::slice::from_ref(&way.shortage))
                    .with("reservations", reservations(way))
            }
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => out_of_range(),
        }
    }
}

/// Those in the way, as they are: none of them is over.
fn reservations(way: &InTheWay) -> serde_json::Value {
    let views: Vec<ReservationView> = way
        .reservations
        .iter()
        .map(|reservation| ReservationView::at(reservation, reservation.created_at))
        .collect();
    json(&views)
}

fn period_closed(office: &OfficeCode, period: Month) -> Problem {
    Problem::new(
        &PERIOD_CLOSED,
        format!("{period} of {office} is closed; nothing can be dated today until it is reopened."),
    )
    .with("office", office.as_str())
    .with("period", period.to_string())
}

fn out_of_range() -> Problem {
    Problem::new(
        &AMOUNT_OUT_OF_RANGE,
        "An amount or a balance would be beyond 9007199254740991 (2^53 - 1).",
    )
}
