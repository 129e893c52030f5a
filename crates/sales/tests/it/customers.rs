//! `/v1/sales/customers`

use axum::http::Method;
use futures_util::future::join_all;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
};

use crate::Shop;

pub(crate) const CUSTOMERS: &str = "/v1/sales/customers";

pub(crate) fn kim(office: &str) -> Value {
    json!({"office": office, "name": "Kim Example", "email": "Kim@Example.com", "phone": "+49 30 1", "tax_id": "DE123"})
}

fn named(office: &str, name: &str) -> Value {
    json!({"office": office, "name": name})
}

async fn delete(app: &TestApp, path: &str, version: &str) -> Answer {
    let request = app.request(Method::DELETE, path);
    request.header("if-match", version).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_belongs_to_an_office_and_is_shown_as_sent() {
    let shop = Shop::new().await;
    let made = shop.in_region("us1").post(CUSTOMERS, kim("ber")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = made.header("location").to_owned();
    assert!(path.starts_with("/v1/sales/customers/cus_eu1_"), "{path}");
    assert_eq!(made.header("etag"), "\"1\"");
    let body = &made.body;
    assert_eq!(
        (&body["office"], &body["home_region"]),
        (&json!("ber"), &json!("eu1"))
    );
    assert_eq!(
        (&body["name"], &body["email"], &body["phone"]),
        (
            &json!("Kim Example"),
            &json!("Kim@Example.com"),
            &json!("+49 30 1")
        )
    );
    assert_eq!(
        (&body["tax_id"], &body["status"], &body["version"]),
        (&json!("DE123"), &json!("active"), &json!(1))
    );
    for region in ["eu1", "us1", "ap1"] {
        assert_eq!(shop.in_region(region).get(&path).await.body, made.body);
    }
    // The region in an id is a hint.
    let elsewhere = path.replace("cus_eu1_", "cus_us1_");
    assert_eq!(shop.app().get(&elsewhere).await.body, made.body);
    let unknown = shop.app().get(&path.replace("cus_eu1_", "cus_eu1_0")).await;
    assert_eq!(unknown.status.as_u16() / 100, 4);
    let bare = shop.app().post(CUSTOMERS, named("nyc", "N")).await;
    assert_eq!(
        (&bare.body["email"], &bare.body["home_region"]),
        (&Value::Null, &json!("us1"))
    );
    for (table, rows) in [("idempotency_keys", 1), ("audit_log", 1), ("events", 1)] {
        let count = format!(
            "SELECT count(*) FROM platform.{table} WHERE region = 'us1' AND office = 'nyc'"
        );
        assert_eq!(shop.db.count(&count).await, rows, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_a_body_is_named() {
    let shop = Shop::new().await;
    let app = shop.app();
    let long = "x".repeat(129);
    let bad = json!({"office": "BER", "name": " ", "email": "kim", "phone": long, "tax_id": "", "status": "active",
        "fax": "1"});
    let refused = app.post(CUSTOMERS, bad).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/email", "/fax", "/name", "/office", "/phone", "/status", "/tax_id"
        ]
    );
    for (body, pointers) in [
        (json!({}), vec!["/office", "/name"]),
        (named("xyz", "N"), vec!["/office"]),
        (json!([]), vec![""]),
        (named("ber", &"x".repeat(201)), vec!["/name"]),
    ] {
        let refused = app.post(CUSTOMERS, body).await;
        assert_eq!(
            (refused.problem(), refused.pointers()),
            ((422, "validation_failed"), pointers)
        );
    }
    shop.db
        .query("UPDATE platform.offices SET status = 'closed' WHERE code = 'nyc'")
        .await;
    let closed = app.post(CUSTOMERS, named("nyc", "N")).await;
    assert_eq!(closed.body["errors"][0]["code"], "office_closed");
    let good = json!({"office": "ber", "name": "名".repeat(200), "email": "käthe@müller.example"});
    assert_eq!(app.post(CUSTOMERS, good).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_one_customers_of_an_office_in_whatever_case() {
    let shop = Shop::new().await;
    let app = shop.app();
    let first = app.post(CUSTOMERS, kim("ber")).await;
    let other = json!({"office": "ber", "name": "Other", "email": "KIM@example.COM"});
    let taken = app.post(CUSTOMERS, other).await;
    assert_eq!(taken.problem(), (409, "email_taken"));
    assert_eq!(taken.body["effect"], "none");
    assert_eq!(app.post(CUSTOMERS, kim("nyc")).await.status, 201);
    let other = app.post(CUSTOMERS, named("ber", "Other")).await;
    let path = other.header("location");
    let email = json!({"email": "kim@example.com"});
    let taken = app.patch(path, 1, email.clone()).await;
    assert_eq!(taken.problem(), (409, "email_taken"));
    assert_eq!(app.get(path).await.version(), 1);
    let cleared = app
        .patch(first.header("location"), 1, json!({"email": null}))
        .await;
    assert_eq!(
        (cleared.version(), &cleared.body["email"]),
        (2, &Value::Null)
    );
    assert_eq!(app.patch(path, 1, email).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_of_many_who_want_one_email_one_gets_it_and_its_twins_are_not_told_that_it_is_taken()
 {
    let shop = Shop::new().await;
    let apps = ["eu1", "us1", "ap1"].map(|region| shop.in_region(region));
    for round in 0..3 {
        let email = format!("round-{round}@example.com");
        let body = json!({"office": "ber", "name": "N", "email": email});
        let keys: Vec<String> = (0..4).map(|_| new_key()).collect();
        // Four customers, each sent six times, to three regions.
        let send = |n: usize| {
            let request = apps[n % 3].request(Method::POST, CUSTOMERS);
            request.key(&keys[n % 4]).json(&body).send()
        };
        let answers = join_all((0..24).map(send)).await;
        let mut made = 0;
        for number in 0..4 {
            let mine: Vec<&Answer> = answers.iter().skip(number).step_by(4).collect();
            let first = mine[0];
            for answer in &mine {
                assert_eq!(
                    (answer.status, &answer.body["id"]),
                    (first.status, &first.body["id"])
                );
            }
            match first.status.as_u16() {
                201 => made += 1,
                _ => assert_eq!(first.problem(), (409, "email_taken"), "{}", first.body),
            }
        }
        assert_eq!(made, 1, "round {round}");
    }
    assert_eq!(
        shop.db.count("SELECT count(*) FROM sales.customers").await,
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_05_a_repeat_after_the_key_row_is_gone_makes_no_second_customer() {
    let shop = Shop::new().await;
    let app = shop.app();
    let key = new_key();
    let send = async || {
        let request = app.request(Method::POST, CUSTOMERS).key(&key);
        request.json(&kim("ber")).send().await
    };
    let made = send().await;
    shop.db.query("DELETE FROM platform.idempotency_keys").await;
    let late = send().await;
    assert_eq!(late.problem(), (409, "already_exists"));
    assert_eq!(late.header("location"), made.header("location"));
    assert_eq!(
        shop.db.count("SELECT count(*) FROM sales.customers").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_10_customers_are_shown_and_changed_within_the_offices_of_a_token() {
    let shop = Shop::new().await;
    let app = shop.app();
    let path = app
        .post(CUSTOMERS, kim("nyc"))
        .await
        .header("location")
        .to_owned();
    app.post(CUSTOMERS, named("ber", "B")).await;
    let clerk = token(Role::Clerk, &["ber"]);
    let forbidden = (403, "office_forbidden");
    let send = async |method: Method, path: &str, body: Value| {
        let request = app.request_as(&clerk, method, path).key(&new_key());
        request.json(&body).send().await
    };
    assert_eq!(
        send(Method::GET, &path, Value::Null).await.problem(),
        forbidden
    );
    assert_eq!(
        send(Method::POST, CUSTOMERS, kim("nyc")).await.problem(),
        forbidden
    );
    // Before the version is asked for.
    assert_eq!(
        send(Method::PATCH, &path, json!({})).await.problem(),
        forbidden
    );
    assert_eq!(
        send(Method::DELETE, &path, json!({})).await.problem(),
        forbidden
    );
    let wanted = format!("{CUSTOMERS}?office=nyc");
    assert_eq!(
        send(Method::GET, &wanted, Value::Null).await.problem(),
        forbidden
    );
    let listed = send(Method::GET, CUSTOMERS, Value::Null).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
    let viewer = token(Role::Viewer, &["*"]);
    let read_only = app
        .request_as(&viewer, Method::POST, CUSTOMERS)
        .key(&new_key());
    let read_only = read_only.json(&json!({})).send().await;
    assert_eq!(read_only.problem(), (403, "scope_missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_listed_by_what_is_known_of_them() {
    let shop = Shop::new().await;
    let app = shop.app();
    for (office, number) in [("ber", 1), ("ber", 2), ("nyc", 3), ("ber", 4)] {
        let mut body = named(office, &format!("C{number}"));
        body["email"] = json!(format!("C{number}@Example.com"));
        assert_eq!(app.post(CUSTOMERS, body).await.status, 201);
    }
    let first = app.get(&format!("{CUSTOMERS}?order=asc&limit=1")).await;
    let path = format!(
        "{CUSTOMERS}/{}",
        first.body["data"][0]["id"].as_str().unwrap()
    );
    assert_eq!(delete(&app, &path, "\"1\"").await.status, 204);
    let names = async |query: &str| -> Vec<String> {
        let page = app.get(&format!("{CUSTOMERS}{query}")).await;
        assert_eq!(page.status, 200, "{query}: {}", page.body);
        let data = page.body["data"].as_array().unwrap();
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        data.iter().map(name).collect()
    };
    let gone = "Anonymised customer";
    assert_eq!(names("").await, ["C4", "C3", "C2", gone]);
    assert_eq!(names("?order=asc&office=ber").await, [gone, "C2", "C4"]);
    assert_eq!(
        names("?status=active&office=ber,nyc").await,
        ["C4", "C3", "C2"]
    );
    assert_eq!(names("?status=anonymised").await, [gone]);
    assert_eq!(names("?email=c3@example.COM").await, ["C3"]);
    assert_eq!(
        names("?email=c3@example.com&order=asc&office=ber").await,
        [""; 0]
    );
    assert_eq!(names("?email=c1@example.com").await, [""; 0]);
    let from = first.body["data"][0]["created_at"].as_str().unwrap();
    assert_eq!(names(&format!("?created_to={from}")).await, [gone]);
    for query in ["?email=kim", "?status=open", "?office=xyz", "?name=C1"] {
        assert_eq!(
            app.get(&format!("{CUSTOMERS}{query}")).await.status,
            400,
            "{query}"
        );
    }
    let mut walked = Vec::new();
    let mut path = format!("{CUSTOMERS}?limit=3");
    loop {
        let page = app.get(&path).await;
        walked.extend(page.body["data"].as_array().unwrap().clone());
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        path = format!("{CUSTOMERS}?limit=3&cursor={cursor}");
    }
    assert_eq!(walked.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_a_patch_says_what_changes_and_null_clears() {
    let shop = Shop::new().await;
    let app = shop.app();
    let path = app
        .post(CUSTOMERS, kim("ber"))
        .await
        .header("location")
        .to_owned();
    let changed = app
        .patch(&path, 1, json!({"name": "Kim Sample", "phone": null}))
        .await;
    assert_eq!((changed.status.as_u16(), changed.version()), (200, 2));
    assert_eq!(
        (
            &changed.body["name"],
            &changed.body["phone"],
            &changed.body["tax_id"]
        ),
        (&json!("Kim Sample"), &Value::Null, &json!("DE123"))
    );
    assert_eq!(app.get(&path).await.body, changed.body);
    let same = app.patch(&path, 2, json!({"name": "Kim Sample"})).await;
    assert_eq!((same.status.as_u16(), same.version()), (200, 2));
    let missing = path.replace("cus_eu1", "cus_g");
    assert_eq!(
        app.patch(&missing, 2, json!({"name": "K"})).await.version(),
        3
    );
    let unknown = format!("{CUSTOMERS}/cus_eu1_{}", "0".repeat(26));
    assert_eq!(
        app.patch(&unknown, 1, json!({"name": "K"})).await.problem(),
        (404, "not_found")
    );
    assert_eq!(
        delete(&app, &unknown, "*").await.problem(),
        (404, "not_found")
    );
    let kinds = "SELECT kind, resource_version FROM platform.events ORDER BY resource_version";
    let kinds: Vec<String> = shop
        .db
        .query(kinds)
        .await
        .into_iter()
        .map(|row| row[0].clone().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "sales.customer.created",
            "sales.customer.changed",
            "sales.customer.changed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let shop = Shop::new().await;
    let app = shop.app();
    let made = app.post(CUSTOMERS, kim("ber")).await;
    let path = made.header("location").to_owned();
    let unconditional = app
        .request(Method::PATCH, &path)
        .json(&json!({"name": "K"}));
    assert_eq!(
        unconditional.send().await.problem(),
        (428, "if_match_required")
    );
    assert_eq!(
        app.patch(&path, 2, json!({"name": "K"})).await.problem(),
        (412, "version_changed")
    );
    for (body, pointer) in [
        (json!({"office": "nyc"}), "/office"),
        (json!({"status": "anonymised"}), "/status"),
        (json!({"name": null}), "/name"),
        (json!({"email": "kim"}), "/email"),
        (json!({"mail": "kim"}), "/mail"),
    ] {
        let refused = app.patch(&path, 1, body).await;
        assert_eq!(
            (refused.problem(), refused.pointers()),
            ((422, "validation_failed"), vec![pointer])
        );
    }
    assert_eq!(app.get(&path).await.body, made.body);
}
