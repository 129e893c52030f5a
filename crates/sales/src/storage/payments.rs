//! `sales.payments`: rows are only ever added, by whoever has locked the order.

use kernel::{
    Order as Direction, PageRequest, RegionTag,
    id::{EntryId, OrderId, PaymentId},
};
use platform_db::{DbError, Row, Session};
use uuid::Uuid;

use super::{
    of_order::{self, DocumentFilter},
    word,
};
use crate::domain::{order::Split, payment::Payment};

macro_rules! select_payment {
    ($rest:literal) => {
        select_payment!(" ", $rest)
    };
    ($moment:literal, $rest:literal) => {
        concat!(
            "SELECT region, id, office, order_id, currency, kind, amount_minor, receivable_minor, deposit_minor, \
                 method, external_reference, journal_entry, effective_date, created_at, created_by \
             FROM sales.payments",
            $moment,
            "WHERE ",
            $rest
        )
    };
}

const GET: &str = select_payment!(" /* AS OF */ ", "region = $1 AND order_id = $2 AND id = $3");
const PAGE_DESC: &str = select_payment!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) < ($5, $6) \
     ORDER BY created_at DESC, id DESC LIMIT $7"
);
const PAGE_ASC: &str = select_payment!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) > ($5, $6) \
     ORDER BY created_at ASC, id ASC LIMIT $7"
);
const INSERT: &str = "INSERT INTO sales.payments (region, id, office, order_id, currency, kind, amount_minor, \
        receivable_minor, deposit_minor, method, external_reference, journal_entry, effective_date, created_at, \
        created_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

pub(super) const STATEMENTS: &[&str] = &[GET, PAGE_DESC, PAGE_ASC, INSERT];

/// The payment, if it is one of this order.
pub(crate) async fn get(
    session: &Session,
    order: &OrderId,
    id: Uuid,
) -> Result<Option<Payment>, DbError> {
    session
        .row_opt(GET, &[order.region(), &order.uuid(), &id])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// Payments and refunds of one order.
pub(crate) async fn page(
    session: &Session,
    filter: &DocumentFilter,
    page: &PageRequest,
) -> Result<Vec<Payment>, DbError> {
    let sql = match page.order {
        Direction::Desc => PAGE_DESC,
        Direction::Asc => PAGE_ASC,
    };
    let rows = of_order::page_of_order(session, sql, filter, page).await?;
    rows.iter().map(from_row).collect()
}

pub(crate) async fn insert(session: &Session, new: &Payment) -> Result<u64, DbError> {
    let (kind, method) = (new.kind.as_str(), new.method.as_str());
    session
        .execute(
            INSERT,
            &[
                new.id.region(),
                &new.id.uuid(),
                &new.office,
                &new.order.uuid(),
                &new.currency,
                &kind,
                &new.amount,
                &new.split.receivable,
                &new.split.deposit,
                &method,
                &new.external_reference,
                &new.journal_entry.uuid(),
                &new.effective_date,
                &new.created_at,
                &new.created_by,
            ],
        )
        .await
}

fn from_row(row: &Row) -> Result<Payment, DbError> {
    let region: RegionTag = row.get("region")?;
    Ok(Payment {
        id: PaymentId::new(region.clone(), row.get("id")?),
        office: row.get("office")?,
        order: OrderId::new(region.clone(), row.get("order_id")?),
        currency: row.get("currency")?,
        kind: word(row, "kind")?,
        amount: row.get("amount_minor")?,
        split: Split {
            receivable: row.get("receivable_minor")?,
            deposit: row.get("deposit_minor")?,
        },
        method: word(row, "method")?,
        external_reference: row.get("external_reference")?,
        journal_entry: EntryId::new(region, row.get("journal_entry")?),
        effective_date: row.get("effective_date")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
    })
}
