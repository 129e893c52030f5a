//! What an export shows of the books: entries as their list shows them, oldest first. Call it on one
//! [`Snapshot`](platform_db::Snapshot) to have all rows of one moment.

use kernel::{Date, PageRequest, Position, Timestamp};
use platform_db::{DbError, Session, offices::OfficeHome};
use platform_http::{
    ExportRow,
    csv::{Cell, Table},
};

use crate::{
    EntryView,
    storage::journal::{self, EntryFilter},
};

/// The columns of journal entries: one line per posting.
pub const ENTRY_COLUMNS: &[&str] = &[
    "id",
    "office",
    "currency",
    "effective_date",
    "recorded_at",
    "recorded_by",
    "description",
    "subject_type",
    "subject_id",
    "source_type",
    "source_id",
    "source_rule",
    "reverses",
    "reversed_by",
    "posting",
    "debit",
    "credit",
    "amount_minor",
    "memo",
];

/// Which entries; bounds are included.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entries {
    /// Earliest business date.
    pub effective_from: Option<Date>,
    /// Latest business date.
    pub effective_to: Option<Date>,
    /// Earliest time recorded.
    pub created_from: Option<Timestamp>,
    /// Latest time recorded.
    pub created_to: Option<Timestamp>,
    /// As they were then: what was recorded later is not there, and reversed nothing.
    pub as_of: Option<Timestamp>,
}

/// The next entries of an office.
///
/// # Errors
/// [`DbError`].
pub async fn journal_entries(
    session: &Session,
    office: &OfficeHome,
    wanted: Entries,
    page: &PageRequest,
) -> Result<Vec<EntryView>, DbError> {
    let filter = EntryFilter {
        account: None,
        effective_from: wanted.effective_from,
        effective_to: wanted.effective_to,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
        as_of: wanted.as_of,
    };
    let rows = journal::page(session, std::slice::from_ref(office), &filter, page).await?;
    Ok(rows.iter().map(EntryView::from).collect())
}

impl ExportRow for EntryView {
    fn write_rows(&self, table: &mut Table) {
        let (id, date) = (self.id.to_string(), self.effective_date.to_string());
        let recorded_at = self.recorded_at.to_string();
        let reverses = self.reverses.as_ref().map(ToString::to_string);
        let reversed_by = self.reversed_by.as_ref().map(ToString::to_string);
        let (subject, source) = (self.subject.as_ref(), self.source.as_ref());
        for posting in &self.postings {
            let posting_id = posting.id.to_string();
            table.row(&[
                Cell::Text(&id),
                self.office.as_str().into(),
                self.currency.as_str().into(),
                Cell::Text(&date),
                Cell::Text(&recorded_at),
                Cell::Text(&self.recorded_by),
                Cell::Text(&self.description),
                subject.map(|subject| subject.kind.as_str()).into(),
                subject.map(|subject| subject.id.as_str()).into(),
                source.map(|source| source.kind.as_str()).into(),
                source.map(|source| source.id.as_str()).into(),
                source.map(|source| source.rule.as_str()).into(),
                reverses.as_deref().into(),
                reversed_by.as_deref().into(),
                Cell::Text(&posting_id),
                posting.debit.as_str().into(),
                posting.credit.as_str().into(),
                posting.amount_minor.get().into(),
                posting.memo.as_deref().into(),
            ]);
        }
    }

    fn position(&self) -> Position {
        Position {
            created_at: self.recorded_at,
            id: self.id.uuid().to_string(),
        }
    }
}
