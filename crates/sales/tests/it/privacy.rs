//! What is left of a person who was made anonymous: nothing.

use axum::http::Method;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{Answer, TestApp, TestDb, app::new_key};

use crate::{
    Shop, app,
    customers::{CUSTOMERS, kim},
};

async fn delete(app: &TestApp, path: &str, version: &str) -> Answer {
    let request = app.request(Method::DELETE, path);
    request.header("if-match", version).send().await
}

/// `table.column` of everything in the database that contains the text, in whatever case: every column of every table,
/// as text.
async fn traces(db: &TestDb, text: &str) -> Vec<String> {
    let columns = "SELECT c.table_schema, c.table_name, c.column_name FROM information_schema.columns AS c \
        JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
        WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema')";
    let columns = db.query(columns).await;
    assert!(columns.len() > 200, "columns are looked at");
    let mut found = Vec::new();
    for column in columns {
        let [schema, table, column] = [0, 1, 2].map(|n| column[n].clone().unwrap());
        let count = format!(
            "SELECT count(*) FROM \"{schema}\".\"{table}\" WHERE strpos(lower(\"{column}\"::TEXT), lower('{text}')) > 0"
        );
        if db.count(&count).await > 0 {
            found.push(format!("{schema}.{table}.{column}"));
        }
    }
    found
}

/// What was told of two persons, and under which keys.
struct Persons {
    shop: Shop,
    kim: String,
    sasha: String,
    keys: [String; 3],
    imported: String,
}

/// Every piece of it.
const TOLD: [&str; 10] = [
    "Kim Example",
    "Kim@Example.com",
    "+49 30 1",
    "DE123",
    "Robin Secret",
    "robin@secret.example",
    "555-0199",
    "Sasha Hidden",
    "sasha@hidden.example",
    "US-77",
];

impl Persons {
    /// One came by a POST and was changed twice, one came in a file.
    async fn new() -> Self {
        let mut persons = Self {
            shop: Shop::new().await,
            kim: String::new(),
            sasha: String::new(),
            keys: [new_key(), new_key(), new_key()],
            imported: String::new(),
        };
        persons.kim = persons.post("eu1").await.header("location").to_owned();
        assert_eq!(persons.patch("\"1\"", &persons.keys[1]).await.version(), 2);
        // Changes nothing, and yet its answer shows the person.
        assert_eq!(persons.patch("\"2\"", &new_key()).await.version(), 2);
        let imported = persons.import().await;
        persons.sasha = format!(
            "{CUSTOMERS}/{}",
            imported.lines()[0]["id"].as_str().unwrap()
        );
        persons.imported = imported.text;
        persons
    }

    async fn post(&self, region: &str) -> Answer {
        let request = self.shop.in_region(region).request(Method::POST, CUSTOMERS);
        request.key(&self.keys[0]).json(&kim("ber")).send().await
    }

    async fn patch(&self, version: &str, key: &str) -> Answer {
        let body =
            json!({"name": "Robin Secret", "email": "robin@secret.example", "phone": "555-0199"});
        let request = self.shop.app().request(Method::PATCH, &self.kim).key(key);
        request.header("if-match", version).json(&body).send().await
    }

    async fn import(&self) -> Answer {
        let file = "office,name,email,tax_id\r\nnyc,Sasha Hidden,sasha@hidden.example,US-77\r\n";
        let request = self
            .shop
            .app()
            .request(Method::POST, &format!("{CUSTOMERS}/imports"));
        request
            .key(&self.keys[2])
            .body("text/csv", file)
            .send()
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_38_nothing_is_left_of_a_person_and_replays_are_rendered_anew() {
    let persons = Persons::new().await;
    let (app, db) = (persons.shop.app(), &persons.shop.db);
    for text in TOLD {
        let places = traces(db, text).await;
        let far = |place: &&String| {
            place.starts_with("platform.audit_log") || place.starts_with("platform.events")
        };
        assert_eq!(
            places.iter().find(far),
            None,
            "{text} is there from the beginning"
        );
    }
    assert!(!traces(db, "Robin Secret").await.is_empty());

    let (kim, sasha) = (persons.kim.as_str(), persons.sasha.as_str());
    assert_eq!(
        delete(&app, kim, "\"1\"").await.problem(),
        (412, "version_changed")
    );
    let unconditional = app.request(Method::DELETE, kim).send().await;
    assert_eq!(unconditional.problem(), (428, "if_match_required"));
    let gone = delete(&app, kim, "\"2\"").await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    assert_eq!(
        delete(&persons.shop.in_region("ap1"), sasha, "\"1\"")
            .await
            .status,
        204
    );
    for text in TOLD {
        assert_eq!(traces(db, text).await, [""; 0], "{text}");
    }

    let left = app.get(kim).await;
    assert_eq!(
        (left.version(), &left.body["status"]),
        (3, &json!("anonymised"))
    );
    assert_eq!(left.body["name"], "Anonymised customer");
    for member in ["email", "phone", "tax_id"] {
        assert_eq!(left.body[member], Value::Null, "{member}");
    }
    for region in ["eu1", "us1"] {
        let replayed = persons.post(region).await;
        assert_eq!(
            (
                replayed.status.as_u16(),
                replayed.header("idempotent-replayed")
            ),
            (201, "true")
        );
        assert_eq!(
            (replayed.header("location"), replayed.header("etag")),
            (kim, "\"1\"")
        );
        assert_eq!(replayed.body, left.body);
    }
    let replayed = persons.patch("\"1\"", &persons.keys[1]).await;
    assert_eq!(
        (replayed.status.as_u16(), replayed.header("etag")),
        (200, "\"2\"")
    );
    assert_eq!(replayed.body, left.body);
    assert_eq!(persons.import().await.text, persons.imported);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_anonymous_stays_so_and_the_email_is_free() {
    let shop = Shop::new().await;
    let app = shop.app();
    let path = app
        .post(CUSTOMERS, kim("ber"))
        .await
        .header("location")
        .to_owned();
    assert_eq!(delete(&app, &path, "*").await.status, 204);
    let before = app.get(&path).await;
    let again = delete(&app, &path, "\"2\"").await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (204, ""));
    assert_eq!(app.get(&path).await.body, before.body);
    let refused = app.patch(&path, 2, json!({"name": "Kim"})).await;
    assert_eq!(refused.problem(), (409, "customer_anonymised"));
    assert_eq!(app.post(CUSTOMERS, kim("ber")).await.status, 201);
    let events = "SELECT count(*) FROM platform.events WHERE kind = 'sales.customer.anonymised'";
    assert_eq!(shop.db.count(events).await, 1);
}

/// Each write, and its repeat, under each fault of the switch.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_a_customer_has_exactly_one_effect_under_every_fault() {
    let shop = Shop::new().await;
    let db = shop.db.db_in("eu1");
    let app = app(db.clone(), "eu1", kernel::Clock::System);
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let mut body = kim("ber");
        body["email"] = json!(format!("base-{round}@example.com"));
        let base = app.post(CUSTOMERS, body.clone()).await;
        body["email"] = json!(format!("new-{round}@example.com"));
        let path = base.header("location");
        for (operation, method, path, if_match, body) in [
            ("create_customer", Method::POST, CUSTOMERS, None, body),
            (
                "update_customer",
                Method::PATCH,
                path,
                Some("\"1\""),
                json!({"name": "Other"}),
            ),
            (
                "anonymise_customer",
                Method::DELETE,
                path,
                Some("\"2\""),
                json!({}),
            ),
        ] {
            let key = new_key();
            db.faults().set(operation, fault);
            let send = async || {
                let mut request = app.request(method.clone(), path).key(&key);
                if let Some(version) = if_match {
                    request = request.header("if-match", version);
                }
                request.json(&body).send().await
            };
            let first = send().await;
            assert!(
                first.status.is_success(),
                "{operation} under {fault:?}: {}",
                first.body
            );
            assert!(
                db.faults().hits(operation) > 0,
                "{operation} under {fault:?}"
            );
            let again = send().await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            assert_eq!(again.header("idempotent-replayed"), "true");
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(
                shop.db.count(&effects).await,
                1,
                "{operation} under {fault:?}"
            );
        }
    }
    assert_eq!(
        shop.db.count("SELECT count(*) FROM sales.customers").await,
        8
    );
    assert_eq!(
        shop.db.count("SELECT count(*) FROM platform.events").await,
        16
    );
}

/// Whoever changes a customer while it is made anonymous either came before, and is scrubbed, or came too late.
#[tokio::test(flavor = "multi_thread")]
async fn changes_that_race_the_end_of_a_person_leave_nothing() {
    let shop = Shop::new().await;
    let apps = ["eu1", "us1", "ap1"].map(|region| shop.in_region(region));
    for _ in 0..5 {
        let path = apps[0]
            .post(CUSTOMERS, kim("ber"))
            .await
            .header("location")
            .to_owned();
        let patches = (0..8).map(|n: usize| {
            let request = apps[n % 3]
                .request(Method::PATCH, &path)
                .header("if-match", "*");
            request
                .json(&json!({"name": format!("Robin Secret {n}")}))
                .send()
        });
        let (deleted, patched) = tokio::join!(
            delete(&apps[1], &path, "*"),
            futures_util::future::join_all(patches)
        );
        assert_eq!(deleted.status, 204, "{}", deleted.body);
        for patch in patched {
            let end = patch.problem();
            assert!(
                patch.status == 200 || end == (409, "customer_anonymised"),
                "{end:?}"
            );
        }
        assert_eq!(traces(&shop.db, "Robin Secret").await, [""; 0]);
    }
}
