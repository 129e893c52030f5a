//! Events as the feed shows them.

use kernel::{OfficeCode, RegionTag, Timestamp, id::EventId};
use platform_db::FeedEvent;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Something that happened to a resource (CloudEvents 1.0, JSON format).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    #[schema(value_type = String, example = "evt_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    id: EventId,
    /// The region that keeps it; with `id` it names the event in all the world.
    #[schema(example = "/regions/eu1")]
    source: String,
    #[schema(example = "1.0")]
    specversion: &'static str,
    /// What happened. There will be more types: skip those that you do not know.
    #[serde(rename = "type")]
    #[schema(example = "warehouse.stock.changed")]
    kind: String,
    /// Id of the resource; an office and a location are named by their code.
    #[schema(example = "lvl_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    subject: String,
    /// When it happened. Events of one resource have rising times.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    #[schema(example = "application/json")]
    datacontenttype: &'static str,
    /// The office of the resource; null for what belongs to none, such as items.
    #[schema(value_type = Option<String>, example = "ber")]
    office: Option<OfficeCode>,
    /// The region that keeps it: the home of the office, the primary region for what belongs to none.
    #[schema(value_type = String, example = "eu1")]
    region: RegionTag,
    /// Its number: 1, 2, 3 and so on in its region, without a gap.
    #[schema(minimum = 1, example = 1)]
    seq: i64,
    /// Version of the resource after it.
    #[schema(minimum = 1, example = 1)]
    resource_version: i64,
    /// The request that caused it, as in the audit log.
    #[schema(example = "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    request_id: String,
    /// The resource as it was after it, without personal data.
    #[schema(value_type = Object)]
    data: Value,
}

impl From<FeedEvent> for EventView {
    fn from(event: FeedEvent) -> Self {
        let region = event.id.region().clone();
        Self {
            source: format!("/regions/{region}"),
            specversion: "1.0",
            kind: event.kind,
            subject: event.subject,
            time: event.time,
            datacontenttype: "application/json",
            office: event.office,
            region,
            seq: event.seq,
            resource_version: event.resource_version,
            request_id: event.request_id,
            data: event.data,
            id: event.id,
        }
    }
}

/// A page of the feed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(crate) struct EventPageView {
    /// Each region's events by their number; those of different regions by time, as far as is known.
    pub(crate) data: Vec<EventView>,
    /// Where the next page begins. Never null: the feed has no end.
    pub(crate) next_cursor: String,
    /// Regions that could not be read now, whose place the cursor keeps: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
}
