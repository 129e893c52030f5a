//! The only place with status codes: domain refusal → problem document.

use kernel::{Invalid, Month, OfficeCode};
use platform_http::{Problem, ProblemType, ToProblem, problem};
use serde_json::{Value, json};

use crate::{
    domain::manual::Broken,
    ops::{
        close_period::PeriodError, create_journal_entry::CreateEntryError,
        read_statement::StatementError, reverse_journal_entry::ReverseEntryError,
    },
};

const ACCOUNT_UNKNOWN: ProblemType = ProblemType::new("account_unknown", 422, "Account unknown");
const CURRENCY_MISMATCH: ProblemType =
    ProblemType::new("currency_mismatch", 422, "Currency mismatch");
const SAME_ACCOUNT: ProblemType = ProblemType::new("same_account", 422, "Same account twice");
const CONTROLLED_ACCOUNT: ProblemType =
    ProblemType::new("controlled_account", 422, "Controlled account");
const PERIOD_CLOSED: ProblemType = ProblemType::new("period_closed", 409, "Period closed");
const PERIOD_STATE: ProblemType =
    ProblemType::new("period_state", 409, "Period in that state already");
const ALREADY_REVERSED: ProblemType =
    ProblemType::new("already_reversed", 409, "Entry already reversed");
const SYSTEM_ENTRY: ProblemType = ProblemType::new("system_entry", 409, "Entry of another system");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[
    ACCOUNT_UNKNOWN,
    CURRENCY_MISMATCH,
    SAME_ACCOUNT,
    CONTROLLED_ACCOUNT,
    PERIOD_CLOSED,
    PERIOD_STATE,
    ALREADY_REVERSED,
    SYSTEM_ENTRY,
];

impl ToProblem for CreateEntryError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Broken(broken) => of_broken(broken),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => balance_out_of_range(),
        }
    }
}

impl ToProblem for ReverseEntryError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::AlreadyReversed { by } => {
                let problem = Problem::new(&ALREADY_REVERSED, "The entry was reversed before.");
                match by {
                    Some(by) => problem.with("reversed_by", by.to_string()),
                    None => problem,
                }
            }
            Self::SystemEntry { rule } => Problem::new(
                &SYSTEM_ENTRY,
                "Stock or an order made this entry: return, adjust or refund there instead.",
            )
            .with("rule", rule.as_str()),
            Self::PeriodClosed { office, period } => period_closed(office, *period),
            Self::OutOfRange => balance_out_of_range(),
        }
    }
}

impl ToProblem for PeriodError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::State {
                office,
                period,
                status,
            } => Problem::new(
                &PERIOD_STATE,
                format!("{period} of {office} is {} already.", status.as_str()),
            )
            .with("office", office.as_str())
            .with("period", period.to_string())
            .with("period_status", status.as_str()),
        }
    }
}

impl ToProblem for StatementError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::TooMany { max } => Problem::new(
                &problem::VALIDATION_FAILED,
                format!("The statement would have more than {max} postings; narrow from and to."),
            )
            .with("errors", too_many(*max)),
            Self::OutOfRange => Problem::new(
                &problem::AMOUNT_OUT_OF_RANGE,
                "A balance of the statement is beyond 9007199254740991 and cannot be shown exactly.",
            ),
        }
    }
}

fn too_many(max: usize) -> Value {
    let of = |parameter: &str| {
        json!({
            "parameter": parameter, "code": "too_many",
            "detail": format!("must leave at most {max} postings"),
        })
    };
    json!([of("from"), of("to")])
}

fn of_broken(broken: &Broken) -> Problem {
    let (kind, invalid) = match broken {
        Broken::AccountUnknown(invalid) => (&ACCOUNT_UNKNOWN, invalid),
        Broken::CurrencyMismatch(invalid) => (&CURRENCY_MISMATCH, invalid),
        Broken::SameAccount(invalid) => (&SAME_ACCOUNT, invalid),
        Broken::ControlledAccount(invalid) => (&CONTROLLED_ACCOUNT, invalid),
    };
    let errors = serde_json::to_value(&invalid.errors).unwrap_or_default();
    Problem::new(kind, detail(invalid)).with("errors", errors)
}

fn detail(invalid: &Invalid) -> String {
    match invalid.errors.as_slice() {
        [one] => format!("{} {}.", one.pointer, one.detail),
        many => format!("{} members of the body are not acceptable.", many.len()),
    }
}

fn period_closed(office: &OfficeCode, period: Month) -> Problem {
    Problem::new(
        &PERIOD_CLOSED,
        format!("{period} of {office} is closed; post into an open month, or have it reopened."),
    )
    .with("office", office.as_str())
    .with("period", period.to_string())
}

fn balance_out_of_range() -> Problem {
    Problem::new(
        &problem::AMOUNT_OUT_OF_RANGE,
        "The balance of an account would be beyond 9007199254740991.",
    )
}
