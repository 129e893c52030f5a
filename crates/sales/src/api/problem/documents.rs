//! Why money or goods of an order do not move.

use kernel::{Month, OfficeCode};
use platform_http::{Problem, ProblemType, ToProblem};

use super::{order_state, out_of_range, too_many};
use crate::ops::{
    record_payment::PaymentError, return_goods::GoodsError, ship_order::ShipmentError,
};

pub(super) const DUPLICATE_REFERENCE: ProblemType =
    ProblemType::new("duplicate_reference", 409, "Duplicate reference");
pub(super) const REFUND_EXCEEDS_PAID: ProblemType =
    ProblemType::new("refund_exceeds_paid", 409, "Refund exceeds paid");
pub(super) const NOT_RESERVED: ProblemType = ProblemType::new("not_reserved", 409, "Not reserved");
pub(super) const RETURN_EXCEEDS_SHIPPED: ProblemType =
    ProblemType::new("return_exceeds_shipped", 409, "Return exceeds shipped");
pub(super) const PERIOD_CLOSED: ProblemType =
    ProblemType::new("period_closed", 409, "Period closed");

impl ToProblem for PaymentError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State(status) => {
                order_state(*status, "Only a confirmed or a fulfilled one is paid.")
            }
            Self::ExceedsPaid { refundable } => Problem::new(
                &REFUND_EXCEEDS_PAID,
                format!(
                    "{} was paid and not refunded yet, in minor units.",
                    refundable.get()
                ),
            )
            .with("refundable_minor", refundable.get()),
            Self::DuplicateReference => Problem::new(
                &DUPLICATE_REFERENCE,
                "Another payment or refund of the office has this external_reference.",
            ),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => out_of_range(),
        }
    }
}

impl ToProblem for ShipmentError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State(status) => order_state(*status, "Only a confirmed one is shipped."),
            Self::NotReserved(lines) => Problem::new(
                &NOT_RESERVED,
                "More is to be shipped than is open, hence reserved.",
            )
            .with("lines", too_many(lines)),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => out_of_range(),
        }
    }
}

impl ToProblem for GoodsError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::ExceedsShipped(lines) => Problem::new(
                &RETURN_EXCEEDS_SHIPPED,
                "More is to come back than was shipped and did not come back yet.",
            )
            .with("lines", too_many(lines)),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => out_of_range(),
        }
    }
}

fn period_closed(office: &OfficeCode, period: Month) -> Problem {
    Problem::new(
        &PERIOD_CLOSED,
        format!("{period} of {office} is closed; nothing can be dated today until it is reopened."),
    )
    .with("office", office.as_str())
    .with("period", period.to_string())
}
