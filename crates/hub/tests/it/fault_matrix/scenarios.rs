//! Every write there is, each with what must be there before it can be asked for.

use axum::http::Method;
use futures_util::future::BoxFuture;
use kernel::{Clock, Timestamp};
use serde_json::{Value, json};
use testkit::app::new_key;

use super::world::{Place, World};

/// A write, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) if_match: Option<i64>,
    pub(super) content: Content,
    pub(super) key: String,
    /// It has not happened before.
    pub(super) since: Timestamp,
    /// What no other write names: its key, a word, and a month, where one is named.
    pub(super) names: Vec<String>,
}

/// What a write says.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Json(Value),
    Csv(String),
}

/// What a write is to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A transaction: BEGIN, statements, COMMIT.
    Transaction,
    /// Many of them, answered row by row.
    Import,
    /// One statement.
    Statement,
    /// It writes nothing; it is a POST all the same.
    Read,
}

/// How one operation is asked for.
pub(super) struct Scenario {
    pub(super) operation: &'static str,
    pub(super) kind: Kind,
    pub(super) prepare: for<'a> fn(&'a World, &'a Place) -> BoxFuture<'a, Write>,
}

macro_rules! scenarios {
    ($($kind:ident: $($operation:ident)*;)*) => {
        /// By operation, named as in the OpenAPI document.
        pub(super) const SCENARIOS: &[Scenario] = &[$($(Scenario {
            operation: stringify!($operation),
            kind: Kind::$kind,
            prepare: |world, place| Box::pin($operation(world, place)),
        },)*)*];
    };
}

scenarios! {
    Transaction: create_account create_journal_entry reverse_journal_entry close_period reopen_period
        create_office update_office
        create_item update_item delete_item set_item_price create_location update_location
        receive_stock adjust_stock reserve_stock release_reservation
        create_customer update_customer anonymise_customer
        create_order update_order confirm_order cancel_order record_payment record_refund ship_order return_goods;
    Import: import_journal_entries import_items import_receipts import_customers import_orders;
    Statement: void_write;
    Read: verify_writes;
}

const ENTRIES: &str = "/v1/accounting/journal-entries";
const ITEMS: &str = "/v1/warehouse/items";
const RECEIPTS: &str = "/v1/warehouse/receipts";
const CUSTOMERS: &str = "/v1/sales/customers";
const ORDERS: &str = "/v1/sales/orders";

impl Write {
    pub(super) fn post(path: &str, body: Value) -> Self {
        post(path, body, "nothing unique")
    }
}

fn post(path: impl Into<String>, body: Value, unique: &str) -> Write {
    write(Method::POST, path, None, Content::Json(body), unique)
}

fn patch(path: impl Into<String>, body: Value, unique: &str) -> Write {
    write(Method::PATCH, path, Some(1), Content::Json(body), unique)
}

fn import(path: &str, rows: &[String], unique: &str) -> Write {
    let file = format!("{}\r\n", rows.join("\r\n"));
    let path = format!("{path}/imports");
    write(Method::POST, path, None, Content::Csv(file), unique)
}

fn write(
    method: Method,
    path: impl Into<String>,
    if_match: Option<i64>,
    content: Content,
    unique: &str,
) -> Write {
    let key = new_key();
    Write {
        method,
        path: path.into(),
        if_match,
        content,
        since: Clock::System.now(),
        names: vec![unique.to_owned(), key.clone()],
        key,
    }
}

async fn create_account(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    let body =
        json!({"code": format!("9.{unique}"), "name": "n", "type": "expense", "normal": "debit"});
    post("/v1/accounting/accounts", body, &unique)
}

fn entry(place: &Place) -> Value {
    json!({"office": place.office, "currency": place.currency, "description": "Rent",
        "postings": [{"debit": "5900", "credit": "1000", "amount_minor": 7}]})
}

async fn create_journal_entry(world: &World, place: &Place) -> Write {
    post(ENTRIES, entry(place), &world.unique())
}

async fn reverse_journal_entry(world: &World, place: &Place) -> Write {
    let made = world.made(ENTRIES, entry(place)).await;
    let path = format!("{ENTRIES}/{made}/reverse");
    post(path, json!({"reason": "r"}), &world.unique())
}

fn of_month(world: &World, place: &Place, verb: &str, month: String) -> Write {
    let path = format!("/v1/accounting/periods/{}/{month}/{verb}", place.office);
    let body = if verb == "close" {
        json!({})
    } else {
        json!({"reason": "r"})
    };
    let mut write = post(path, body, &world.unique());
    write.names.push(month);
    write
}

async fn close_period(world: &World, place: &Place) -> Write {
    of_month(world, place, "close", world.month())
}

async fn reopen_period(world: &World, place: &Place) -> Write {
    let month = world.month();
    let path = format!("/v1/accounting/periods/{}/{month}/close", place.office);
    world.done(&path, json!({})).await;
    of_month(world, place, "reopen", month)
}

fn office(unique: &str) -> Value {
    json!({"code": format!("o-{unique}"), "name": "Vienna", "country": "AT", "city": "Vienna",
        "time_zone": "Europe/Vienna", "currency": "EUR", "latitude": 48.2082, "longitude": 16.3738,
        "home_region": "us1", "default_tax_rate_bp": 2000})
}

async fn create_office(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    post("/v1/offices", office(&unique), &unique)
}

async fn update_office(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    world.done("/v1/offices", office(&unique)).await;
    patch(
        format!("/v1/offices/o-{unique}"),
        json!({"name": "Wien"}),
        &unique,
    )
}

fn item(unique: &str) -> Value {
    json!({"sku": format!("sku-{unique}"), "name": "Cup", "description": "A cup.", "country_of_origin": "FR",
        "unit": "each", "prices": [{"currency": "EUR", "amount_minor": 1000}]})
}

async fn create_item(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    post(ITEMS, item(&unique), &unique)
}

/// A new item.
async fn new_item(world: &World, unique: &str) -> String {
    world.made(ITEMS, item(unique)).await
}

async fn update_item(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    let made = new_item(world, &unique).await;
    patch(format!("{ITEMS}/{made}"), json!({"name": "Mug"}), &unique)
}

async fn delete_item(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    let path = format!("{ITEMS}/{}", new_item(world, &unique).await);
    write(
        Method::DELETE,
        path,
        Some(1),
        Content::Json(json!({})),
        &unique,
    )
}

async fn set_item_price(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    let path = format!("{ITEMS}/{}/prices/USD", new_item(world, &unique).await);
    write(
        Method::PUT,
        path,
        None,
        Content::Json(json!({"amount_minor": 7})),
        &unique,
    )
}

fn location(place: &Place, unique: &str) -> Value {
    json!({"code": format!("l-{unique}"), "office": place.office, "name": "n", "kind": "depot"})
}

async fn create_location(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    post("/v1/warehouse/locations", location(place, &unique), &unique)
}

async fn update_location(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let path = "/v1/warehouse/locations";
    world.done(path, location(place, &unique)).await;
    patch(format!("{path}/l-{unique}"), json!({"name": "m"}), &unique)
}

fn receipt(place: &Place, item: &str) -> Value {
    let line = json!({"item": item, "quantity": 9, "cost_minor": 100});
    json!({"location": place.location, "reference": "R", "lines": [line]})
}

async fn receive_stock(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = new_item(world, &unique).await;
    post(RECEIPTS, receipt(place, &made), &unique)
}

/// A new item of which there are nine.
async fn stocked_item(world: &World, place: &Place, unique: &str) -> String {
    let made = new_item(world, unique).await;
    world.done(RECEIPTS, receipt(place, &made)).await;
    made
}

async fn adjust_stock(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = stocked_item(world, place, &unique).await;
    let body = json!({"location": place.location, "item": made, "delta": -2, "reason": "theft"});
    post("/v1/warehouse/adjustments", body, &unique)
}

async fn reserve_stock(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = stocked_item(world, place, &unique).await;
    let body =
        json!({"location": place.location, "item": made, "quantity": 3, "hold_seconds": 86_400});
    post("/v1/warehouse/reservations", body, &unique)
}

async fn release_reservation(world: &World, place: &Place) -> Write {
    let hold = reserve_stock(world, place).await;
    let Content::Json(body) = hold.content else {
        unreachable!("it is JSON")
    };
    let made = world.made(&hold.path, body).await;
    post(
        format!("{}/{made}/release", hold.path),
        json!({}),
        &hold.names[0],
    )
}

fn customer(place: &Place, unique: &str) -> Value {
    json!({"office": place.office, "name": "Kim", "email": format!("{unique}@example.com")})
}

async fn create_customer(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    post(CUSTOMERS, customer(place, &unique), &unique)
}

async fn update_customer(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = world.made(CUSTOMERS, customer(place, &unique)).await;
    patch(
        format!("{CUSTOMERS}/{made}"),
        json!({"name": "Lee"}),
        &unique,
    )
}

async fn anonymise_customer(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = world.made(CUSTOMERS, customer(place, &unique)).await;
    let path = format!("{CUSTOMERS}/{made}");
    write(
        Method::DELETE,
        path,
        Some(1),
        Content::Json(json!({})),
        &unique,
    )
}

fn lines(place: &Place, quantity: i64) -> Value {
    json!([{"item": place.item, "location": place.location, "quantity": quantity}])
}

fn order(place: &Place, unique: &str) -> Value {
    json!({"office": place.office, "customer": place.customer, "lines": lines(place, 5),
        "hold_seconds": 86_400, "reference": unique})
}

async fn create_order(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    post(ORDERS, order(place, &unique), &unique)
}

async fn update_order(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = world.made(ORDERS, order(place, &unique)).await;
    let body = json!({"lines": lines(place, 3), "notes": "Less"});
    patch(format!("{ORDERS}/{made}"), body, &unique)
}

/// An order on its way to a step: its path, its only line.
struct Step {
    unique: String,
    path: String,
    line: Value,
}

impl Step {
    async fn draft(world: &World, place: &Place) -> Self {
        let unique = world.unique();
        let made = world.done(ORDERS, order(place, &unique)).await;
        let path = format!("{ORDERS}/{}", made["id"].as_str().unwrap());
        let line = made["lines"][0]["id"].clone();
        Self { unique, path, line }
    }

    async fn confirmed(world: &World, place: &Place) -> Self {
        let step = Self::draft(world, place).await;
        step.take(world, "confirm", json!({})).await;
        step
    }

    async fn take(&self, world: &World, what: &str, body: Value) {
        world.done(&format!("{}/{what}", self.path), body).await;
    }

    fn write(self, what: &str, body: Value) -> Write {
        post(format!("{}/{what}", self.path), body, &self.unique)
    }

    fn units(&self, quantity: i64) -> Value {
        json!([{"line": self.line, "quantity": quantity}])
    }
}

async fn confirm_order(world: &World, place: &Place) -> Write {
    let step = Step::draft(world, place).await;
    step.write("confirm", json!({}))
}

async fn cancel_order(world: &World, place: &Place) -> Write {
    let step = Step::confirmed(world, place).await;
    let body = json!({"reason": "Less", "lines": step.units(1)});
    step.write("cancel", body)
}

fn money(amount: i64, reference: &str) -> Value {
    json!({"amount_minor": amount, "method": "card", "external_reference": reference})
}

async fn record_payment(world: &World, place: &Place) -> Write {
    let step = Step::confirmed(world, place).await;
    let body = money(500, &format!("P-{}", step.unique));
    step.write("payments", body)
}

async fn record_refund(world: &World, place: &Place) -> Write {
    let step = Step::confirmed(world, place).await;
    let paid = money(500, &format!("P-{}", step.unique));
    step.take(world, "payments", paid).await;
    let body = money(200, &format!("R-{}", step.unique));
    step.write("refunds", body)
}

async fn ship_order(world: &World, place: &Place) -> Write {
    let step = Step::confirmed(world, place).await;
    let body = json!({"lines": step.units(3), "carrier": "c"});
    step.write("shipments", body)
}

async fn return_goods(world: &World, place: &Place) -> Write {
    let step = Step::confirmed(world, place).await;
    step.take(world, "shipments", json!({})).await;
    let mut back = step.units(2);
    back[0]["disposition"] = json!("restock");
    back[0]["reason"] = json!("Back");
    step.write("returns", json!({"lines": back}))
}

async fn import_journal_entries(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let row = |reference: &str, amount: i64| {
        format!(
            "{reference}-{unique},{},{},Rent,,5900,1000,{amount},",
            place.office, place.currency
        )
    };
    let header =
        "reference,office,currency,description,effective_date,debit,credit,amount_minor,memo";
    import(
        ENTRIES,
        &[header.into(), row("A", 1), row("A", 2), row("B", 3)],
        &unique,
    )
}

async fn import_items(world: &World, _: &Place) -> Write {
    let unique = world.unique();
    let row = |sku: &str| format!("{sku}-{unique},Cup,A cup.,FR,each,,1000");
    let header = "sku,name,description,country_of_origin,unit,barcode,price_EUR";
    import(ITEMS, &[header.into(), row("a"), row("b")], &unique)
}

async fn import_receipts(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let made = new_item(world, &unique).await;
    let row = |reference: &str| format!("{},{reference}-{unique},,{made},4,,10", place.location);
    let header = "location,reference,kind,item,quantity,unit_cost_minor,cost_minor";
    import(RECEIPTS, &[header.into(), row("A"), row("B")], &unique)
}

async fn import_customers(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let row = |name: &str| format!("{},{name},{name}-{unique}@example.com,,", place.office);
    let header = "office,name,email,phone,tax_id";
    import(CUSTOMERS, &[header.into(), row("a"), row("b")], &unique)
}

async fn import_orders(world: &World, place: &Place) -> Write {
    let unique = world.unique();
    let row = |reference: &str| {
        format!(
            "{},{},{reference}-{unique},86400,,{},{},2",
            place.office, place.customer, place.item, place.location
        )
    };
    let header = "office,customer,reference,hold_seconds,currency,item,location,quantity";
    import(ORDERS, &[header.into(), row("A"), row("B")], &unique)
}

/// The key that is made void is the write's own.
async fn void_write(world: &World, place: &Place) -> Write {
    let mut write = post("", json!({}), &world.unique());
    write.path = format!("/v1/writes/{}/void?office={}", write.key, place.office);
    write
}

async fn verify_writes(world: &World, _: &Place) -> Write {
    let mut write = post("/v1/writes/verify", json!({}), &world.unique());
    write.content = Content::Json(json!({"keys": [write.key]}));
    write
}
