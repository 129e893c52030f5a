//! A small system of its own: things with a unique name and a count.

use std::sync::atomic::{AtomicU32, Ordering};

use kernel::{Call, Common, Intent, OpError, ReadWant, Reply, SystemError};
use platform_db::{
    Db, DbError, Event, Migrations, Placement, ReadSpec, Refusal, Session, TxError, Txn,
};
use serde_json::json;
use testkit::{TestDb, call, intent};

pub(crate) static THINGS: Migrations = Migrations {
    system: "things",
    files: &[(
        "V0001__create_things",
        "CREATE TABLE IF NOT EXISTS things.things (
            region TEXT NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, count INT8 NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            CONSTRAINT things_pkey PRIMARY KEY (region, id),
            CONSTRAINT things_name UNIQUE (region, name),
            CONSTRAINT things_count CHECK (count >= 0)
        )",
    )],
    grants: &[("things", "SELECT, INSERT, UPDATE, DELETE")],
    localities: &[("things", Placement::BY_ROW)],
};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ThingError {
    #[error("the name is taken")]
    NameTaken,
    #[error("there are too few")]
    TooFew,
    #[error("refused on purpose")]
    OnPurpose,
}

impl Refusal for ThingError {
    fn from_constraint(name: &str) -> Option<Self> {
        match name {
            "things_name" | "things_pkey" => Some(Self::NameTaken),
            "things_count" => Some(Self::TooFew),
            _ => None,
        }
    }
}

pub(crate) type Ended = Result<Reply, OpError<ThingError>>;

pub(crate) async fn test_db() -> TestDb {
    TestDb::new(&[&THINGS]).await
}

/// A new request in `db`'s region.
pub(crate) fn request(db: &Db) -> Call {
    call(db.region().as_str())
}

/// A read of what lives in eu1, as fresh as its operation is by default.
pub(crate) fn spec(operation: &'static str) -> ReadSpec {
    ReadSpec {
        operation,
        want: ReadWant::default(),
        home: "eu1".parse().unwrap(),
        snapshot: None,
    }
}

pub(crate) fn create_intent(db: &Db, key: &str) -> Intent {
    intent(&request(db), "create_thing", key)
}

/// Makes a thing named `name`: one statement, as `create_item` would.
pub(crate) async fn create(db: &Db, intent: Intent, name: &str) -> Ended {
    let name = name.to_owned();
    db.write(intent, async move |txn: &Txn<'_>| {
        insert_thing(txn, &name).await
    })
    .await
}

pub(crate) async fn insert_thing(txn: &Txn<'_>, name: &str) -> Result<Reply, TxError<ThingError>> {
    let intent = txn.intent();
    let id: kernel::id::ItemId = intent.new_id(intent.home.clone(), 0);
    txn.execute(
        "INSERT INTO things.things (region, id, name, count, updated_at) VALUES ($1, $2, $3, 0, $4)",
        &[id.region(), &id.uuid(), &name, &txn.now()],
    )
    .await?;
    txn.emit(Event {
        kind: "things.thing.created",
        subject: id.to_string(),
        office: None,
        resource_version: 1,
        data: json!({"name": name}),
    });
    txn.audit(None, Some(json!({"name": name})));
    Ok(Reply {
        status: 201,
        location: Some(format!("/v1/things/{id}")),
        version: Some(1),
        body: Some(json!({"id": id, "name": name}).to_string()),
        effect_ids: vec![id.to_string()],
    })
}

/// Adds to the count of a thing: locks, decides, updates.
pub(crate) async fn add(db: &Db, intent: Intent, name: &str, delta: i64) -> Ended {
    let name = name.to_owned();
    db.write(intent, async move |txn: &Txn<'_>| {
        let (count, updated_at) = lock_thing(txn, &name).await?;
        txn.observe(updated_at);
        txn.execute(
            "UPDATE things.things SET count = $2, updated_at = $3 WHERE region = 'eu1' AND name = $1",
            &[&name, &(count + delta), &txn.now()],
        )
        .await?;
        Ok(ok(&format!("{{\"count\":{}}}", count + delta)))
    })
    .await
}

pub(crate) async fn lock_thing(
    txn: &Txn<'_>,
    name: &str,
) -> Result<(i64, kernel::Timestamp), TxError<ThingError>> {
    let row = txn
        .row_opt(
            "SELECT count, updated_at FROM things.things WHERE region = 'eu1' AND name = $1 FOR UPDATE",
            &[&name],
        )
        .await?
        .ok_or_else(|| Common::NotFound { what: format!("thing {name}") })?;
    Ok((row.get("count")?, row.get("updated_at")?))
}

pub(crate) fn ok(body: &str) -> Reply {
    Reply {
        status: 200,
        location: None,
        version: Some(2),
        body: Some(body.into()),
        effect_ids: vec!["thing".into()],
    }
}

pub(crate) async fn count_of(session: &Session, name: &str) -> Result<Option<i64>, DbError> {
    session
        .row_opt(
            "SELECT count FROM things.things WHERE region = 'eu1' AND name = $1",
            &[&name],
        )
        .await?
        .map(|row| row.get("count"))
        .transpose()
}

/// Exactly one effect: one thing, one audit row, one key row, one event.
pub(crate) async fn assert_one_effect(test: &TestDb, name: &str) {
    for (what, expected) in [
        (
            format!("SELECT count(*) FROM things.things WHERE name = '{name}'"),
            1,
        ),
        ("SELECT count(*) FROM platform.audit_log".into(), 1),
        ("SELECT count(*) FROM platform.idempotency_keys".into(), 1),
        ("SELECT count(*) FROM platform.events".into(), 1),
    ] {
        assert_eq!(test.count(&what).await, expected, "{what}");
    }
}

pub(crate) fn assert_unknown(ended: &Ended) {
    assert!(
        matches!(
            ended,
            Err(OpError::System(SystemError::OutcomeUnknown { .. }))
        ),
        "{ended:?}"
    );
}

/// How often something in a closure happened.
#[derive(Debug, Default)]
pub(crate) struct Times(AtomicU32);

impl Times {
    /// Counts one more; which one it is, from 1.
    pub(crate) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
