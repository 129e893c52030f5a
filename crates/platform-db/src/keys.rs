//! The rows that make a write happen once: its key row, its audit row, its events.
//!
//! Key and audit row share an id that derives from (issuer, subject, key). Key rows are read whatever their
//! age (hard case 5): expiry is for the sweeper alone.

use std::{str::FromStr, time::Duration};

use kernel::{
    IdempotencyKey, Intent, OfficeCode, Principal, RegionTag, Reply, Scope,
    id::{Event as EventKind, Id, derive_bits},
};
use uuid::Uuid;

use crate::{
    DbError, Receipt, ReceiptStatus, Row, Session, Txn,
    txn::{Event, Notes},
};

/// How long a stored answer is promised.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads a key row.
pub(crate) const FIND: &str = "
    SELECT fingerprint, office, status, location, version, body, effect_ids, request_id
    FROM platform.idempotency_keys
    WHERE region = $1 AND id = $2";

/// Reads where the effect of a write can be seen, from its audit row.
pub(crate) const FIND_AUDIT: &str = "
    SELECT location
    FROM platform.audit_log
    WHERE region = $1 AND id = $2";

/// Stores the audit row, the events and the key row. The last statement before COMMIT.
pub(crate) const RECORD: &str = "
    WITH audited AS (
        INSERT INTO platform.audit_log
            (region, id, at, issuer, subject, scopes, scope, ip, served_in, office, request_id, key, action, ids,
             before, after, location, event_ids)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        RETURNING 1
    ), emitted AS (
        INSERT INTO platform.events
            (region, id, time, kind, subject, office, resource_version, request_id, data)
        SELECT $1, e.id, $3, e.kind, e.subject, e.office, e.resource_version, $11, e.data::JSONB
        FROM unnest($19::UUID[], $20::TEXT[], $21::TEXT[], $22::TEXT[], $23::INT8[], $24::TEXT[])
            AS e (id, kind, subject, office, resource_version, data)
        RETURNING 1
    )
    INSERT INTO platform.idempotency_keys
        (region, id, issuer, subject, key, scope, method, path, fingerprint, office, request_id, served_in,
         status, location, version, body, effect_ids, committed_at, expire_at)
    VALUES ($1, $2, $4, $5, $12, $7, $25, $26, $27, $10, $11, $9, $28, $17, $29, $30, $14, $3, $31)";

/// Makes a key void, unless something was written under it, however long ago.
pub(crate) const VOID: &str = "
    INSERT INTO platform.idempotency_keys
        (region, id, issuer, subject, key, scope, method, path, fingerprint, office, request_id, served_in,
         status, location, version, body, effect_ids, committed_at, expire_at)
    SELECT $1::TEXT, $2::UUID, $3::TEXT, $4::TEXT, $5::TEXT, $6::TEXT, 'POST', $7::TEXT, ''::BYTEA, $8::TEXT,
           $9::TEXT, $10::TEXT, NULL, NULL, NULL, NULL, ARRAY[]::TEXT[], $11::TIMESTAMPTZ, $12::TIMESTAMPTZ
    WHERE NOT EXISTS (SELECT 1 FROM platform.audit_log AS a WHERE a.region = $1::TEXT AND a.id = $2::UUID)
    ON CONFLICT (region, id) DO NOTHING";

/// Reads what became of a write: its key row in any of the regions.
pub(crate) const KEY_RECEIPT: &str = "
    SELECT region, status IS NULL AS void, effect_ids AS ids, committed_at AS at, served_in, request_id, office,
           scope
    FROM platform.idempotency_keys
    WHERE region = ANY($1) AND id = $2";

/// Reads what became of a write whose key row is gone: its audit row in any of the regions.
pub(crate) const AUDIT_RECEIPT: &str = "
    SELECT region, false AS void, ids, at, served_in, request_id, office, scope
    FROM platform.audit_log
    WHERE region = ANY($1) AND id = $2";

/// Counts effects per key and office, from audit rows alone.
pub(crate) const COUNT_EFFECTS: &str = "
    SELECT id, count(*)::INT8 AS effects
    FROM platform.audit_log
    WHERE region = ANY($1) AND id = ANY($2)
    GROUP BY id, office";

/// Reads the key rows of many writes, and where only the audit row is left.
pub(crate) const FIND_ROWS: &str = "
    SELECT w.n, k.id IS NOT NULL AS keyed, k.fingerprint, k.office, k.status, k.version, k.body, k.effect_ids,
           k.request_id, coalesce(k.location, a.location) AS location
    FROM unnest($1::INT8[], $2::TEXT[], $3::UUID[]) AS w (n, region, id)
    LEFT JOIN platform.idempotency_keys AS k ON k.region = w.region AND k.id = w.id
    LEFT JOIN platform.audit_log AS a ON a.region = w.region AND a.id = w.id
    WHERE k.id IS NOT NULL OR a.id IS NOT NULL";

/// Stores the audit rows, events and key rows of many writes of one request; counts the key rows that were not there.
/// Lists of ids cross as text with commas, since an array of arrays has no `unnest` by rows.
pub(crate) const RECORD_ROWS: &str = "
    WITH w AS (
        SELECT region, id, office, key, ids, before, after, location, event_ids, fingerprint, status, version, body
        FROM unnest($1::TEXT[], $2::UUID[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[],
                    $9::TEXT[], $10::TEXT[], $11::INT8[], $12::INT8[], $13::TEXT[])
            AS w (region, id, office, key, ids, before, after, location, event_ids, fingerprint, status, version, body)
    ), audited AS (
        INSERT INTO platform.audit_log
            (region, id, at, issuer, subject, scopes, scope, ip, served_in, office, request_id, key, action, ids,
             before, after, location, event_ids)
        SELECT region, id, $14, $15, $16, $17, $18, $19, $20, office, $21, key, $22, string_to_array(ids, ','),
               before::JSONB, after::JSONB, location, string_to_array(event_ids, ',')
        FROM w
        ON CONFLICT (region, id) DO NOTHING
        RETURNING 1
    ), emitted AS (
        INSERT INTO platform.events
            (region, id, time, kind, subject, office, resource_version, request_id, data)
        SELECT e.region, e.id, $14, e.kind, e.subject, e.office, e.resource_version, $21, e.data::JSONB
        FROM unnest($23::TEXT[], $24::UUID[], $25::TEXT[], $26::TEXT[], $27::TEXT[], $28::INT8[], $29::TEXT[])
            AS e (region, id, kind, subject, office, resource_version, data)
        ON CONFLICT (region, id) DO NOTHING
        RETURNING 1
    )
    INSERT INTO platform.idempotency_keys
        (region, id, issuer, subject, key, scope, method, path, fingerprint, office, request_id, served_in,
         status, location, version, body, effect_ids, committed_at, expire_at)
    SELECT region, id, $15, $16, key, $18, $30, $31, decode(fingerprint, 'hex'), office, $21, $20, status, location,
           version, body, string_to_array(ids, ','), $14, $32
    FROM w
    ON CONFLICT (region, id) DO NOTHING";

/// Takes the bodies out of stored answers; status, path and version stay.
pub(crate) const SCRUB: &str = "
    UPDATE platform.idempotency_keys
    SET body = NULL
    WHERE region = $1 AND id = ANY($2)";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[
    FIND,
    FIND_AUDIT,
    RECORD,
    VOID,
    KEY_RECEIPT,
    AUDIT_RECEIPT,
    COUNT_EFFECTS,
    FIND_ROWS,
    RECORD_ROWS,
    SCRUB,
];

/// What a key row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) office: Option<OfficeCode>,
    pub(crate) request_id: String,
    /// `None`: the key is void.
    pub(crate) reply: Option<Reply>,
}

/// The id of the key row and of the audit row of a write.
pub(crate) fn write_id(principal: &Principal, key: &IdempotencyKey) -> Uuid {
    derive_bits(&[
        b"write",
        principal.issuer.as_bytes(),
        principal.subject.as_bytes(),
        key.as_str().as_bytes(),
    ])
}

/// The key row of a write, if there is one.
pub(crate) async fn find(
    session: &Session,
    home: &RegionTag,
    id: Uuid,
) -> Result<Option<KeyRow>, DbError> {
    session
        .row_opt(FIND, &[home, &id])
        .await?
        .map(|row| key_row(&row))
        .transpose()
}

/// Where the effect of a write can be seen, if its audit row is there: `Some(None)` when it has no path.
pub(crate) async fn find_audit(
    session: &Session,
    home: &RegionTag,
    id: Uuid,
) -> Result<Option<Option<String>>, DbError> {
    session
        .row_opt(FIND_AUDIT, &[home, &id])
        .await?
        .map(|row| row.get("location"))
        .transpose()
}

/// Sends [`RECORD`]. Prepare it before, so that COMMIT can be pipelined behind it.
pub(crate) async fn record(
    session: &Session,
    intent: &Intent,
    notes: &Notes,
    reply: &Reply,
) -> Result<(), DbError> {
    let id = write_id(&intent.principal, &intent.key);
    let events = EventColumns::of(intent, &notes.events);
    let scopes: Vec<&str> = intent
        .principal
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    let ip = intent.call.client().map(|ip| ip.to_string());
    let request_id = intent.call.id().to_string();
    let status = i64::from(reply.status);
    session
        .execute(
            RECORD,
            &[
                &intent.home,
                &id,
                &notes.now,
                &intent.principal.issuer,
                &intent.principal.subject,
                &scopes,
                &intent.scope.as_str(),
                &ip,
                intent.call.region(),
                &notes.office,
                &request_id,
                &intent.key,
                &intent.operation,
                &reply.effect_ids,
                &notes.before,
                &notes.after,
                &reply.location,
                &events.ids_as_text,
                &events.ids,
                &events.kinds,
                &events.subjects,
                &events.offices,
                &events.versions,
                &events.data,
                &intent.method,
                &intent.path,
                &intent.fingerprint.as_slice(),
                &status,
                &reply.version,
                &reply.body,
                &notes.now.plus(RETENTION),
            ],
        )
        .await
        .map(drop)
}

/// What is known of each of the writes that left something: its key row, or where its effect can be seen.
pub(crate) async fn find_rows(
    session: &Session,
    intents: &[Intent],
) -> Result<Vec<(usize, Result<KeyRow, Option<String>>)>, DbError> {
    let numbers: Vec<i64> = (0..).take(intents.len()).collect();
    let regions: Vec<&RegionTag> = intents.iter().map(|intent| &intent.home).collect();
    let ids: Vec<Uuid> = intents
        .iter()
        .map(|intent| write_id(&intent.principal, &intent.key))
        .collect();
    let rows = session.rows(FIND_ROWS, &[&numbers, &regions, &ids]).await?;
    rows.iter()
        .map(|row| {
            let number: i64 = row.get("n")?;
            let index = usize::try_from(number).map_err(|source| decode("n", source))?;
            let found = if row.get("keyed")? {
                Ok(key_row(row)?)
            } else {
                Err(row.get("location")?)
            };
            Ok((index, found))
        })
        .collect()
}

/// One of many writes, done.
#[derive(Debug)]
pub(crate) struct StoredRow<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) notes: Notes,
    pub(crate) reply: Reply,
}

/// Sends [`RECORD_ROWS`]: how many key rows were not there before.
pub(crate) async fn record_rows(txn: &Txn<'_>, rows: &[StoredRow<'_>]) -> Result<u64, DbError> {
    let Some(first) = rows.first().map(|row| row.intent) else {
        return Ok(0);
    };
    let now = txn.now();
    let columns = RowColumns::of(rows);
    let scopes: Vec<&str> = first
        .principal
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    txn.execute(
        RECORD_ROWS,
        &[
            &columns.regions,
            &columns.ids,
            &columns.offices,
            &columns.keys,
            &columns.effect_ids,
            &columns.before,
            &columns.after,
            &columns.locations,
            &columns.event_ids,
            &columns.fingerprints,
            &columns.statuses,
            &columns.versions,
            &columns.bodies,
            &now,
            &first.principal.issuer,
            &first.principal.subject,
            &scopes,
            &first.scope.as_str(),
            &first.call.client().map(|ip| ip.to_string()),
            first.call.region(),
            &first.call.id().to_string(),
            &first.operation,
            &columns.event_regions,
            &columns.events.ids,
            &columns.events.kinds,
            &columns.events.subjects,
            &columns.events.offices,
            &columns.events.versions,
            &columns.events.data,
            &first.method,
            &first.path,
            &now.plus(RETENTION),
        ],
    )
    .await
}

/// A key to make void.
#[derive(Debug, Clone, Copy)]
pub struct Void<'a> {
    /// The request.
    pub call: &'a kernel::Call,
    /// Whose key it is.
    pub principal: &'a Principal,
    /// The key.
    pub key: &'a IdempotencyKey,
    /// The office that the write named.
    pub office: Option<&'a OfficeCode>,
    /// Where the key row lives: the office's home, or the primary region.
    pub home: &'a RegionTag,
    /// The right that the route asked for.
    pub scope: Scope,
}

/// Sends [`VOID`].
pub(crate) async fn insert_void(session: &Session, void: &Void<'_>) -> Result<(), DbError> {
    let now = void.call.received_at();
    session
        .execute(
            VOID,
            &[
                void.home,
                &write_id(void.principal, void.key),
                &void.principal.issuer,
                &void.principal.subject,
                void.key,
                &void.scope.as_str(),
                &format!("/v1/writes/{}/void", void.key),
                &void.office,
                &void.call.id().to_string(),
                void.call.region(),
                &now,
                &now.plus(RETENTION),
            ],
        )
        .await
        .map(drop)
}

/// Reads a row of [`KEY_RECEIPT`] or [`AUDIT_RECEIPT`].
pub(crate) fn receipt(row: &Row, key: &IdempotencyKey) -> Result<Receipt, DbError> {
    let scope: String = row.get("scope")?;
    let void: bool = row.get("void")?;
    Ok(Receipt {
        key: key.clone(),
        status: if void {
            ReceiptStatus::Void
        } else {
            ReceiptStatus::Committed
        },
        effect_ids: row.get("ids")?,
        committed_at: row.get("at")?,
        region: row.get("region")?,
        served_in: row.get("served_in")?,
        request_id: row.get("request_id")?,
        office: row.get("office")?,
        scope: Scope::from_str(&scope).map_err(|source| decode("scope", source))?,
    })
}

fn key_row(row: &Row) -> Result<KeyRow, DbError> {
    let status: Option<i64> = row.get("status")?;
    let reply = match status {
        None => None,
        Some(status) => Some(Reply {
            status: u16::try_from(status).map_err(|source| decode("status", source))?,
            location: row.get("location")?,
            version: row.get("version")?,
            body: row.get("body")?,
            effect_ids: row.get("effect_ids")?,
        }),
    };
    Ok(KeyRow {
        fingerprint: row.get("fingerprint")?,
        office: row.get("office")?,
        request_id: row.get("request_id")?,
        reply,
    })
}

fn decode(column: &str, source: impl std::error::Error + Send + Sync + 'static) -> DbError {
    DbError::Decode {
        column: column.into(),
        source: std::sync::Arc::new(source),
    }
}

/// Events, by column: JSON goes as text, since CockroachDB has no arrays of JSONB.
#[derive(Default)]
struct EventColumns<'a> {
    ids: Vec<Uuid>,
    ids_as_text: Vec<String>,
    kinds: Vec<&'a str>,
    subjects: Vec<&'a str>,
    offices: Vec<Option<&'a OfficeCode>>,
    versions: Vec<i64>,
    data: Vec<String>,
}

impl<'a> EventColumns<'a> {
    fn of(intent: &Intent, events: &'a [Event]) -> Self {
        let mut ids: Vec<Id<EventKind>> = (0..)
            .take(events.len())
            .map(|index| intent.new_id(intent.home.clone(), index))
            .collect();
        // Two of one version of a resource are numbered by id: then in the order in which they were emitted.
        ids.sort_unstable_by_key(Id::uuid);
        Self {
            ids: ids.iter().map(Id::uuid).collect(),
            ids_as_text: ids.iter().map(Id::to_string).collect(),
            kinds: events.iter().map(|e| e.kind).collect(),
            subjects: events.iter().map(|e| e.subject.as_str()).collect(),
            offices: events.iter().map(|e| e.office.as_ref()).collect(),
            versions: events.iter().map(|e| e.resource_version).collect(),
            data: events.iter().map(|e| e.data.to_string()).collect(),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.ids.append(&mut other.ids);
        self.ids_as_text.append(&mut other.ids_as_text);
        self.kinds.append(&mut other.kinds);
        self.subjects.append(&mut other.subjects);
        self.offices.append(&mut other.offices);
        self.versions.append(&mut other.versions);
        self.data.append(&mut other.data);
    }
}

/// Many writes, by column.
#[derive(Default)]
struct RowColumns<'a> {
    regions: Vec<&'a RegionTag>,
    ids: Vec<Uuid>,
    offices: Vec<Option<&'a OfficeCode>>,
    keys: Vec<&'a str>,
    effect_ids: Vec<String>,
    before: Vec<Option<String>>,
    after: Vec<Option<String>>,
    locations: Vec<Option<&'a str>>,
    event_ids: Vec<String>,
    fingerprints: Vec<String>,
    statuses: Vec<i64>,
    versions: Vec<Option<i64>>,
    bodies: Vec<Option<&'a str>>,
    event_regions: Vec<&'a RegionTag>,
    events: EventColumns<'a>,
}

impl<'a> RowColumns<'a> {
    fn of(rows: &'a [StoredRow<'a>]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let StoredRow {
                intent,
                notes,
                reply,
            } = row;
            let events = EventColumns::of(intent, &notes.events);
            columns.regions.push(&intent.home);
            columns.ids.push(write_id(&intent.principal, &intent.key));
            columns.offices.push(notes.office.as_ref());
            columns.keys.push(intent.key.as_str());
            columns.effect_ids.push(reply.effect_ids.join(","));
            columns
                .before
                .push(notes.before.as_ref().map(ToString::to_string));
            columns
                .after
                .push(notes.after.as_ref().map(ToString::to_string));
            columns.locations.push(reply.location.as_deref());
            columns.event_ids.push(events.ids_as_text.join(","));
            columns.fingerprints.push(hex(&intent.fingerprint));
            columns.statuses.push(i64::from(reply.status));
            columns.versions.push(reply.version);
            columns.bodies.push(reply.body.as_deref());
            columns
                .event_regions
                .extend(std::iter::repeat_n(&intent.home, events.ids.len()));
            columns.events.append(events);
        }
        columns
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
