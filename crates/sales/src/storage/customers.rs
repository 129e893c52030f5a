//! `sales.customers`.

use std::collections::BTreeSet;

use kernel::{Order, PageRequest, RegionTag, Timestamp, id::CustomerId};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::{corrupt, word};
use crate::domain::customer::{Customer, CustomerStatus, Email};

macro_rules! columns {
    () => {
        "c.region, c.id, c.office, c.name, c.email, c.phone, c.tax_id, c.status, c.version, c.created_at, c.updated_at"
    };
}

macro_rules! select_customer {
    ($rest:literal) => {
        select_customer!(" ", $rest)
    };
    ($moment:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM sales.customers AS c",
            $moment,
            "WHERE ",
            $rest
        )
    };
}

/// What a page takes of customer `x`.
macro_rules! taken {
    () => {
        "x.region, x.id, x.office, x.name, x.email, x.phone, x.tax_id, x.status, x.version, x.created_at, x.updated_at \
         FROM sales.customers AS x"
    };
}

/// A page: each office gives its first rows of `$where` from one span of an index.
macro_rules! page {
    ($where:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)",
            platform_db::first_of_each!(
                taken!(),
                concat!(
                    "x.region = o.region AND x.office = o.office AND ($8::TEXT IS NULL OR x.status = $8::TEXT)",
                    $where,
                    " AND x.created_at >= $3 AND x.created_at <= $4 AND (x.created_at, x.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY x.created_at ",
                    $direction,
                    ", x.id ",
                    $direction,
                    " LIMIT $7"
                ),
                "x.region = o.region AND x.id = $6 AND o.region IS NULL"
            ),
            " AS c ORDER BY c.created_at ",
            $direction,
            ", c.id ",
            $direction,
            " LIMIT $7"
        )
    };
}

/// Of its home: one row by its primary key.
const GET: &str = select_customer!(" /* AS OF */ ", "c.region = $1 AND c.id = $2");
const GET_ANYWHERE: &str = select_customer!("c.region = ANY ($1) AND c.id = $2");
const FIND: &str = select_customer!("c.region = $1 AND c.id = ANY ($2)");
const LOCK: &str = select_customer!("c.region = $1 AND c.id = $2 FOR UPDATE");
const PAGE_DESC: &str = page!("", "<", "DESC");
const PAGE_ASC: &str = page!("", ">", "ASC");
const EMAIL_DESC: &str = page!(" AND x.email_key = $9", "<", "DESC");
const EMAIL_ASC: &str = page!(" AND x.email_key = $9", ">", "ASC");
const INSERT: &str = "INSERT INTO sales.customers \
    (region, id, office, name, email, email_key, phone, tax_id, status, key_ids, version, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ARRAY[$10::UUID], $11, $12, $13)";
const INSERT_MANY: &str = "INSERT INTO sales.customers \
    (region, id, office, name, email, email_key, phone, tax_id, status, key_ids, version, created_at, updated_at) \
    SELECT row.region, row.id, row.office, row.name, row.email, row.email_key, row.phone, row.tax_id, 'active', \
        ARRAY[row.write_id], 1, $10, $10 \
    FROM unnest($1::TEXT[], $2::UUID[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[], \
                $9::UUID[]) \
        AS row (region, id, office, name, email, email_key, phone, tax_id, write_id) \
    ON CONFLICT (region, office, email_key) DO NOTHING RETURNING id";
const UPDATE: &str = "UPDATE sales.customers \
    SET name = $3, email = $4, email_key = $5, phone = $6, tax_id = $7, version = $8, updated_at = $9, \
        key_ids = key_ids || $10::UUID WHERE region = $1 AND id = $2";
const WRITES: &str = "SELECT key_ids FROM sales.customers WHERE region = $1 AND id = $2";
const ANONYMISE: &str = "UPDATE sales.customers \
    SET name = $3, email = NULL, email_key = NULL, phone = NULL, tax_id = NULL, status = $4, version = $5, \
        updated_at = $6, key_ids = ARRAY[]::UUID[] WHERE region = $1 AND id = $2";

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    GET_ANYWHERE,
    FIND,
    LOCK,
    PAGE_DESC,
    PAGE_ASC,
    EMAIL_DESC,
    EMAIL_ASC,
    INSERT,
    INSERT_MANY,
    UPDATE,
    WRITES,
    ANONYMISE,
];

/// The constraint that an e-mail violates which another customer of the office has.
pub(crate) const EMAIL_CONSTRAINT: &str = "customers_email_key";

/// Which customers a list shows.
#[derive(Debug, Clone)]
pub(crate) struct CustomerFilter {
    pub(crate) status: Option<CustomerStatus>,
    pub(crate) email: Option<Email>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// The customer, in whichever of the regions it lives: first where its id says.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &CustomerId,
) -> Result<Option<Customer>, DbError> {
    let row = match session.row_opt(GET, &[id.region(), &id.uuid()]).await? {
        Some(row) => Some(row),
        None => {
            session
                .row_opt(GET_ANYWHERE, &[&regions, &id.uuid()])
                .await?
        }
    };
    row.map(|row| from_row(&row)).transpose()
}

/// Those of the customers that the region has.
pub(crate) async fn find(
    session: &Session,
    region: &RegionTag,
    ids: &[Uuid],
) -> Result<Vec<Customer>, DbError> {
    let rows = session.rows(FIND, &[region, &ids]).await?;
    rows.iter().map(from_row).collect()
}

/// The customer, locked until the transaction ends.
pub(crate) async fn lock(
    session: &Session,
    region: &RegionTag,
    id: &CustomerId,
) -> Result<Option<Customer>, DbError> {
    session
        .row_opt(LOCK, &[region, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &CustomerFilter,
    page: &PageRequest,
) -> Result<Vec<Customer>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let status = filter.status.map(CustomerStatus::as_str);
    let email = filter.email.as_ref().map(Email::key);
    let mut params: Vec<&(dyn ToSql + Sync)> =
        vec![&regions, &offices, &from, &to, &time, &id, &limit, &status];
    if let Some(email) = &email {
        params.push(email);
    }
    let sql = match (email.is_some(), page.order) {
        (false, Order::Desc) => PAGE_DESC,
        (false, Order::Asc) => PAGE_ASC,
        (true, Order::Desc) => EMAIL_DESC,
        (true, Order::Asc) => EMAIL_ASC,
    };
    let rows = session.rows(sql, &params).await?;
    rows.iter().map(from_row).collect()
}

/// `write`: whose stored answer shows the customer.
pub(crate) async fn insert(session: &Session, new: &Customer, write: Uuid) -> Result<u64, DbError> {
    let email = new.email.as_ref();
    session
        .execute(
            INSERT,
            &[
                new.id.region(),
                &new.id.uuid(),
                &new.office,
                &new.name,
                &email.map(Email::as_str),
                &email.map(Email::key),
                &new.phone,
                &new.tax_id,
                &new.status.as_str(),
                &write,
                &new.version,
                &new.created_at,
                &new.updated_at,
            ],
        )
        .await
}

/// Inserts customers that are all made at `now`, each with its write, less those whose e-mail is taken; answers the ids
/// of those inserted.
pub(crate) async fn insert_new(
    session: &Session,
    new: &[(Customer, Uuid)],
    now: Timestamp,
) -> Result<BTreeSet<Uuid>, DbError> {
    fn column<'a, T>(new: &'a [(Customer, Uuid)], of: impl Fn(&'a Customer) -> T) -> Vec<T> {
        new.iter().map(|(customer, _)| of(customer)).collect()
    }
    let writes: Vec<Uuid> = new.iter().map(|(_, write)| *write).collect();
    let rows = session
        .rows(
            INSERT_MANY,
            &[
                &column(new, |customer| customer.id.region()),
                &column(new, |customer| customer.id.uuid()),
                &column(new, |customer| &customer.office),
                &column(new, |customer| customer.name.as_str()),
                &column(new, |customer| customer.email.as_ref().map(Email::as_str)),
                &column(new, |customer| customer.email.as_ref().map(Email::key)),
                &column(new, |customer| customer.phone.as_deref()),
                &column(new, |customer| customer.tax_id.as_deref()),
                &writes,
                &now,
            ],
        )
        .await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// Writes the members that may change. `write`: whose stored answer shows them.
pub(crate) async fn update(
    session: &Session,
    changed: &Customer,
    write: Uuid,
) -> Result<u64, DbError> {
    let email = changed.email.as_ref();
    session
        .execute(
            UPDATE,
            &[
                changed.id.region(),
                &changed.id.uuid(),
                &changed.name,
                &email.map(Email::as_str),
                &email.map(Email::key),
                &changed.phone,
                &changed.tax_id,
                &changed.version,
                &changed.updated_at,
                &write,
            ],
        )
        .await
}

/// The writes whose stored answers show the person.
pub(crate) async fn writes(session: &Session, id: &CustomerId) -> Result<Vec<Uuid>, DbError> {
    session
        .row_opt(WRITES, &[id.region(), &id.uuid()])
        .await?
        .ok_or(DbError::NoRow)?
        .get("key_ids")
}

/// Leaves nothing of the person.
pub(crate) async fn anonymise(session: &Session, after: &Customer) -> Result<u64, DbError> {
    session
        .execute(
            ANONYMISE,
            &[
                after.id.region(),
                &after.id.uuid(),
                &after.name,
                &after.status.as_str(),
                &after.version,
                &after.updated_at,
            ],
        )
        .await
}

fn from_row(row: &Row) -> Result<Customer, DbError> {
    let email: Option<String> = row.get("email")?;
    let email = email.map(|email| email.parse::<Email>()).transpose();
    Ok(Customer {
        id: CustomerId::new(row.get("region")?, row.get("id")?),
        office: row.get("office")?,
        name: row.get("name")?,
        email: email.map_err(|error| corrupt("email", error))?,
        phone: row.get("phone")?,
        tax_id: row.get("tax_id")?,
        status: word(row, "status")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
