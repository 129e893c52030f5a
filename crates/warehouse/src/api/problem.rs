//! The only place with status codes: domain refusal → problem document.

use platform_http::{Problem, ProblemType, ToProblem};

use crate::{
    domain::reservation::{NotReleasable, ReservationStatus},
    ops::{
        create_item::CreateItemError, delete_item::DeleteItemError, find_availability::UnknownSku,
        release_reservation::ReleaseError, reserve_stock::ReserveError,
        set_item_price::SetItemPriceError,
    },
    views::{availability::ShortageView, json},
};

const SKU_TAKEN: ProblemType = ProblemType::new("sku_taken", 409, "SKU taken");
const ITEM_IN_USE: ProblemType = ProblemType::new("item_in_use", 409, "Item in use");
const ITEM_ARCHIVED: ProblemType = ProblemType::new("item_archived", 409, "Item archived");
const INSUFFICIENT_STOCK: ProblemType =
    ProblemType::new("insufficient_stock", 409, "Not enough stock");
const RESERVATION_NOT_ACTIVE: ProblemType =
    ProblemType::new("reservation_not_active", 409, "Reservation not active");
const UNKNOWN_SKU: ProblemType = ProblemType::new("unknown_sku", 404, "Unknown SKU");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[
    SKU_TAKEN,
    ITEM_IN_USE,
    ITEM_ARCHIVED,
    INSUFFICIENT_STOCK,
    RESERVATION_NOT_ACTIVE,
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
                let lines: Vec<ShortageView<'_>> = lines.iter().map(ShortageView::from).collect();
                Problem::new(
                    &INSUFFICIENT_STOCK,
                    format!("There is less available at {location} than wanted."),
                )
                .with("lines", json(&lines))
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
