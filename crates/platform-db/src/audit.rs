//! Reads of the audit log, newest first along its index by time.

use kernel::{Call, OfficeCode, Order, PageRequest, ReadWant, RegionTag, SystemError, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::{Db, DbError, Read, ReadOver, Row, Session};

macro_rules! columns {
    () => {
        "region, id, at, issuer, subject, scopes, ip, office, request_id, key, action, ids, before, after, event_ids"
    };
}

/// The first rows of each region from one span of the index by time.
macro_rules! page {
    ($is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ", columns!(), " FROM (SELECT a.* FROM unnest($1::TEXT[]) AS r (tag)",
            first_of_each!(
                concat!(columns!(), " FROM platform.audit_log AS x"),
                concat!(
                    "x.region = r.tag AND x.at >= $2 AND x.at <= $3 AND (x.at, x.id) ", $is_behind, " ($4, $5) \
                      AND ($6::BOOL OR x.office = ANY ($7::TEXT[]) OR ($8::BOOL AND x.office IS NULL)) \
                      AND ($9::TEXT IS NULL OR x.key = $9::TEXT) \
                      AND ($10::TEXT IS NULL OR x.action = $10::TEXT) \
                      AND ($11::TEXT IS NULL OR x.request_id = $11::TEXT) \
                      AND ($12::TEXT IS NULL OR x.subject = $12::TEXT) \
                     ORDER BY x.at ", $direction, ", x.id ", $direction, " LIMIT $13"
                ),
                "x.region = r.tag AND x.id = $5 AND r.tag IS NULL"
            ),
            " AS a) AS page \
             ORDER BY at ", $direction, ", id ", $direction, " LIMIT $13"
        )
    };
}

const PAGE_DESC: &str = page!("<", "DESC");
const PAGE_ASC: &str = page!(">", "ASC");

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[PAGE_DESC, PAGE_ASC];

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Offices; `None`: all.
    pub offices: Option<Vec<OfficeCode>>,
    /// Beside `offices`, writes to what belongs to none.
    pub of_no_office: bool,
    /// Of this time or later.
    pub from: Option<Timestamp>,
    /// Of this time or earlier.
    pub to: Option<Timestamp>,
    /// Under this key.
    pub key: Option<String>,
    /// Of this operation.
    pub action: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// By this subject.
    pub who: Option<String>,
}

/// What was written, by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// The region that keeps the row: the home of the office written to.
    pub region: RegionTag,
    /// Derives from issuer, subject and key.
    pub id: Uuid,
    /// When it was written.
    pub at: Timestamp,
    /// `iss` of the token.
    pub issuer: String,
    /// `sub` of the token; `system:<worker>` for background work.
    pub subject: String,
    /// The token's rights.
    pub scopes: Vec<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// The office written to.
    pub office: Option<OfficeCode>,
    /// The request.
    pub request_id: String,
    /// The write's name.
    pub key: String,
    /// The operation.
    pub action: String,
    /// Ids of what was made or changed.
    pub ids: Vec<String>,
    /// What it was before.
    pub before: Option<Value>,
    /// What it is since.
    pub after: Option<Value>,
    /// The events that it wrote, in order.
    pub event_ids: Vec<String>,
}

impl Db {
    /// A page of the audit log, one row more than asked for if there are more.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn audit_page(
        &self,
        (call, want): (&Call, ReadWant),
        filter: AuditFilter,
        page: PageRequest,
    ) -> Result<Read<Vec<AuditRow>>, SystemError> {
        let over = ReadOver::new("list_audit", want, page.snapshot, self.regions().to_vec());
        self.read_page_over(call, over, async move |session, regions: &[RegionTag]| {
            rows(session, regions, &filter, &page).await
        })
        .await
    }
}

async fn rows(
    session: &Session,
    regions: &[RegionTag],
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Vec<AuditRow>, DbError> {
    let (from, to) = page.created(filter.from, filter.to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let sql = match page.order {
        Order::Desc => PAGE_DESC,
        Order::Asc => PAGE_ASC,
    };
    let rows = session
        .rows(
            sql,
            &[
                &regions,
                &from,
                &to,
                &time,
                &id,
                &filter.offices.is_none(),
                &filter.offices.as_deref().unwrap_or_default(),
                &filter.of_no_office,
                &filter.key,
                &filter.action,
                &filter.request_id,
                &filter.who,
                &page.fetch(),
            ],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<AuditRow, DbError> {
    Ok(AuditRow {
        region: row.get("region")?,
        id: row.get("id")?,
        at: row.get("at")?,
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        scopes: row.get("scopes")?,
        ip: row.get("ip")?,
        office: row.get("office")?,
        request_id: row.get("request_id")?,
        key: row.get("key")?,
        action: row.get("action")?,
        ids: row.get("ids")?,
        before: row.get("before")?,
        after: row.get("after")?,
        event_ids: row.get("event_ids")?,
    })
}
