//! `/v1/exports`: rows of several systems, of one moment, streamed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::http::Method;
use http_body_util::BodyExt as _;
use kernel::{Clock, IdempotencyKey, Quantity, Role, Timestamp, id::ItemId};
use platform_db::offices::OfficeHome;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
    eventually,
};
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use warehouse::loading::{NewDocument, NewLine, NewReceipt, load_stock};

use crate::{
    Company, made,
    plans::HISTORY,
    reports::{item, lose, receive},
    systems,
};

const BOTH: &str = "/v1/exports/movements,journal-entries";
const ALL: &str = "/v1/exports/orders,movements,journal-entries";
const TRIAL_BALANCE: &str = "/v1/reports/trial-balance";

async fn export(app: &TestApp, path: &str) -> Answer {
    let answer = app.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer
}

/// What orders say of themselves.
#[derive(Debug, Default, PartialEq)]
struct Traded {
    /// Less what was credited.
    invoiced: i64,
    /// Less what was refunded.
    paid: i64,
}

/// Value of the movements and balance of each account, per office; that each row is there once.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    movements: BTreeMap<String, i64>,
    orders: BTreeMap<String, Traded>,
    accounts: BTreeMap<(String, String), i64>,
}

impl Sums {
    fn of(lines: &[Value]) -> Self {
        let (mut sums, mut ids) = (Self::default(), BTreeSet::new());
        for line in lines {
            assert!(ids.insert(line["id"].as_str().unwrap()), "twice: {line}");
            let office = line["office"].as_str().unwrap().to_owned();
            if line["resource"] == "orders" {
                let amount = |member: &str| line[member].as_i64().unwrap();
                let traded = sums.orders.entry(office).or_default();
                traded.invoiced += amount("invoiced_minor") - amount("credited_minor");
                traded.paid += amount("paid_minor") - amount("refunded_minor");
                continue;
            }
            if line["resource"] == "movements" {
                *sums.movements.entry(office).or_default() +=
                    line["value_delta_minor"].as_i64().unwrap();
                continue;
            }
            assert_eq!(line["resource"], "journal-entries");
            for posting in line["postings"].as_array().unwrap() {
                let amount = posting["amount_minor"].as_i64().unwrap();
                for (side, sign) in [("debit", 1), ("credit", -1)] {
                    let account = posting[side].as_str().unwrap().to_owned();
                    *sums.accounts.entry((office.clone(), account)).or_default() += sign * amount;
                }
            }
        }
        sums
    }

    /// What the movements are worth is what account 1300 has; what orders invoiced is revenue and tax, what they were paid
    /// is in the bank, and what they owe is what 1100 has less the deposits in 2200.
    fn tie_out(&self) {
        let balance = |office: &String, accounts: &[&str]| -> i64 {
            let of = |account: &&str| self.accounts.get(&(office.clone(), (*account).to_owned()));
            accounts.iter().filter_map(of).sum()
        };
        for (office, value) in &self.movements {
            assert_eq!(*value, balance(office, &["1300"]), "{office}");
        }
        for (office, traded) in &self.orders {
            let earned = -balance(office, &["4000", "4900", "2100"]);
            assert_eq!(traded.invoiced, earned, "{office}");
            assert_eq!(traded.paid, balance(office, &["1000"]), "{office}");
            let owed = balance(office, &["1100", "2200"]);
            assert_eq!(traded.invoiced - traded.paid, owed, "{office}");
        }
    }

    /// What the entries add up to is the trial balance.
    fn are(&self, trial_balance: &Value) {
        let rows = trial_balance["data"].as_array().unwrap().iter();
        let balances: BTreeMap<(String, String), i64> = rows
            .map(|row| {
                let text = |member: &str| row[member].as_str().unwrap().to_owned();
                let closing = row["closing_minor"].as_i64().unwrap();
                ((text("office"), text("account")), closing)
            })
            .collect();
        assert_eq!(self.accounts, balances);
    }
}

/// A lamp with a price wherever it is sold; its id.
async fn priced_lamp(app: &TestApp) -> String {
    let prices =
        ["EUR", "JPY", "USD"].map(|currency| json!({"currency": currency, "amount_minor": 1999}));
    let body = json!({"sku": "LAMP-7", "name": "Lamp", "description": "d", "country_of_origin": "DE", "unit": "each",
        "prices": prices});
    made(app, "/v1/warehouse/items", body).await
}

async fn buyer(app: &TestApp, office: &str) -> String {
    let body = json!({"office": office, "name": "Ada"});
    made(app, "/v1/sales/customers", body).await
}

/// An order of three units, of which two are shipped: paid in advance and once more, one returned, some money given back.
async fn trade(app: &TestApp, office: &str, (customer, item): (&str, &str), paid: i64) -> String {
    let line = json!({"item": item, "location": format!("{office}-main"), "quantity": 3});
    let body = json!({"office": office, "customer": customer, "lines": [line], "reference": "=1+1", "notes": "Łódź, \"2\""});
    let order = app.post("/v1/sales/orders", body).await;
    assert_eq!(order.status, 201, "{}", order.text);
    let line = order.body["lines"][0]["id"].as_str().unwrap();
    let id = order.body["id"].as_str().unwrap();
    let pay = json!({"amount_minor": paid, "method": "card"});
    let back = json!({"line": line, "quantity": 1, "disposition": "restock", "reason": "Back"});
    for (step, body) in [
        ("confirm", json!({})),
        ("payments", pay.clone()),
        (
            "shipments",
            json!({"lines": [{"line": line, "quantity": 2}]}),
        ),
        ("payments", pay),
        ("returns", json!({"lines": [back]})),
        ("refunds", json!({"amount_minor": 7, "method": "cash"})),
    ] {
        made(app, &format!("/v1/sales/orders/{id}/{step}"), body).await;
    }
    id.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_an_export_ties_out_to_the_cent_while_writers_write() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = priced_lamp(&app).await;
    receive(&app, "ber-main", &lamp, (1000, 33_333)).await;
    receive(&app, "tyo-main", &lamp, (1000, 777_777)).await;
    let mut buyers = Vec::new();
    for office in ["ber", "tyo"] {
        buyers.push((office, buyer(&app, office).await));
    }
    let mut writers = JoinSet::new();
    for region in ["eu1", "us1", "ap1"] {
        let (app, lamp, buyers) = (company.in_region(region), lamp.clone(), buyers.clone());
        writers.spawn(async move {
            for n in 0..40 {
                let location = ["ber-main", "tyo-main", "nyc-main"][n % 3];
                let cost = i64::try_from(n).unwrap() * 7 + 1;
                receive(&app, location, &lamp, (3, cost)).await;
                lose(&app, location, &lamp, 2).await;
                if n % 8 == 0 {
                    let (office, buyer) = &buyers[n / 8 % 2];
                    trade(&app, office, (buyer, &lamp), 1000 + cost).await;
                }
            }
        });
    }
    let (mut seen, mut middle) = (Vec::new(), None);
    while !writers.is_empty() {
        let answer = export(&app, ALL).await;
        Sums::of(&answer.lines()).tie_out();
        seen.push(answer.lines().len());
        middle.get_or_insert_with(|| Clock::System.now());
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(seen.first() < seen.last(), "{seen:?}");
    let all = export(&app, ALL).await;
    let sums = Sums::of(&all.lines());
    sums.tie_out();
    sums.are(&app.get(TRIAL_BALANCE).await.body);
    let offices: Vec<&String> = sums.orders.keys().collect();
    assert_eq!(offices, ["ber", "tyo"]);
    for traded in sums.orders.values() {
        assert!(traded.invoiced > 0 && traded.paid > 0, "{traded:?}");
    }
    // Of a moment at which the writers wrote.
    let middle = middle.unwrap();
    let then = export(&app, &format!("{BOTH}?as_of={middle}")).await;
    let lines = then.lines();
    assert!(lines.len() < all.lines().len());
    // Whether it is final by now depends on how long the writers took.
    assert!(lines.iter().all(|line| line["final"].is_boolean()));
    let sums = Sums::of(&lines);
    sums.tie_out();
    let report = app.get(&format!("{TRIAL_BALANCE}?as_of={middle}")).await;
    sums.are(&report.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_says_of_which_moment_it_is() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    let before = Clock::System.now();
    receive(&app, "ber-main", &lamp, (1, 5)).await;
    let answer = export(&app, "/v1/exports/movements").await;
    let after = Clock::System.now().plus(Duration::from_millis(1));
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let freshness = answer.header("freshness");
    let as_of: Timestamp = freshness
        .strip_prefix("snapshot;as_of=\"")
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(before <= as_of && as_of <= after, "{freshness}");
    assert!(freshness.ends_with(";max_ms=0;home=\"g\""), "{freshness}");
    let token: kernel::Token = answer.header("consistency-token").parse().unwrap();
    assert!(token.time() >= as_of);
    // One row, as its list shows it; alone it need not say what it is.
    let listed = app.get("/v1/warehouse/movements").await;
    assert_eq!(answer.lines(), *listed.body["data"].as_array().unwrap());
    let entries = export(&app, "/v1/exports/journal-entries").await;
    let listed = app.get("/v1/accounting/journal-entries").await;
    assert_eq!(entries.lines(), *listed.body["data"].as_array().unwrap());
    let items = export(&app, "/v1/exports/items").await;
    let listed = app.get("/v1/warehouse/items").await;
    assert_eq!(items.lines(), *listed.body["data"].as_array().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_rights_are_checked_before_anything_is_read() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    receive(&app, "ber-main", &lamp, (1, 5)).await;
    receive(&app, "tyo-main", &lamp, (1, 5)).await;
    let now = Clock::System.now();
    let future = now.plus(Duration::from_secs(60));
    for (path, problem) in [
        ("levels", (400, "invalid_parameter")),
        ("movements,", (400, "invalid_parameter")),
        ("movements,movements", (400, "invalid_parameter")),
        ("movements,items?format=csv", (400, "invalid_parameter")),
        ("movements?format=xml", (400, "invalid_parameter")),
        ("movements?office=zzz", (400, "invalid_parameter")),
        (
            "movements?effective_from=2026-01-01",
            (400, "invalid_parameter"),
        ),
        ("movements?limit=5", (400, "unknown_parameter")),
        (&format!("items?as_of={now}"), (422, "as_of_too_old")),
        (&format!("orders?as_of={now}"), (422, "as_of_too_old")),
        (
            &format!("customers,movements?as_of={now}"),
            (422, "as_of_too_old"),
        ),
        (
            &format!("movements,items?as_of={now}"),
            (422, "as_of_too_old"),
        ),
        (
            &format!("movements?as_of={future}"),
            (422, "validation_failed"),
        ),
        (
            "movements?as_of=2020-01-01T00:00:00.000Z",
            (422, "as_of_too_old"),
        ),
    ] {
        let answer = app.get(&format!("/v1/exports/{path}")).await;
        assert_eq!(answer.problem(), problem, "{path}");
    }
    let ask = async |token: &str, path: &str| app.request_as(token, Method::GET, path).send().await;
    let tokyo = token(Role::Viewer, &["tyo"]);
    {
        let narrowed = ask(&tokyo, "/v1/exports/movements,journal-entries,items").await;
        let offices: Vec<_> = narrowed
            .lines()
            .iter()
            .map(|line| line["office"].clone())
            .collect();
        assert_eq!(offices, [json!("tyo"), json!("tyo"), Value::Null]);
        let forbidden = ask(&tokyo, "/v1/exports/movements?office=ber").await;
        assert_eq!(forbidden.problem(), (403, "office_forbidden"));
    }
    assert_eq!(ask("none", "/v1/exports/movements").await.status, 401);
    // Filters by time and by business date.
    let one = export(&app, "/v1/exports/movements?office=ber,ber").await;
    assert_eq!(one.lines().len(), 1);
    let none = export(
        &app,
        &format!("/v1/exports/movements?created_from={future}"),
    )
    .await;
    assert_eq!(none.text, "");
    let none = export(&app, "/v1/exports/journal-entries?effective_to=2020-01-01").await;
    assert_eq!(none.text, "");
    let some = export(
        &app,
        "/v1/exports/journal-entries?effective_from=2020-01-01&office=tyo",
    );
    assert_eq!(some.await.lines().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_a_line_per_movement_and_per_posting() {
    let company = Company::new().await;
    let app = company.app();
    for (resource, first) in [
        (
            "movements",
            "id,office,location,item,sku,currency,delta,value_delta_minor,kind,reason,reference,journal_entry,recorded_at,recorded_by\r\n",
        ),
        (
            "items",
            "sku,name,description,country_of_origin,unit,barcode\r\n",
        ),
    ] {
        let empty = export(&app, &format!("/v1/exports/{resource}?format=csv")).await;
        assert_eq!(empty.text, first);
    }
    let lamp = item(&app, "=LAMP").await;
    let made = receive(&app, "ber-main", &lamp, (4, 10)).await;
    let movement = &made["movements"][0];
    let table = export(&app, "/v1/exports/movements?format=csv").await;
    let text = |member: &str| movement[member].as_str().unwrap();
    let expected = format!(
        "{},ber,ber-main,{lamp},'=LAMP,EUR,4,10,receipt,,PO-1,{},{},{}",
        text("id"),
        text("journal_entry"),
        text("recorded_at"),
        text("recorded_by"),
    );
    assert_eq!(table.text.lines().nth(1).unwrap(), expected);
    let body = json!({"office": "ber", "currency": "EUR", "description": "Łódź, \"two\" 🦀\nlines",
    "postings": [
        {"debit": "5900", "credit": "1000", "amount_minor": 7, "memo": "-1"},
        {"debit": "1000", "credit": "3100", "amount_minor": 9},
    ]});
    let entry = app.post("/v1/accounting/journal-entries", body).await.body;
    let table = export(&app, "/v1/exports/journal-entries?format=csv").await;
    let head = |posting: usize| {
        format!(
            "{},ber,EUR,{},{},{},\"Łódź, \"\"two\"\" 🦀\nlines\",,,,,,,,{}",
            entry["id"].as_str().unwrap(),
            entry["effective_date"].as_str().unwrap(),
            entry["recorded_at"].as_str().unwrap(),
            entry["recorded_by"].as_str().unwrap(),
            entry["postings"][posting]["id"].as_str().unwrap(),
        )
    };
    let end = format!(
        "{},5900,1000,7,'-1\r\n{},1000,3100,9,\r\n",
        head(0),
        head(1)
    );
    assert!(table.text.ends_with(&end), "{}", table.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_rows_as_their_list_shows_them_and_a_table_of_their_lines() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = priced_lamp(&app).await;
    for office in ["ber", "tyo"] {
        receive(&app, &format!("{office}-main"), &lamp, (10, 1000)).await;
        let buyer = buyer(&app, office).await;
        trade(&app, office, (&buyer, &lamp), 4000).await;
    }
    let rows = export(&app, "/v1/exports/orders").await.lines();
    let listed = app.get("/v1/sales/orders?order=asc").await;
    assert_eq!(rows, *listed.body["data"].as_array().unwrap());
    let table = export(&app, "/v1/exports/orders?format=csv&office=tyo").await;
    let (order, line) = (&rows[1], &rows[1]["lines"][0]);
    let text = |of: &Value, member: &str| of[member].as_str().unwrap().to_owned();
    let expected = format!(
        "{},tyo,{},JPY,confirmed,5997,600,6597,8000,7,4398,2199,paid,partial,{},'=1+1,\"Łódź, \"\"2\"\"\",{},{},{},\
         {},{lamp},LAMP-7,Lamp,tyo-main,3,1999,1000,2,1,0",
        text(order, "id"),
        text(order, "customer"),
        text(order, "placed_at"),
        order["version"],
        text(order, "created_at"),
        text(order, "updated_at"),
        text(line, "id"),
    );
    let lines: Vec<&str> = table.text.lines().collect();
    assert_eq!(lines[1..], [expected]);
    // A table is had by asking for one, in either way.
    for (query, accept, table) in [
        ("", "text/csv", true),
        ("", "text/csv, application/x-ndjson;q=0.5", true),
        ("", "*/*", false),
        ("?format=ndjson", "text/csv", false),
    ] {
        let ask = app.request(Method::GET, &format!("/v1/exports/orders{query}"));
        let answer = ask.header("accept", accept).send().await;
        let is_table = answer.header("content-type").starts_with("text/csv");
        assert_eq!(is_table, table, "{query} {accept}");
        assert_eq!(answer.header("vary"), "accept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_those_of_the_offices() {
    let company = Company::new().await;
    let app = company.app();
    let header = "id,office,name,email,phone,tax_id,status,version,created_at,updated_at\r\n";
    let csv = "/v1/exports/customers?format=csv";
    assert_eq!(export(&app, csv).await.text, header);
    for (office, name) in [("ber", "=Kim Łódź 🦀"), ("tyo", "Ada")] {
        let body = json!({"office": office, "name": name, "phone": "+49 30"});
        let made = app.post("/v1/sales/customers", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let lines = export(&app, "/v1/exports/customers").await.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["name"], "=Kim Łódź 🦀");
    let table = export(&app, &format!("{csv}&office=ber")).await.text;
    let row = table.strip_prefix(header).unwrap();
    assert!(
        row.contains(",ber,'=Kim Łódź 🦀,,'+49 30,,active,1,"),
        "{row}"
    );
    assert_eq!(row.lines().count(), 1);
    let orders = export(&app, "/v1/exports/orders?format=csv").await.text;
    assert_eq!(orders.lines().count(), 1);
    assert!(
        orders.ends_with(",shipped,returned,cancelled\r\n"),
        "{orders}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_export_of_items_wrote_an_import_reads_back() {
    let company = Company::new().await;
    let app = company.app();
    let later = Clock::System.now().plus(Duration::from_secs(3600));
    for (sku, name, prices) in [
        (
            "=1+1",
            "Łampa \"🦀\", two\nlines",
            json!([{"currency": "EUR", "amount_minor": 100}]),
        ),
        ("LAMP-2", "'=quoted", json!([])),
        (
            "LAMP-3",
            "-",
            json!([{"currency": "JPY", "amount_minor": 0}, {"currency": "EUR", "amount_minor": 5},
            {"currency": "USD", "amount_minor": 9, "valid_from": later}]),
        ),
    ] {
        let body = json!({"sku": sku, "name": name, "description": "d", "country_of_origin": "DE", "unit": "each",
            "barcode": "0042", "prices": prices});
        let made = app.post("/v1/warehouse/items", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let path = "/v1/exports/items?format=csv";
    let table = export(&app, path).await.text;
    let header =
        "sku,name,description,country_of_origin,unit,barcode,price_EUR,price_JPY,price_USD\r\n";
    assert!(table.starts_with(header), "{table}");
    assert!(
        table.ends_with("LAMP-3,'-,d,DE,each,0042,5,0,\r\n"),
        "{table}"
    );
    let other = Company::new().await;
    let imported = other
        .app()
        .request(Method::POST, "/v1/warehouse/items/imports")
        .key(&new_key())
        .body("text/csv", table.clone())
        .send()
        .await;
    for line in imported.lines() {
        assert_eq!(line["status"], 201, "{line}");
    }
    let again = export(&other.app(), path).await.text;
    // Nothing has a price in USD yet.
    let first = table.replace(",price_USD", "").replace(",\r\n", "\r\n");
    assert_eq!(rows(&again), rows(&first));
}

/// Rows of one batch of an import are of one time, so their order is that of their ids.
fn rows(table: &str) -> BTreeSet<&str> {
    table.split("\r\n").collect()
}

/// Receipts of one lamp each.
async fn load(company: &Company, lamp: &str, receipts: usize) {
    let lamp: ItemId = lamp.parse().unwrap();
    let berlin = OfficeHome {
        region: "eu1".parse().unwrap(),
        office: "ber".parse().unwrap(),
    };
    let document = |n: usize| {
        let lines = (0..10).map(|_| NewLine {
            item: lamp.clone(),
            quantity: Quantity::new(1).unwrap(),
            cost: kernel::AmountMinor::new(7).unwrap(),
        });
        NewDocument::Receipt(NewReceipt {
            location: "ber-main".parse().unwrap(),
            opening: false,
            reference: format!("R-{n}"),
            lines: lines.collect(),
        })
    };
    let numbers: Vec<usize> = (0..receipts).collect();
    for batch in numbers.chunks(200) {
        let key = || new_key().parse::<IdempotencyKey>().unwrap();
        let documents = batch.iter().map(|n| (key(), document(*n)));
        let documents = documents.collect();
        load_stock(&company.db.db(), &berlin, Clock::System.now(), documents)
            .await
            .unwrap();
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_movements_are_sent_without_being_kept() {
    let company = Company::new().await;
    if !company
        .db
        .is_postgres_with("a long history that it writes in seconds")
    {
        return;
    }
    let app = company.app();
    company.db.lift_foreign_keys().await;
    company.db.query(HISTORY).await;
    let asked = app.bare(Method::GET, "/v1/exports/movements");
    let response = app.router().oneshot(asked).await.unwrap();
    assert_eq!(response.status(), 200);
    let before = resident();
    let (mut body, mut bytes, mut lines, mut most) = (response.into_body(), 0, 0, 0);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        bytes += data.len();
        lines += data.iter().filter(|byte| **byte == b'\n').count();
        most = most.max(resident().saturating_sub(before));
    }
    assert_eq!(lines, 100_000);
    assert!(bytes > 40_000_000, "{bytes} bytes");
    assert!(most < 25 << 20, "{most} bytes more in memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_or_does_not_read_leaves_no_snapshot_behind() {
    let company = Company::new().await;
    let db = company.db.db_with_connections(4);
    let app = TestApp::new("eu1", systems(&db, &company.topology));
    let lamp = item(&app, "LAMP-7").await;
    load(&company, &lamp, 400).await;
    let open = async || company.db.transactions().await;
    // More often than there are connections.
    for _ in 0..8 {
        let response = app.router().oneshot(app.bare(Method::GET, BOTH)).await;
        let mut body = response.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        eventually("the snapshot is held for its reader", async || {
            open().await == 1
        })
        .await;
        drop(body);
        eventually("the snapshot is let go", async || open().await == 0).await;
    }
    // A whole one gives its connection back.
    for _ in 0..8 {
        assert_eq!(export(&app, BOTH).await.lines().len(), 4400);
    }
    assert_eq!(open().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_midway_is_the_last_line() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    load(&company, &lamp, 400).await;
    for (path, ends_well) in [(BOTH, true), ("/v1/exports/movements?format=csv", false)] {
        let asked = app.bare(Method::GET, path);
        let mut body = app.router().oneshot(asked).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        company.db.end_sessions().await;
        let rest = body.collect().await;
        assert_eq!(rest.is_ok(), ends_well, "{path}");
        if let Ok(rest) = rest {
            let text = [&first[..], &rest.to_bytes()].concat();
            let text = String::from_utf8(text).unwrap();
            let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            assert_eq!(last["code"], "region_unavailable", "{last}");
            assert_eq!(
                (&last["status"], &last["retryable"]),
                (&json!(503), &json!(true))
            );
            assert_eq!(last.get("id"), None);
        }
    }
    // The next one has a new connection.
    let lines = export(&app, BOTH).await.lines();
    Sums::of(&lines).tie_out();
}
