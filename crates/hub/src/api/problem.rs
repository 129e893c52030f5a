//! The only place with status codes: domain refusal → problem document.

use platform_http::{Problem, ProblemType, ToProblem, problem::ALREADY_EXISTS};

use crate::ops::create_office::CreateOfficeError;

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[];

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
