//! The only place with status codes: domain refusal → problem document.

use kernel::RegionTag;
use platform_http::{
    Problem, ProblemType, ToProblem,
    problem::{ALREADY_EXISTS, AMOUNT_OUT_OF_RANGE, CURSOR_EXPIRED},
};

use crate::ops::{
    create_office::CreateOfficeError, read_events::ReadEventsError, reports::ReportError,
    update_office::UpdateOfficeError,
};

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[OFFICE_NOT_EMPTY, QUERY_TOO_SHORT];

const OFFICE_NOT_EMPTY: ProblemType = ProblemType::new("office_not_empty", 409, "Office not empty");

pub(super) const QUERY_TOO_SHORT: ProblemType =
    ProblemType::new("query_too_short", 400, "Query too short");

impl ToProblem for CreateOfficeError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::CodeTaken => Problem::new(&ALREADY_EXISTS, "Another office has this code."),
            Self::LocationTaken => Problem::new(
                &ALREADY_EXISTS,
                "The office's first location would have the code of another location.",
            ),
        }
    }
}

impl ToProblem for UpdateOfficeError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::NotEmpty => Problem::new(
                &OFFICE_NOT_EMPTY,
                "There is stock at the office, or reserved there, or of value: move it or write it off first.",
            ),
            Self::OpenOrders => Problem::new(
                &OFFICE_NOT_EMPTY,
                "The office has orders that are drafts or confirmed: ship or cancel them first.",
            ),
        }
    }
}

impl ToProblem for ReportError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::OutOfRange => Problem::new(
                &AMOUNT_OUT_OF_RANGE,
                "A number of the report is beyond 9007199254740991 (2^53 - 1); ask for fewer offices or a shorter span.",
            ),
        }
    }
}

impl ToProblem for ReadEventsError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Expired { regions } => {
                let names: Vec<&str> = regions.iter().map(RegionTag::as_str).collect();
                let detail = format!(
                    "Events of {} behind the cursor are older than 30 days and deleted; begin again without a cursor, \
                     and read the present state of what you follow.",
                    names.join(", ")
                );
                Problem::new(&CURSOR_EXPIRED, detail).with("expired", names)
            }
        }
    }
}
