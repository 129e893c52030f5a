//! Keyset pages over (`created_at`, id): nothing is skipped or repeated while rows come and go.

use crate::Timestamp;

/// Direction of a list on (`created_at`, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// Where the last page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// `created_at` of its last row.
    pub created_at: Timestamp,
    /// Id or code of its last row, as stored.
    pub id: String,
}

/// One page of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows wanted, 1–200; storage fetches one more to know whether there is a next page.
    pub limit: u16,
    /// Direction.
    pub order: Order,
    /// Rows behind this one; `None` on the first page.
    pub after: Option<Position>,
    /// The moment that the whole walk shows; `None` on the first page, which sets it.
    pub snapshot: Option<Timestamp>,
}
