//! The only place with status codes: domain refusal → problem document.

mod documents;

use kernel::Invalid;
use platform_http::{Problem, ProblemType, ToProblem, problem::AMOUNT_OUT_OF_RANGE};
use warehouse::stock::{self, NotReserved};

use crate::{
    domain::order::{OrderStatus, TooMany},
    ops::{
        cancel_order::CancelOrderError, confirm_order::ConfirmOrderError,
        create_customer::CustomerError, create_order::CreateOrderError, new_lines::LinesError,
        update_order::UpdateOrderError,
    },
    views::json,
};

use documents::{
    DUPLICATE_REFERENCE, NOT_RESERVED, PERIOD_CLOSED, REFUND_EXCEEDS_PAID, RETURN_EXCEEDS_SHIPPED,
};

const EMAIL_TAKEN: ProblemType = ProblemType::new("email_taken", 409, "E-mail taken");
const CUSTOMER_ANONYMISED: ProblemType =
    ProblemType::new("customer_anonymised", 409, "Customer anonymised");
const ORDER_STATE: ProblemType = ProblemType::new("order_state", 409, "Order in another state");
const ALREADY_SHIPPED: ProblemType = ProblemType::new("already_shipped", 409, "Already shipped");
const PRICE_MISSING: ProblemType = ProblemType::new("price_missing", 422, "Price missing");
const LOCATION_OF_OTHER_OFFICE: ProblemType =
    ProblemType::new("location_of_other_office", 422, "Location elsewhere");
const CURRENCY_MISMATCH: ProblemType =
    ProblemType::new("currency_mismatch", 422, "Currency mismatch");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[
    EMAIL_TAKEN,
    CUSTOMER_ANONYMISED,
    ORDER_STATE,
    ALREADY_SHIPPED,
    PRICE_MISSING,
    LOCATION_OF_OTHER_OFFICE,
    CURRENCY_MISMATCH,
    DUPLICATE_REFERENCE,
    NOT_RESERVED,
    PERIOD_CLOSED,
    REFUND_EXCEEDS_PAID,
    RETURN_EXCEEDS_SHIPPED,
];

impl ToProblem for CustomerError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::EmailTaken => Problem::new(
                &EMAIL_TAKEN,
                "Another customer of the office has this e-mail.",
            ),
            Self::Anonymised => Problem::new(
                &CUSTOMER_ANONYMISED,
                "Nothing is known of the person any more, and nothing can be added.",
            ),
        }
    }
}

impl ToProblem for CreateOrderError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::CurrencyMismatch { office } => {
                let detail = format!("is not {office}, the office's currency");
                let invalid = Invalid::one("/currency", "currency_mismatch", detail);
                broken(&CURRENCY_MISMATCH, &invalid)
            }
            Self::Lines(error) => of_lines(error),
        }
    }
}

impl ToProblem for UpdateOrderError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State(status) => order_state(
                *status,
                "Only a draft is changed; later only its notes are.",
            ),
            Self::Lines(error) => of_lines(error),
        }
    }
}

impl ToProblem for ConfirmOrderError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State(status) => order_state(*status, "Only a draft is confirmed."),
            Self::NotReserved(refusal) => not_reserved(refusal),
        }
    }
}

impl ToProblem for CancelOrderError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State(status) => {
                order_state(*status, "Only a draft or a confirmed order is cancelled.")
            }
            Self::AlreadyShipped(lines) if lines.is_empty() => Problem::new(
                &ALREADY_SHIPPED,
                "Some of the order is shipped; cancel what is still open of its lines.",
            ),
            Self::AlreadyShipped(lines) => Problem::new(
                &ALREADY_SHIPPED,
                "More is to be cancelled than is neither shipped nor cancelled.",
            )
            .with("lines", too_many(lines)),
            Self::OutOfRange => out_of_range(),
        }
    }
}

fn of_lines(error: &LinesError) -> Problem {
    match error {
        LinesError::LocationOfOtherOffice(invalid) => broken(&LOCATION_OF_OTHER_OFFICE, invalid),
        LinesError::PriceMissing(invalid) => broken(&PRICE_MISSING, invalid),
        LinesError::OutOfRange => out_of_range(),
        LinesError::Archived { skus } => stock::items_archived("order lines", skus),
        LinesError::NotReserved(refusal) => not_reserved(refusal),
    }
}

fn not_reserved(refusal: &NotReserved) -> Problem {
    match refusal {
        NotReserved::Archived { skus } => stock::items_archived("reservations", skus),
        NotReserved::Insufficient { lines } => {
            let detail = match lines.len() {
                1 => "One line of the order cannot be had.".to_owned(),
                many => format!("{many} lines of the order cannot be had."),
            };
            stock::insufficient_stock(detail, lines)
        }
    }
}

/// A rule that members of the body break by what they name.
fn broken(kind: &ProblemType, invalid: &Invalid) -> Problem {
    let detail = match invalid.errors.as_slice() {
        [one] => format!("{} {}.", one.pointer, one.detail),
        many => format!("{} members of the body are not acceptable.", many.len()),
    };
    Problem::new(kind, detail).with("errors", json(&invalid.errors))
}

/// What cannot be done with an order as it is.
pub(super) fn order_state(status: OrderStatus, rule: &str) -> Problem {
    let status = status.as_str();
    Problem::new(&ORDER_STATE, format!("The order is {status}. {rule}"))
        .with("order_status", status)
}

/// Lines of which more is wanted than there is.
pub(super) fn too_many(lines: &[TooMany]) -> serde_json::Value {
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| {
            serde_json::json!({
                "line": line.line, "sku": line.sku, "wanted": line.wanted, "open": line.open,
            })
        })
        .collect();
    lines.into()
}

fn out_of_range() -> Problem {
    Problem::new(
        &AMOUNT_OUT_OF_RANGE,
        "An amount would be beyond 9007199254740991 (2^53 - 1).",
    )
}
