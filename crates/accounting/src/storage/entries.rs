//! `accounting.journal_entries` and `accounting.postings`.

use kernel::{AccountCode, Date, Month, PositiveAmount};
use platform_db::{DbError, Session, offices::OfficeHome};
use uuid::Uuid;

use crate::domain::entry::{Entry, Posting};

/// Entries, their postings and the rows of months that were never posted into, in one trip: the database looks at
/// foreign keys when the whole statement is done.
const INSERT: &str = "
    WITH month AS (
        INSERT INTO accounting.periods (region, office, period, status, version, created_at, updated_at)
        SELECT $1, $2, m.period, 'open', 1, $4, $4 FROM unnest($6::TEXT[]) AS m (period)
        ON CONFLICT (region, office, period) DO NOTHING
        RETURNING 1
    ), entry AS (
        INSERT INTO accounting.journal_entries
            (region, id, office, currency, effective_date, recorded_at, recorded_by, description,
             subject_type, subject_id, source_type, source_id, source_rule, reverses)
        SELECT $1, e.id, $2, $3, e.effective_date, $4, $5, e.description,
               e.subject_type, e.subject_id, e.source_type, e.source_id, e.source_rule, e.reverses
        FROM unnest($7::UUID[], $8::DATE[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::TEXT[], $13::TEXT[],
                    $14::TEXT[], $15::UUID[])
            AS e (id, effective_date, description, subject_type, subject_id, source_type, source_id, source_rule,
                  reverses)
        RETURNING 1
    )
    INSERT INTO accounting.postings
        (region, id, entry, line, office, currency, period, effective_date, recorded_at, debit, credit,
         amount_minor, memo)
    SELECT $1, p.id, p.entry, p.line, $2, $3, p.period, p.effective_date, $4, p.debit, p.credit,
           p.amount_minor, p.memo
    FROM unnest($16::UUID[], $17::UUID[], $18::INT8[], $19::TEXT[], $20::DATE[], $21::TEXT[], $22::TEXT[],
                $23::INT8[], $24::TEXT[])
        AS p (id, entry, line, period, effective_date, debit, credit, amount_minor, memo)";

pub(super) const STATEMENTS: &[&str] = &[INSERT];

/// Inserts entries of one office that were recorded together, and rows for the months in `first`.
pub(crate) async fn insert(
    session: &Session,
    entries: &[Entry],
    first: &[Month],
) -> Result<(), DbError> {
    let Some(any) = entries.first() else {
        return Ok(());
    };
    let home = OfficeHome {
        region: any.id.region().clone(),
        office: any.office.clone(),
    };
    let of_entries = EntryColumns::of(entries);
    let of_postings = PostingColumns::of(entries);
    session
        .execute(
            INSERT,
            &[
                &home.region,
                &home.office,
                &any.currency,
                &any.recorded_at,
                &any.recorded_by,
                &first,
                &of_entries.ids,
                &of_entries.effective_dates,
                &of_entries.descriptions,
                &of_entries.subject_types,
                &of_entries.subject_ids,
                &of_entries.source_types,
                &of_entries.source_ids,
                &of_entries.source_rules,
                &of_entries.reverses,
                &of_postings.ids,
                &of_postings.entries,
                &of_postings.lines,
                &of_postings.periods,
                &of_postings.effective_dates,
                &of_postings.debits,
                &of_postings.credits,
                &of_postings.amounts,
                &of_postings.memos,
            ],
        )
        .await
        .map(drop)
}

/// Entries as columns, for `unnest`.
#[derive(Default)]
struct EntryColumns<'a> {
    ids: Vec<Uuid>,
    effective_dates: Vec<Date>,
    descriptions: Vec<&'a str>,
    subject_types: Vec<Option<&'a str>>,
    subject_ids: Vec<Option<&'a str>>,
    source_types: Vec<Option<&'a str>>,
    source_ids: Vec<Option<&'a str>>,
    source_rules: Vec<Option<&'a str>>,
    reverses: Vec<Option<Uuid>>,
}

impl<'a> EntryColumns<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            let (subject, source) = (entry.subject.as_ref(), entry.source.as_ref());
            columns.ids.push(entry.id.uuid());
            columns.effective_dates.push(entry.effective_date);
            columns.descriptions.push(&entry.description);
            columns.subject_types.push(subject.map(|s| s.kind.as_str()));
            columns.subject_ids.push(subject.map(|s| s.id.as_str()));
            columns.source_types.push(source.map(|s| s.kind.as_str()));
            columns.source_ids.push(source.map(|s| s.id.as_str()));
            columns.source_rules.push(source.map(|s| s.rule.as_str()));
            columns
                .reverses
                .push(entry.reverses.as_ref().map(kernel::Id::uuid));
        }
        columns
    }
}

/// Postings as columns, for `unnest`.
#[derive(Default)]
struct PostingColumns<'a> {
    ids: Vec<Uuid>,
    entries: Vec<Uuid>,
    lines: Vec<i64>,
    periods: Vec<Month>,
    effective_dates: Vec<Date>,
    debits: Vec<&'a AccountCode>,
    credits: Vec<&'a AccountCode>,
    amounts: Vec<PositiveAmount>,
    memos: Vec<Option<&'a str>>,
}

impl<'a> PostingColumns<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            for (line, posting) in (1_i64..).zip(&entry.postings) {
                columns.push(entry, line, posting);
            }
        }
        columns
    }

    fn push(&mut self, entry: &Entry, line: i64, posting: &'a Posting) {
        self.ids.push(posting.id.uuid());
        self.entries.push(entry.id.uuid());
        self.lines.push(line);
        self.periods.push(entry.effective_date.month());
        self.effective_dates.push(entry.effective_date);
        self.debits.push(&posting.debit);
        self.credits.push(&posting.credit);
        self.amounts.push(posting.amount);
        self.memos.push(posting.memo.as_deref());
    }
}
