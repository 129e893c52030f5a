//! How the rows of a write of many end: each has a key, an effect and an answer of its own.

use crate::{Common, Reply};

/// One row's no.
#[derive(Debug)]
pub enum RowRefusal<E> {
    /// The operation's own rules.
    Own(E),
    /// One of the shared rules.
    Common(Common),
}

impl<E> From<Common> for RowRefusal<E> {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

/// How one row ended.
#[derive(Debug)]
pub enum RowEnd<E> {
    /// It was written now; in a rehearsal and in a transaction that was not wanted: it would be.
    Written(Reply),
    /// It was written before: its stored answer.
    Replayed(Reply),
    /// Nothing was written for it.
    Refused(RowRefusal<E>),
}

/// What became of the rows of one transaction.
#[derive(Debug)]
pub struct RowsEnd<E> {
    /// One per row, in order.
    pub rows: Vec<RowEnd<E>>,
    /// Whether what was written stands: false for a rehearsal and where the closure did not want it.
    pub committed: bool,
}
