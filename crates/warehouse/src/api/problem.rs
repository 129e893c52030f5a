//! The only place with status codes: domain refusal → problem document.

use platform_http::{Problem, ProblemType, ToProblem};

use crate::ops::{
    create_item::CreateItemError, delete_item::DeleteItemError, find_availability::UnknownSku,
    set_item_price::SetItemPriceError,
};

const SKU_TAKEN: ProblemType = ProblemType::new("sku_taken", 409, "SKU taken");
const ITEM_IN_USE: ProblemType = ProblemType::new("item_in_use", 409, "Item in use");
const ITEM_ARCHIVED: ProblemType = ProblemType::new("item_archived", 409, "Item archived");
const UNKNOWN_SKU: ProblemType = ProblemType::new("unknown_sku", 404, "Unknown SKU");

/// Every kind that this system adds to the common ones.
pub(super) const PROBLEMS: &[ProblemType] = &[SKU_TAKEN, ITEM_IN_USE, ITEM_ARCHIVED, UNKNOWN_SKU];

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

impl ToProblem for UnknownSku {
    fn to_problem(&self) -> Problem {
        Problem::new(&UNKNOWN_SKU, format!("No item has the SKU {}.", self.sku))
            .with("sku", self.sku.as_str())
    }
}
