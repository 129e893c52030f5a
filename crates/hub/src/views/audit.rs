//! Rows of the audit log.

use kernel::{OfficeCode, RegionTag, RequestId, Timestamp};
use platform_db::AuditRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One write: who did what, and what it changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub(crate) struct AuditView {
    #[schema(value_type = String, example = "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    id: RequestId,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `sub` of the token; `system:<worker>` for background work.
    #[schema(example = "demo:manager")]
    who: String,
    /// `iss` of the token; `meridian` for background work.
    #[schema(example = "https://issuer.example.com")]
    issuer: String,
    /// The rights that the token had.
    #[schema(example = json!(["warehouse:read", "warehouse:write"]))]
    scopes: Vec<String>,
    /// The client's address.
    #[schema(example = "192.0.2.7")]
    ip: Option<String>,
    /// The region that keeps the row: the home of the office written to, the primary region for what belongs to none.
    #[schema(value_type = String, example = "eu1")]
    region: RegionTag,
    /// The office written to; null for what belongs to none.
    #[schema(value_type = Option<String>, example = "ber")]
    office: Option<OfficeCode>,
    /// The request, also when it was a row of an import.
    #[schema(example = "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    request_id: String,
    /// The write's idempotency key.
    #[schema(example = "order-2026-0001")]
    key: String,
    /// The operation's id in this document.
    #[schema(example = "receive_stock")]
    action: String,
    /// Ids of what was made or changed.
    #[schema(example = json!(["mov_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs"]))]
    ids: Vec<String>,
    /// The resource before; null for what is new.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The resource since; null for what is gone.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// The events that it wrote, in their order.
    #[schema(example = json!(["evt_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs"]))]
    event_ids: Vec<String>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: RequestId::new(row.region.clone(), row.id),
            at: row.at,
            who: row.subject,
            issuer: row.issuer,
            scopes: row.scopes,
            ip: row.ip,
            region: row.region,
            office: row.office,
            request_id: row.request_id,
            key: row.key,
            action: row.action,
            ids: row.ids,
            before: row.before,
            after: row.after,
            event_ids: row.event_ids,
        }
    }
}
