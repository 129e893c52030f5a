//! What became of a write, told by its key.

use kernel::{IdempotencyKey, OfficeCode, RegionTag, Scope, Timestamp};

/// What a key row, or after its time the audit row, says of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The key asked for.
    pub key: IdempotencyKey,
    /// How the write ended.
    pub status: ReceiptStatus,
    /// Ids of what was made or changed.
    pub effect_ids: Vec<String>,
    /// When it was committed; when the key was made void.
    pub committed_at: Timestamp,
    /// The region that keeps the row: the home of the office written to.
    pub region: RegionTag,
    /// The region whose process wrote it.
    pub served_in: RegionTag,
    /// The request that wrote it.
    pub request_id: String,
    /// The office written to.
    pub office: Option<OfficeCode>,
    /// The right that the write needed.
    pub scope: Scope,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// It is done.
    Committed,
    /// It will never be done.
    Void,
}
