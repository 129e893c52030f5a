//! What the rows of a CSV file mean.

/// One column: a member of the body of the single POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub(super) name: &'static str,
    pub(super) integer: bool,
    pub(super) required: bool,
    pub(super) of_line: bool,
}

impl Column {
    /// A text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self {
            name,
            integer: false,
            required: false,
            of_line: false,
        }
    }

    /// A whole number.
    #[must_use]
    pub const fn integer(name: &'static str) -> Self {
        Self {
            integer: true,
            ..Self::text(name)
        }
    }

    /// The header must have it. (Whether a cell may be empty is the body's matter.)
    #[must_use]
    pub const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// It is a member of each line of the body, not of the body itself.
    #[must_use]
    pub const fn of_line(self) -> Self {
        Self {
            of_line: true,
            ..self
        }
    }
}

/// How rows become lines of one body: those of a run with equal reference do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// The member that holds the lines: `lines`, `postings`.
    pub member: &'static str,
    /// The column that groups rows. A row whose cell is empty stands alone.
    pub by: &'static str,
}

/// Which id a row's result names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowIds {
    /// That of what was made: the last part of its `Location`, else the first of the effect's ids.
    Document,
    /// The effect's ids one by one: the first row's first.
    EachRow,
}

/// The rows of one import. A column is a member of the single POST's body; a column that only groups is listed nowhere but
/// in [`Lines::by`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportFormat {
    /// The columns.
    pub columns: &'static [Column],
    /// Whether there may be columns `price_EUR`, …, whose cells become elements of `prices`.
    pub prices: bool,
    /// `None`: every row is a body.
    pub lines: Option<Lines>,
    /// Ids of the results.
    pub ids: RowIds,
}
