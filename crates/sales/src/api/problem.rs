//! The only place with status codes: domain refusal → problem document.

use platform_http::{Problem, ProblemType, ToProblem};

use crate::ops::create_customer::CustomerError;

const EMAIL_TAKEN: ProblemType = ProblemType::new("email_taken", 409, "E-mail taken");
const CUSTOMER_ANONYMISED: ProblemType =
    ProblemType::new("customer_anonymised", 409, "Customer anonymised");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[EMAIL_TAKEN, CUSTOMER_ANONYMISED];

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
