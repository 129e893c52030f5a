//! `accounting.accounts`.

use std::collections::BTreeSet;

use kernel::{AccountCode, Order, PageRequest, Timestamp};
use platform_db::{DbError, Row, Session};

use super::word;
use crate::domain::account::Account;

macro_rules! select_account {
    ($rest:literal) => {
        select_account!(" ", $rest)
    };
    ($moment:literal, $rest:literal) => {
        concat!(
            "SELECT code, name, type, normal, status, version, created_at, updated_at \
             FROM accounting.accounts",
            $moment,
            "WHERE ",
            $rest
        )
    };
}

const GET: &str = select_account!(" /* AS OF */ ", "code = $1");
const KNOWN: &str = "SELECT code FROM accounting.accounts WHERE code = ANY ($1::TEXT[])";
const PAGE_DESC: &str = select_account!(
    "created_at >= $1 AND created_at <= $2 AND (created_at, code) < ($3, $4) \
     ORDER BY created_at DESC, code DESC LIMIT $5"
);
const PAGE_ASC: &str = select_account!(
    "created_at >= $1 AND created_at <= $2 AND (created_at, code) > ($3, $4) \
     ORDER BY created_at ASC, code ASC LIMIT $5"
);
const INSERT: &str = "INSERT INTO accounting.accounts \
    (code, name, type, normal, status, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const STATEMENTS: &[&str] = &[GET, KNOWN, PAGE_DESC, PAGE_ASC, INSERT];

pub(crate) async fn get(session: &Session, code: &AccountCode) -> Result<Option<Account>, DbError> {
    session
        .row_opt(GET, &[code])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// Those of the codes that are in the chart.
pub(crate) async fn known(
    session: &Session,
    codes: &BTreeSet<AccountCode>,
) -> Result<BTreeSet<AccountCode>, DbError> {
    let codes: Vec<&AccountCode> = codes.iter().collect();
    let rows = session.rows(KNOWN, &[&codes]).await?;
    rows.iter().map(|row| row.get("code")).collect()
}

pub(crate) async fn page(
    session: &Session,
    created_from: Option<Timestamp>,
    created_to: Option<Timestamp>,
    page: &PageRequest,
) -> Result<Vec<Account>, DbError> {
    let sql = match page.order {
        Order::Desc => PAGE_DESC,
        Order::Asc => PAGE_ASC,
    };
    let (from, to) = page.created(created_from, created_to);
    let (time, code) = page.start();
    let rows = session
        .rows(sql, &[&from, &to, &time, &code, &page.fetch()])
        .await?;
    rows.iter().map(from_row).collect()
}

pub(crate) async fn insert(session: &Session, account: &Account) -> Result<u64, DbError> {
    session
        .execute(
            INSERT,
            &[
                &account.code,
                &account.name,
                &account.kind.as_str(),
                &account.normal.as_str(),
                &account.status.as_str(),
                &account.version,
                &account.created_at,
                &account.updated_at,
            ],
        )
        .await
}

fn from_row(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        code: row.get("code")?,
        name: row.get("name")?,
        kind: word(row, "type")?,
        normal: word(row, "normal")?,
        status: word(row, "status")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
