//! Reads of the event feed: a region's events by number, and whether there are new ones.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use kernel::{Call, OfficeCode, ReadWant, RegionTag, SystemError, Timestamp, id::EventId};
use serde_json::Value;
use tokio::time::timeout;

use crate::{Db, DbError, ReadSpec, Row, Session};

/// Numbers looked through by one statement, however few of their events are wanted: some 20 ms.
const WINDOW: i64 = 5000;

/// Pause between two looks whether a region has new events, of all who wait in this process together.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a region may take to say so; the others are not kept waiting.
const LOOK_WAIT: Duration = Duration::from_secs(1);

/// The wanted events of a region behind a number, with where its feed begins and ends. One statement, so that all of it
/// is of one moment: up to `head` there is every event that is kept.
const SLICE: &str = "
    SELECT c.seq AS head, c.purged, e.id, e.time, e.kind, e.subject, e.office, e.seq, e.resource_version, e.request_id,
           e.data
    FROM platform.event_counters AS c
    LEFT JOIN LATERAL (
        SELECT x.id, x.time, x.kind, x.subject, x.office, x.seq, x.resource_version, x.request_id, x.data
        FROM platform.events AS x
        WHERE x.region = c.region AND x.seq IS NOT NULL
            AND x.seq > greatest($2::INT8, c.purged) AND x.seq <= greatest($2::INT8, c.purged) + $3::INT8
            AND ($4::BOOL OR x.kind = ANY ($5::TEXT[]) OR EXISTS (
                SELECT 1 FROM unnest($6::TEXT[]) AS p (prefix) WHERE left(x.kind, length(p.prefix)) = p.prefix))
            AND ($7::BOOL OR x.office = ANY ($8::TEXT[]) OR ($9::BOOL AND x.office IS NULL))
        ORDER BY x.seq
        LIMIT $10
    ) AS e ON true
    WHERE c.region = $1
    ORDER BY e.seq NULLS LAST";

const HEAD: &str = "SELECT seq FROM platform.event_counters WHERE region = $1";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[SLICE, HEAD];

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct FeedFilter {
    /// Types; with `prefixes` empty too, all.
    pub types: Vec<String>,
    /// Beginnings of types: `warehouse.`
    pub prefixes: Vec<String>,
    /// Offices; `None`: all.
    pub offices: Option<Vec<OfficeCode>>,
    /// Beside `offices`, events of what belongs to none.
    pub of_no_office: bool,
}

/// One event of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEvent {
    /// Its id, which names its region.
    pub id: EventId,
    /// When it happened.
    pub time: Timestamp,
    /// `warehouse.item.created`
    pub kind: String,
    /// Id of the resource.
    pub subject: String,
    /// Office of the resource; `None` for what belongs to none.
    pub office: Option<OfficeCode>,
    /// Its number, gapless per region.
    pub seq: i64,
    /// Version of the resource after it.
    pub resource_version: i64,
    /// The request that caused it.
    pub request_id: String,
    /// What the resource is now.
    pub data: Value,
}

/// Part of a region's feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedSlice {
    /// The region.
    pub region: RegionTag,
    /// Events up to this number are deleted.
    pub purged: i64,
    /// The number given last.
    pub head: i64,
    /// Every wanted event from where the slice begins up to here is among `events`.
    pub through: i64,
    /// The wanted events, by number.
    pub events: Vec<FeedEvent>,
}

impl Db {
    /// The wanted events of a region behind the number `after`, at most `limit`.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn feed_slice(
        &self,
        (call, want): (&Call, ReadWant),
        (region, after): (&RegionTag, i64),
        filter: &FeedFilter,
        limit: u16,
    ) -> Result<FeedSlice, SystemError> {
        let spec = ReadSpec {
            operation: "list_events",
            want,
            home: region.clone(),
            snapshot: None,
        };
        let (region, filter) = (region.clone(), filter.clone());
        let read = self
            .read(call, spec, async move |session: &Session| {
                slice(session, &region, after, &filter, limit).await
            })
            .await?;
        Ok(read.value)
    }

    /// Ends when some region has events behind the place given for it. Holds no connection meanwhile; all who wait in
    /// this process share one look at the database every quarter of a second.
    pub async fn events_behind(&self, places: &BTreeMap<RegionTag, i64>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let heads = self.heads().look(self).await;
            let behind = |(region, head): (&RegionTag, &i64)| {
                places.get(region).is_none_or(|place| head > place)
            };
            if heads.iter().any(behind) {
                return;
            }
        }
    }
}

/// The numbers given last, as seen at the last look.
#[derive(Debug, Default)]
pub(crate) struct Heads(tokio::sync::Mutex<Option<Look>>);

#[derive(Debug)]
struct Look {
    at: Instant,
    heads: Arc<BTreeMap<RegionTag, i64>>,
}

impl Heads {
    /// One looks, the others wait for what it saw. Regions that do not say are left out.
    async fn look(&self, db: &Db) -> Arc<BTreeMap<RegionTag, i64>> {
        let mut seen = self.0.lock().await;
        if let Some(look) = seen.as_ref().filter(|look| look.at.elapsed() < LOOK_EVERY) {
            return Arc::clone(&look.heads);
        }
        let looks = db.regions().iter().map(async |region| {
            let head = timeout(LOOK_WAIT, head(db, region)).await.ok()?.ok()?;
            Some((region.clone(), head))
        });
        let heads = Arc::new(join_all(looks).await.into_iter().flatten().collect());
        *seen = Some(Look {
            at: Instant::now(),
            heads: Arc::clone(&heads),
        });
        heads
    }
}

async fn head(db: &Db, region: &RegionTag) -> Result<i64, SystemError> {
    let spec = ReadSpec::reference("find_event_heads", ReadWant::default(), None);
    let region = region.clone();
    let read = db
        .read(&db.worker_call(), spec, async move |session: &Session| {
            let row = session.row_opt(HEAD, &[&region]).await?;
            row.map_or(Ok(0), |row| row.get("seq"))
        })
        .await?;
    Ok(read.value)
}

async fn slice(
    session: &Session,
    region: &RegionTag,
    after: i64,
    filter: &FeedFilter,
    limit: u16,
) -> Result<FeedSlice, DbError> {
    // CockroachDB joins all of the window for a limit of one, and stops at any other.
    let at_most = i64::from(limit.max(2));
    let every_type = filter.types.is_empty() && filter.prefixes.is_empty();
    let offices = filter.offices.as_deref().unwrap_or_default();
    let rows = session
        .rows(
            SLICE,
            &[
                region,
                &after,
                &WINDOW,
                &every_type,
                &filter.types,
                &filter.prefixes,
                &filter.offices.is_none(),
                &offices,
                &filter.of_no_office,
                &at_most,
            ],
        )
        .await?;
    let Some(first) = rows.first() else {
        // The region's first sequencer has yet to come.
        return Ok(FeedSlice {
            region: region.clone(),
            purged: 0,
            head: 0,
            through: after,
            events: Vec::new(),
        });
    };
    let (head, purged): (i64, i64) = (first.get("head")?, first.get("purged")?);
    let mut events = Vec::new();
    for row in &rows {
        events.extend(event(row, region)?);
    }
    events.truncate(usize::from(limit));
    let looked_through = after.max(purged).saturating_add(WINDOW).min(head);
    let through = match events.last() {
        Some(last) if events.len() == usize::from(limit) => last.seq,
        Some(_) | None => looked_through.max(after),
    };
    Ok(FeedSlice {
        region: region.clone(),
        purged,
        head,
        through,
        events,
    })
}

/// `None`: the row says only where the feed begins and ends.
fn event(row: &Row, region: &RegionTag) -> Result<Option<FeedEvent>, DbError> {
    let Some(seq) = row.get("seq")? else {
        return Ok(None);
    };
    Ok(Some(FeedEvent {
        id: EventId::new(region.clone(), row.get("id")?),
        time: row.get("time")?,
        kind: row.get("kind")?,
        subject: row.get("subject")?,
        office: row.get("office")?,
        seq,
        resource_version: row.get("resource_version")?,
        request_id: row.get("request_id")?,
        data: row.get("data")?,
    }))
}
