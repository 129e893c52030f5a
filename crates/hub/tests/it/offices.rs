//! `/v1/offices`

use axum::http::Method;
use kernel::Role;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{new_key, token},
};

use crate::{Company, systems};

const OFFICES: &str = "/v1/offices";

fn vienna() -> Value {
    json!({
        "code": "vie", "name": "Vienna", "country": "AT", "city": "Vienna", "time_zone": "Europe/Vienna",
        "currency": "EUR", "latitude": 48.2082, "longitude": 16.3738, "home_region": "eu1",
        "default_tax_rate_bp": 2000,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_34_offices_are_loaded_once_and_then_belong_to_the_api() {
    let company = Company::new().await;
    let app = company.app();
    assert_eq!(
        company
            .db
            .count("SELECT count(*) FROM platform.offices")
            .await,
        9
    );
    assert_eq!(
        company
            .db
            .count("SELECT count(*) FROM warehouse.locations")
            .await,
        9
    );
    let renamed = app
        .patch("/v1/offices/ber", 1, json!({"name": "Berlin Mitte"}))
        .await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert_eq!(
        hub::load_offices(&company.db.db(), &company.topology)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        app.get("/v1/offices/ber").await.body["name"],
        "Berlin Mitte"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_office_has_a_location_and_both_have_events() {
    let company = Company::new().await;
    let app = company.app();
    let made = app.post(OFFICES, vienna()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), "/v1/offices/vie");
    assert_eq!(made.body["default_location"], "vie-main");
    assert_eq!(made.body["status"], "active");
    let location = company
        .in_region("ap1")
        .get("/v1/warehouse/locations/vie-main")
        .await;
    assert_eq!(
        (&location.body["office"], &location.body["kind"]),
        (&json!("vie"), &json!("depot"))
    );
    let kinds = "SELECT kind FROM platform.events WHERE office IS NULL AND data->>'office' = 'vie' ORDER BY kind";
    let kinds = company.db.query(kinds).await;
    assert_eq!(
        kinds.concat(),
        ["office.created", "warehouse.location.created"].map(|k| Some(k.to_owned()))
    );
    assert_eq!(app.get("/v1/offices/vie").await.body, made.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_code_and_a_bad_body_change_nothing() {
    let company = Company::new().await;
    let app = company.app();
    let mut taken = vienna();
    taken["code"] = json!("ber");
    let taken = app.post(OFFICES, taken).await;
    assert_eq!(taken.problem(), (409, "already_exists"));
    assert_eq!(taken.header("location"), "/v1/offices/ber");
    let mut location = vienna();
    location["default_location"] = json!("ber-main");
    assert_eq!(
        app.post(OFFICES, location).await.problem(),
        (409, "already_exists")
    );
    let bad = json!({
        "code": "V", "name": "", "country": "at", "city": "Vienna", "time_zone": "Vienna", "currency": "EURO",
        "latitude": 90.1, "longitude": "16", "home_region": "xx9", "default_tax_rate_bp": -1, "status": "active",
    });
    let refused = app.post(OFFICES, bad).await;
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/code",
            "/country",
            "/currency",
            "/default_tax_rate_bp",
            "/home_region",
            "/latitude",
            "/longitude",
            "/name",
            "/status",
            "/time_zone"
        ]
    );
    assert_eq!(
        company
            .db
            .count("SELECT count(*) FROM platform.offices")
            .await,
        9
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_office_is_made_of_stays_and_the_rest_changes() {
    let company = Company::new().await;
    let app = company.app();
    for member in ["code", "currency", "country", "home_region"] {
        let refused = app
            .patch("/v1/offices/ber", 1, json!({ member: "x" }))
            .await;
        assert_eq!(
            refused.pointers(),
            [format!("/{member}")],
            "{}",
            refused.body
        );
    }
    let own = json!({"code": "ber-shop", "office": "ber", "name": "Shop", "kind": "store"});
    app.post("/v1/warehouse/locations", own).await;
    let moved = app
        .patch(
            "/v1/offices/ber",
            1,
            json!({"default_location": "ber-shop"}),
        )
        .await;
    assert_eq!(
        (moved.status.as_u16(), moved.version()),
        (200, 2),
        "{}",
        moved.body
    );
    for location in ["nyc-main", "nowhere"] {
        let refused = app
            .patch("/v1/offices/ber", 2, json!({"default_location": location}))
            .await;
        assert_eq!(refused.pointers(), ["/default_location"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_of_one_office_sees_all_and_changes_its_own() {
    let company = Company::new().await;
    let app = company.app();
    let manager = token(Role::Manager, &["ber"]);
    let send = async |method: Method, path: &str, body: Value| {
        let request = app.request_as(&manager, method, path).key(&new_key());
        request.header("if-match", "\"1\"").json(&body).send().await
    };
    assert_eq!(
        app.request_as(&manager, Method::GET, "/v1/offices/nyc")
            .send()
            .await
            .status,
        200
    );
    let own = send(
        Method::PATCH,
        "/v1/offices/ber",
        json!({"name": "Berlin 2"}),
    )
    .await;
    assert_eq!(own.status, 200, "{}", own.body);
    let other = send(Method::PATCH, "/v1/offices/nyc", json!({"name": "Mine"})).await;
    assert_eq!(other.problem(), (403, "office_forbidden"));
    assert_eq!(
        send(Method::PATCH, "/v1/offices/xyz", json!({}))
            .await
            .problem(),
        (404, "not_found")
    );
    assert_eq!(
        send(Method::POST, OFFICES, vienna()).await.problem(),
        (403, "office_forbidden")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_exactly_one_effect_under_every_fault() {
    let company = Company::new().await;
    let db = company.db.db_in("eu1");
    let app = TestApp::new("eu1", systems(&db, &company.topology));
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let mut office = vienna();
        office["code"] = json!(format!("vie-{round}"));
        let version = format!("\"{}\"", round + 1);
        for (operation, method, path, body) in [
            ("create_office", Method::POST, OFFICES, office),
            (
                "update_office",
                Method::PATCH,
                "/v1/offices/ber",
                json!({"name": format!("Berlin {round}")}),
            ),
        ] {
            let key = new_key();
            db.faults().set(operation, fault);
            let request = app
                .request(method, path)
                .key(&key)
                .header("if-match", &version);
            let answer = request.json(&body).send().await;
            assert!(
                answer.status.is_success(),
                "{operation} under {fault:?}: {}",
                answer.body
            );
            assert!(
                db.faults().hits(operation) > 0,
                "{operation} under {fault:?}"
            );
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(
                company.db.count(&effects).await,
                1,
                "{operation} under {fault:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_20_a_closed_office_takes_nothing_new_in_any_region_at_once() {
    let company = Company::new().await;
    let (eu1, ap1) = (company.in_region("eu1"), company.in_region("ap1"));
    let shop = |code: &str| json!({"code": code, "office": "ber", "name": "Shop", "kind": "store"});
    let before = ap1.post("/v1/warehouse/locations", shop("ber-one")).await;
    assert_eq!(before.status, 201, "{}", before.body);
    let closed = eu1
        .patch("/v1/offices/ber", 1, json!({"status": "closed"}))
        .await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    let after = ap1.post("/v1/warehouse/locations", shop("ber-two")).await;
    assert_eq!(
        (after.problem(), after.pointers()),
        ((422, "validation_failed"), vec!["/office"])
    );
    assert_eq!(after.body["errors"][0]["code"], "office_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_with_open_orders_is_not_closed() {
    let company = Company::new().await;
    let app = company.app();
    let price = json!([{"currency": "EUR", "amount_minor": 100}]);
    let item = json!({"sku": "LAMP-7", "name": "n", "description": "d", "country_of_origin": "DE", "unit": "each",
        "prices": price});
    let item = app.post("/v1/warehouse/items", item).await;
    let customer = json!({"office": "ber", "name": "Kim"});
    let customer = app.post("/v1/sales/customers", customer).await;
    let line = json!({"item": item.body["id"], "location": "ber-main", "quantity": 1});
    let order = json!({"office": "ber", "customer": customer.body["id"], "lines": [line]});
    let order = app.post("/v1/sales/orders", order).await;
    assert_eq!(order.status, 201, "{}", order.body);
    let close = async |office: &str| {
        let closed = json!({"status": "closed"});
        app.patch(&format!("/v1/offices/{office}"), 1, closed).await
    };
    assert_eq!(close("ber").await.problem(), (409, "office_not_empty"));
    assert_eq!(close("nyc").await.status, 200);
    let cancel = format!("{}/cancel", order.header("location"));
    let gone = app.post(&cancel, json!({"reason": "r"})).await;
    assert_eq!(gone.status, 200, "{}", gone.body);
    assert_eq!(close("ber").await.status, 200);
}
