//! Reads of `accounting.journal_entries`, each with its postings and with the entry that reverses it.

use kernel::{
    AccountCode, Date, OfficeCode, Order, PageRequest, PositiveAmount, RegionTag, Timestamp,
    id::{EntryId, PostingId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::corrupt;
use crate::domain::entry::{Entry, Posting, Reversed, Source, Subject};

macro_rules! columns {
    ($alias:literal) => {
        concat!(
            $alias,
            ".region, ",
            $alias,
            ".id, ",
            $alias,
            ".office, ",
            $alias,
            ".currency, ",
            $alias,
            ".effective_date, ",
            $alias,
            ".recorded_at, ",
            $alias,
            ".recorded_by, ",
            $alias,
            ".description, ",
            $alias,
            ".subject_type, ",
            $alias,
            ".subject_id, ",
            $alias,
            ".source_type, ",
            $alias,
            ".source_id, ",
            $alias,
            ".source_rule, ",
            $alias,
            ".reverses"
        )
    };
}

/// A column of the postings of entry `e`, in their order.
macro_rules! posting {
    ($column:literal) => {
        concat!(
            "ARRAY(SELECT p.", $column,
            " FROM accounting.postings AS p WHERE p.region = e.region AND p.entry = e.id ORDER BY p.line)"
        )
    };
}

/// Entries `e` of `$entries`, with what reverses them as far as it was recorded by `$until`.
macro_rules! select_entries {
    ($entries:expr, $until:literal) => {
        concat!(
            "SELECT ",
            columns!("e"),
            ", r.id AS reversed_by, r.recorded_at AS reversed_at, ",
            posting!("id"),
            " AS posting_ids, ",
            posting!("debit"),
            " AS debits, ",
            posting!("credit"),
            " AS credits, ",
            posting!("amount_minor"),
            " AS amounts, ",
            posting!("memo"),
            " AS memos FROM ",
            $entries,
            " AS e LEFT JOIN accounting.journal_entries AS r \
                ON r.region = e.region AND r.reverses = e.id AND r.recorded_at <= ",
            $until
        )
    };
}

/// The first rows of each office from one span of the index by age.
macro_rules! by_age {
    ($is_behind:literal, $direction:literal) => {
        concat!(
            "(SELECT ", columns!("j"), " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)",
            platform_db::first_of_each!(
                concat!(columns!("x"), " FROM accounting.journal_entries AS x"),
                concat!(
                    "x.region = o.region AND x.office = o.office AND x.recorded_at >= $3 AND x.recorded_at <= $4 \
                      AND ($8::DATE IS NULL OR x.effective_date >= $8::DATE) \
                      AND ($9::DATE IS NULL OR x.effective_date <= $9::DATE) AND (x.recorded_at, x.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY x.recorded_at ", $direction, ", x.id ", $direction, " LIMIT $7"
                ),
                "x.region = o.region AND x.id = $6 AND o.region IS NULL"
            ),
            " AS j ORDER BY j.recorded_at ", $direction, ", j.id ", $direction, " LIMIT $7)"
        )
    };
}

/// Entries with a posting that has account `$11` on this side: one span of that side's index by age. The bounds on the
/// effective date are worded so that no planner takes the index by that date instead, and then sorts all it finds.
macro_rules! side {
    ($side:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "(SELECT DISTINCT p.recorded_at, p.entry FROM accounting.postings AS p \
              WHERE p.region = o.region AND p.office = o.office AND p.", $side,
            " = $11 AND p.recorded_at >= $3 AND p.recorded_at <= $4 \
              AND ($8::DATE IS NULL OR p.effective_date >= $8::DATE) \
                AND ($9::DATE IS NULL OR p.effective_date <= $9::DATE) AND (p.recorded_at, p.entry) ",
            $is_behind,
            " ($5, $6) ORDER BY p.recorded_at ", $direction, ", p.entry ", $direction, " LIMIT $7)"
        )
    };
}

macro_rules! by_account {
    ($is_behind:literal, $direction:literal) => {
        concat!(
            "(SELECT ",
            columns!("x"),
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) \
              CROSS JOIN LATERAL (",
            side!("debit", $is_behind, $direction),
            " UNION ",
            side!("credit", $is_behind, $direction),
            ") AS hit (recorded_at, id) \
              JOIN accounting.journal_entries AS x ON x.region = o.region AND x.id = hit.id \
              ORDER BY x.recorded_at ",
            $direction,
            ", x.id ",
            $direction,
            " LIMIT $7)"
        )
    };
}

macro_rules! page {
    ($entries:expr, $direction:literal) => {
        concat!(
            select_entries!($entries, "$10"),
            " ORDER BY e.recorded_at ",
            $direction,
            ", e.id ",
            $direction
        )
    };
}

const GET: &str = concat!(
    select_entries!("accounting.journal_entries", "$3"),
    " WHERE e.region = ANY ($1) AND e.id = $2 AND e.recorded_at <= $3"
);
const MANY: &str = concat!(
    select_entries!("accounting.journal_entries", "$3"),
    " WHERE e.region = ANY ($1) AND e.id = ANY ($2) AND e.recorded_at <= $3"
);
const PAGE_DESC: &str = page!(by_age!("<", "DESC"), "DESC");
const PAGE_ASC: &str = page!(by_age!(">", "ASC"), "ASC");
const ACCOUNT_DESC: &str = page!(by_account!("<", "DESC"), "DESC");
const ACCOUNT_ASC: &str = page!(by_account!(">", "ASC"), "ASC");
const ABOUT: &str = concat!(
    select_entries!("accounting.journal_entries", "$5"),
    " WHERE e.region = $1 AND e.office = $2 AND e.subject_type = $3 AND e.subject_id = $4 AND e.recorded_at <= $5 \
      ORDER BY e.recorded_at, e.id"
);
const OFFICE: &str =
    "SELECT region, office FROM accounting.journal_entries WHERE region = ANY ($1) AND id = $2";

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    MANY,
    PAGE_DESC,
    PAGE_ASC,
    ACCOUNT_DESC,
    ACCOUNT_ASC,
    ABOUT,
    OFFICE,
];

/// Which entries a list shows.
#[derive(Debug, Clone)]
pub(crate) struct EntryFilter {
    /// With a posting that debits or credits it.
    pub(crate) account: Option<AccountCode>,
    pub(crate) effective_from: Option<Date>,
    pub(crate) effective_to: Option<Date>,
    /// Recorded at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Recorded at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
    /// As it was then.
    pub(crate) as_of: Option<Timestamp>,
}

/// The entry as it was at `until`, wherever it lives.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &EntryId,
    until: Option<Timestamp>,
) -> Result<Option<Entry>, DbError> {
    let until = until.unwrap_or(PageRequest::END);
    session
        .row_opt(GET, &[&regions, &id.uuid(), &until])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// The entries of an office about a subject, oldest first.
pub(crate) async fn about(
    session: &Session,
    home: &OfficeHome,
    subject: &Subject,
) -> Result<Vec<Entry>, DbError> {
    let params: &[&(dyn ToSql + Sync)] = &[
        &home.region,
        &home.office,
        &subject.kind,
        &subject.id,
        &PageRequest::END,
    ];
    let rows = session.rows(ABOUT, params).await?;
    rows.iter().map(from_row).collect()
}

/// Those of the entries that there were at `until`, wherever they live.
pub(crate) async fn many(
    session: &Session,
    regions: &[RegionTag],
    ids: &[EntryId],
    until: Option<Timestamp>,
) -> Result<Vec<Entry>, DbError> {
    let until = until.unwrap_or(PageRequest::END);
    let ids: Vec<Uuid> = ids.iter().map(EntryId::uuid).collect();
    let rows = session.rows(MANY, &[&regions, &ids, &until]).await?;
    rows.iter().map(from_row).collect()
}

/// The office of an entry, and where it lives.
pub(crate) async fn office(
    session: &Session,
    regions: &[RegionTag],
    id: &EntryId,
) -> Result<Option<OfficeHome>, DbError> {
    let Some(row) = session.row_opt(OFFICE, &[&regions, &id.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(OfficeHome {
        region: row.get("region")?,
        office: row.get::<OfficeCode>("office")?,
    }))
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &EntryFilter,
    page: &PageRequest,
) -> Result<Vec<Entry>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let until = filter.as_of.unwrap_or(PageRequest::END);
    let to = to.min(until);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![
        &regions,
        &offices,
        &from,
        &to,
        &time,
        &id,
        &limit,
        &filter.effective_from,
        &filter.effective_to,
        &until,
    ];
    if let Some(account) = &filter.account {
        params.push(account);
    }
    let sql = match (&filter.account, page.order) {
        (None, Order::Desc) => PAGE_DESC,
        (None, Order::Asc) => PAGE_ASC,
        (Some(_), Order::Desc) => ACCOUNT_DESC,
        (Some(_), Order::Asc) => ACCOUNT_ASC,
    };
    let rows = session.rows(sql, &params).await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Entry, DbError> {
    let region: RegionTag = row.get("region")?;
    let entry = |uuid: Uuid| EntryId::new(region.clone(), uuid);
    let reversed_by: Option<Uuid> = row.get("reversed_by")?;
    let reversed = match reversed_by {
        Some(by) => Some(Reversed {
            by: entry(by),
            at: row.get("reversed_at")?,
        }),
        None => None,
    };
    Ok(Entry {
        id: entry(row.get("id")?),
        office: row.get("office")?,
        currency: row.get("currency")?,
        effective_date: row.get("effective_date")?,
        recorded_at: row.get("recorded_at")?,
        recorded_by: row.get("recorded_by")?,
        description: row.get("description")?,
        subject: subject(row)?,
        source: source(row)?,
        reverses: row.get::<Option<Uuid>>("reverses")?.map(entry),
        reversed,
        postings: postings(row, &region)?,
    })
}

fn subject(row: &Row) -> Result<Option<Subject>, DbError> {
    let (kind, id) = (row.get("subject_type")?, row.get("subject_id")?);
    let (Some(kind), Some(id)) = (kind, id) else {
        return Ok(None);
    };
    Ok(Some(Subject { kind, id }))
}

fn source(row: &Row) -> Result<Option<Source>, DbError> {
    let (kind, id) = (row.get("source_type")?, row.get("source_id")?);
    let (Some(kind), Some(id), Some(rule)) = (kind, id, row.get("source_rule")?) else {
        return Ok(None);
    };
    Ok(Some(Source { kind, id, rule }))
}

fn postings(row: &Row, region: &RegionTag) -> Result<Vec<Posting>, DbError> {
    let ids: Vec<Uuid> = row.get("posting_ids")?;
    let debits: Vec<AccountCode> = row.get("debits")?;
    let credits: Vec<AccountCode> = row.get("credits")?;
    let amounts: Vec<PositiveAmount> = row.get("amounts")?;
    let memos: Vec<Option<String>> = row.get("memos")?;
    let count = ids.len();
    if [debits.len(), credits.len(), amounts.len(), memos.len()] != [count; 4] {
        return Err(corrupt(
            "posting_ids",
            "the columns of postings differ in length",
        ));
    }
    let accounts = debits.into_iter().zip(credits);
    let rest = amounts.into_iter().zip(memos);
    let postings = ids.into_iter().zip(accounts).zip(rest);
    Ok(postings
        .map(|((id, (debit, credit)), (amount, memo))| Posting {
            id: PostingId::new(region.clone(), id),
            debit,
            credit,
            amount,
            memo,
        })
        .collect())
}
