//! `warehouse.items` and `warehouse.item_prices`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use kernel::{
    AmountMinor, CountryCode, CurrencyCode, Order, PageRequest, RegionTag, Timestamp, id::ItemId,
};
use platform_db::{DbError, Row, Session, ToSql};
use uuid::Uuid;

use super::{corrupt, word};
use crate::domain::item::{Item, ItemStatus, Price};

/// The columns of an item with its present and future prices at `$1`, as three arrays of one order.
macro_rules! select_item {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.sku, i.name, i.description, i.country_of_origin, i.unit, i.barcode, i.status, \
                    i.version, i.created_at, i.updated_at, \
                    ARRAY(SELECT p.currency ", prices!(), ") AS currencies, \
                    ARRAY(SELECT p.amount_minor ", prices!(), ") AS amounts, \
                    ARRAY(SELECT p.valid_from ", prices!(), ") AS valid_froms \
             FROM warehouse.items AS i ",
            $rest
        )
    };
}

/// The prices of item `i` that no later price had replaced at `$1`.
macro_rules! prices {
    () => {
        "FROM warehouse.item_prices AS p WHERE p.item = i.id AND NOT EXISTS (\
             SELECT 1 FROM warehouse.item_prices AS later \
             WHERE later.item = p.item AND later.currency = p.currency \
               AND later.valid_from > p.valid_from AND later.valid_from <= $1) \
         ORDER BY p.currency, p.valid_from"
    };
}

/// Bounds on `created_at` (both included), then the keyset, then the limit.
macro_rules! page {
    (desc) => {
        "i.created_at >= $2 AND i.created_at <= $3 AND (i.created_at, i.id) < ($4, $5) \
         ORDER BY i.created_at DESC, i.id DESC LIMIT $6"
    };
    (asc) => {
        "i.created_at >= $2 AND i.created_at <= $3 AND (i.created_at, i.id) > ($4, $5) \
         ORDER BY i.created_at ASC, i.id ASC LIMIT $6"
    };
}

const GET: &str = select_item!("WHERE i.id = $2");
const LOCK: &str = select_item!("WHERE i.id = $2 FOR UPDATE OF i");
const MANY: &str = select_item!("WHERE i.id = ANY ($2)");
const IDS_AFTER: &str = "SELECT id FROM warehouse.items WHERE id > $1 ORDER BY id LIMIT $2";
const PAGE_DESC: &str = concat!(select_item!("WHERE "), page!(desc));
const PAGE_ASC: &str = concat!(select_item!("WHERE "), page!(asc));
const PAGE_STATUS_DESC: &str = concat!(select_item!("WHERE i.status = $7 AND "), page!(desc));
const PAGE_STATUS_ASC: &str = concat!(select_item!("WHERE i.status = $7 AND "), page!(asc));
const PAGE_SKU_DESC: &str = concat!(
    select_item!("WHERE i.sku = $8 AND ($7::TEXT IS NULL OR i.status = $7::TEXT) AND "),
    page!(desc)
);
const PAGE_SKU_ASC: &str = concat!(
    select_item!("WHERE i.sku = $8 AND ($7::TEXT IS NULL OR i.status = $7::TEXT) AND "),
    page!(asc)
);
const CURRENCIES: &str =
    "SELECT DISTINCT p.currency FROM warehouse.item_prices AS p ORDER BY p.currency";
const WITH_SKU: &str = "SELECT id FROM warehouse.items WHERE sku = $1";
const FACTS: &str = "SELECT id, sku, status FROM warehouse.items WHERE id = ANY ($1)";
const QUOTES: &str = "SELECT i.id, i.sku, i.name, i.status, \
        (SELECT p.amount_minor FROM warehouse.item_prices AS p \
         WHERE p.item = i.id AND p.currency = $2 AND p.valid_from <= $3 \
         ORDER BY p.valid_from DESC LIMIT 1) AS price \
    FROM warehouse.items AS i WHERE i.id = ANY ($1)";
const INSERT: &str = "INSERT INTO warehouse.items \
    (id, sku, name, description, country_of_origin, unit, barcode, status, version, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
const INSERT_PRICES: &str = "INSERT INTO warehouse.item_prices (item, currency, valid_from, amount_minor) \
    SELECT row.item, row.currency, row.valid_from, row.amount_minor \
    FROM unnest($1::UUID[], $2::TEXT[], $3::TIMESTAMPTZ[], $4::INT8[]) \
        AS row (item, currency, valid_from, amount_minor)";
const SET_PRICE: &str = "INSERT INTO warehouse.item_prices (item, currency, valid_from, amount_minor) \
    VALUES ($1, $2, $3, $4) \
    ON CONFLICT (item, currency, valid_from) DO UPDATE SET amount_minor = excluded.amount_minor";
const UPDATE: &str = "UPDATE warehouse.items SET name = $2, description = $3, country_of_origin = $4, \
    barcode = $5, status = $6, version = $7, updated_at = $8 WHERE id = $1";
const DELETE: &str = "DELETE FROM warehouse.items WHERE id = $1";
const INSERT_MANY: &str = "INSERT INTO warehouse.items \
    (id, sku, name, description, country_of_origin, unit, barcode, status, version, created_at, updated_at) \
    SELECT row.id, row.sku, row.name, row.description, row.country, row.unit, row.barcode, 'active', 1, $8, $8 \
    FROM unnest($1::UUID[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[]) \
        AS row (id, sku, name, description, country, unit, barcode) \
    ON CONFLICT (sku) DO NOTHING RETURNING id";

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    LOCK,
    MANY,
    IDS_AFTER,
    CURRENCIES,
    WITH_SKU,
    FACTS,
    QUOTES,
    PAGE_DESC,
    PAGE_ASC,
    PAGE_STATUS_DESC,
    PAGE_STATUS_ASC,
    PAGE_SKU_DESC,
    PAGE_SKU_ASC,
    INSERT,
    INSERT_PRICES,
    SET_PRICE,
    UPDATE,
    DELETE,
    INSERT_MANY,
];

/// Which items a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct ItemFilter {
    pub(crate) status: Option<ItemStatus>,
    pub(crate) sku: Option<String>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn get(
    session: &Session,
    id: &ItemId,
    now: Timestamp,
) -> Result<Option<Item>, DbError> {
    session
        .row_opt(GET, &[&now, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// The item, locked until the transaction ends.
pub(crate) async fn lock(
    session: &Session,
    id: &ItemId,
    now: Timestamp,
) -> Result<Option<Item>, DbError> {
    session
        .row_opt(LOCK, &[&now, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// Those of the items that there are.
pub(crate) async fn many(
    session: &Session,
    ids: &[ItemId],
    now: Timestamp,
) -> Result<Vec<Item>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(ItemId::uuid).collect();
    let rows = session.rows(MANY, &[&now, &ids]).await?;
    rows.iter().map(from_row).collect()
}

/// The ids that follow one, in their order.
pub(crate) async fn ids_after(
    session: &Session,
    after: Uuid,
    limit: i64,
) -> Result<Vec<ItemId>, DbError> {
    let rows = session.rows(IDS_AFTER, &[&after, &limit]).await?;
    rows.iter()
        .map(|row| Ok(ItemId::new(RegionTag::global(), row.get("id")?)))
        .collect()
}

/// Every currency that anything has a price in. Reads all prices, as whoever asks is about to.
pub(crate) async fn currencies(session: &Session) -> Result<Vec<CurrencyCode>, DbError> {
    let rows = session.rows(CURRENCIES, &[]).await?;
    rows.iter().map(|row| row.get("currency")).collect()
}

/// The id of the item with the SKU.
pub(crate) async fn with_sku(session: &Session, sku: &str) -> Result<Option<Uuid>, DbError> {
    session
        .row_opt(WITH_SKU, &[&sku])
        .await?
        .map(|row| row.get("id"))
        .transpose()
}

/// What a write of stock must know of an item.
#[derive(Debug, Clone)]
pub(crate) struct ItemFacts {
    pub(crate) sku: String,
    pub(crate) status: ItemStatus,
}

/// The facts of those of the items that there are.
pub(crate) async fn facts(
    session: &Session,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, ItemFacts>, DbError> {
    let rows = session.rows(FACTS, &[&ids]).await?;
    rows.iter()
        .map(|row| {
            let facts = ItemFacts {
                sku: row.get("sku")?,
                status: word(row, "status")?,
            };
            Ok((row.get("id")?, facts))
        })
        .collect()
}

/// What an order copies of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// An archived item takes no new order lines.
    pub is_archived: bool,
    /// The net price per unit in force; `None` where it has none.
    pub price: Option<AmountMinor>,
}

/// What those of the items that there are are called and cost at a moment.
pub(crate) async fn quotes(
    session: &Session,
    ids: &[Uuid],
    currency: &CurrencyCode,
    at: Timestamp,
) -> Result<BTreeMap<Uuid, Quote>, DbError> {
    let rows = session.rows(QUOTES, &[&ids, currency, &at]).await?;
    rows.iter()
        .map(|row| {
            let status: ItemStatus = word(row, "status")?;
            let quote = Quote {
                sku: row.get("sku")?,
                name: row.get("name")?,
                is_archived: status == ItemStatus::Archived,
                price: row.get("price")?,
            };
            Ok((row.get("id")?, quote))
        })
        .collect()
}

pub(crate) async fn page(
    session: &Session,
    filter: &ItemFilter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Vec<Item>, DbError> {
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let status = filter.status.map(ItemStatus::as_str);
    let rows = match (&filter.sku, status) {
        (None, None) => {
            let sql = pick(page.order, PAGE_DESC, PAGE_ASC);
            session
                .rows(sql, &[&now, &from, &to, &time, &id, &limit])
                .await?
        }
        (None, Some(status)) => {
            let sql = pick(page.order, PAGE_STATUS_DESC, PAGE_STATUS_ASC);
            session
                .rows(sql, &[&now, &from, &to, &time, &id, &limit, &status])
                .await?
        }
        (Some(sku), status) => {
            let sql = pick(page.order, PAGE_SKU_DESC, PAGE_SKU_ASC);
            session
                .rows(sql, &[&now, &from, &to, &time, &id, &limit, &status, sku])
                .await?
        }
    };
    rows.iter().map(from_row).collect()
}

fn pick(order: Order, desc: &'static str, asc: &'static str) -> &'static str {
    match order {
        Order::Desc => desc,
        Order::Asc => asc,
    }
}

pub(crate) async fn insert(session: &Session, item: &Item) -> Result<(), DbError> {
    let id = item.id.uuid();
    let (unit, status) = (item.unit.as_str(), item.status.as_str());
    let params: [&(dyn ToSql + Sync); 10] = [
        &id,
        &item.sku,
        &item.name,
        &item.description,
        &item.country_of_origin,
        &unit,
        &item.barcode,
        &status,
        &item.version,
        &item.created_at,
    ];
    let insert_item = session.execute(INSERT, &params);
    if item.prices.is_empty() {
        insert_item.await?;
    } else {
        try_join!(
            insert_item,
            insert_prices(session, std::slice::from_ref(item))
        )?;
    }
    Ok(())
}

async fn insert_prices(session: &Session, items: &[Item]) -> Result<u64, DbError> {
    let prices = || {
        items
            .iter()
            .flat_map(|item| item.prices.iter().map(move |p| (item, p)))
    };
    let ids: Vec<Uuid> = prices().map(|(item, _)| item.id.uuid()).collect();
    let currencies: Vec<&CurrencyCode> = prices().map(|(_, price)| &price.currency).collect();
    let froms: Vec<Timestamp> = prices().map(|(_, price)| price.valid_from).collect();
    let amounts: Vec<i64> = prices().map(|(_, price)| price.amount.get()).collect();
    session
        .execute(INSERT_PRICES, &[&ids, &currencies, &froms, &amounts])
        .await
}

/// Inserts items that differ in SKU, all made at `now`, less those whose SKU is taken; answers those inserted.
pub(crate) async fn insert_new(
    session: &Session,
    items: Vec<Item>,
    now: Timestamp,
) -> Result<Vec<Item>, DbError> {
    let ids: Vec<Uuid> = items.iter().map(|item| item.id.uuid()).collect();
    let skus: Vec<&str> = items.iter().map(|item| item.sku.as_str()).collect();
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    let descriptions: Vec<&str> = items.iter().map(|item| item.description.as_str()).collect();
    let countries: Vec<&CountryCode> = items.iter().map(|item| &item.country_of_origin).collect();
    let units: Vec<&str> = items.iter().map(|item| item.unit.as_str()).collect();
    let barcodes: Vec<Option<&str>> = items.iter().map(|item| item.barcode.as_deref()).collect();
    let rows = session
        .rows(
            INSERT_MANY,
            &[
                &ids,
                &skus,
                &names,
                &descriptions,
                &countries,
                &units,
                &barcodes,
                &now,
            ],
        )
        .await?;
    let inserted: BTreeSet<Uuid> = rows
        .iter()
        .map(|row| row.get("id"))
        .collect::<Result<_, _>>()?;
    let items: Vec<Item> = items
        .into_iter()
        .filter(|item| inserted.contains(&item.id.uuid()))
        .collect();
    insert_prices(session, &items).await?;
    Ok(items)
}

pub(crate) async fn set_price(
    session: &Session,
    id: &ItemId,
    price: &Price,
) -> Result<u64, DbError> {
    let amount = price.amount.get();
    session
        .execute(
            SET_PRICE,
            &[&id.uuid(), &price.currency, &price.valid_from, &amount],
        )
        .await
}

/// Writes the members that may change; prices have rows of their own.
pub(crate) async fn update(session: &Session, item: &Item) -> Result<u64, DbError> {
    let status = item.status.as_str();
    session
        .execute(
            UPDATE,
            &[
                &item.id.uuid(),
                &item.name,
                &item.description,
                &item.country_of_origin,
                &item.barcode,
                &status,
                &item.version,
                &item.updated_at,
            ],
        )
        .await
}

pub(crate) async fn delete(session: &Session, id: &ItemId) -> Result<u64, DbError> {
    session.execute(DELETE, &[&id.uuid()]).await
}

fn from_row(row: &Row) -> Result<Item, DbError> {
    let currencies: Vec<CurrencyCode> = row.get("currencies")?;
    let amounts: Vec<i64> = row.get("amounts")?;
    let valid_froms: Vec<Timestamp> = row.get("valid_froms")?;
    let prices = currencies
        .into_iter()
        .zip(amounts)
        .zip(valid_froms)
        .map(|((currency, amount), valid_from)| {
            let amount =
                AmountMinor::new(amount).ok_or_else(|| corrupt("amounts", "beyond 2^53 - 1"))?;
            Ok(Price {
                currency,
                amount,
                valid_from,
            })
        })
        .collect::<Result<_, DbError>>()?;
    Ok(Item {
        id: ItemId::new(RegionTag::global(), row.get("id")?),
        sku: row.get("sku")?,
        name: row.get("name")?,
        description: row.get("description")?,
        country_of_origin: row.get("country_of_origin")?,
        unit: word(row, "unit")?,
        barcode: row.get("barcode")?,
        status: word(row, "status")?,
        prices,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
