//! Keyset pages over (`created_at`, id): nothing is skipped or repeated while rows come and go.

use crate::{RegionTag, Timestamp};

/// Direction of a list on (`created_at`, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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

/// What was read, when, and what of it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// What there was.
    pub value: T,
    /// The database's time of the read: the snapshot of the walk that it begins.
    pub at: Timestamp,
    /// Regions whose part is missing, since they could not be asked. Empty unless several were to be asked.
    pub unreachable: Vec<RegionTag>,
}

impl<T> Read<T> {
    /// The same read, of something else.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: with(self.value),
            at: self.at,
            unreachable: self.unreachable,
        }
    }
}

impl PageRequest {
    /// Before everything that was ever recorded.
    pub const BEGINNING: Timestamp = Timestamp::from_millis(-62_135_596_800_000); // 0001-01-01
    /// After everything that will ever be recorded.
    pub const END: Timestamp = Timestamp::from_millis(253_402_300_799_999); // 9999-12-31

    /// Rows to fetch: one more than wanted shows whether there is a next page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The earliest and latest `created_at` to show, both included: the filter's, cut at the walk's snapshot.
    #[must_use]
    pub fn created(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> (Timestamp, Timestamp) {
        let latest = to
            .unwrap_or(Self::END)
            .min(self.snapshot.unwrap_or(Self::END));
        (from.unwrap_or(Self::BEGINNING), latest)
    }

    /// The first page of a walk.
    #[must_use]
    pub fn begin(limit: u16, order: Order) -> Self {
        Self {
            limit,
            order,
            after: None,
            snapshot: None,
        }
    }

    /// What the first page of a walk depends on beside its filters; `None` on a later page.
    #[must_use]
    pub fn first(&self) -> Option<(u16, Order)> {
        let begins = self.after.is_none() && self.snapshot.is_none();
        begins.then_some((self.limit, self.order))
    }

    /// Where the page begins: rows strictly behind this time and id; before the first row on the first page.
    #[must_use]
    pub fn start(&self) -> (Timestamp, &str) {
        match (&self.after, self.order) {
            (Some(position), _) => (position.created_at, &position.id),
            (None, Order::Asc) => (Self::BEGINNING, ""),
            (None, Order::Desc) => (Self::END, ""),
        }
    }
}
