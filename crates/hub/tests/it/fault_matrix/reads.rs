//! Every read of every system under every class of failure that one statement can meet: the answer that it gives without
//! a fault, or an honest 503 or 504, and never a 500.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{
    Act::{self, Answer as Says, Cut, CutInAnswer, CutInRequest, Delay, Die, Notice, Silence},
    Answer,
    Did::Nothing,
    Rule, TestApp, When, eventually,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{AT_ONCE, judge::shown, operations, scenarios::SCENARIOS, world::World};
use crate::Company;

/// Where each operation is read, by its name in the OpenAPI document; what it reads is made in [`Shelf::new`].
const READS: &[(&str, &str)] = &[
    ("check_integrity", "/v1/reports/integrity?office=ber"),
    ("export_rows", "/v1/exports/orders?office=ber"),
    ("find_availability", "/v1/warehouse/availability?sku=SHELF"),
    ("get_account", "/v1/accounting/accounts/1000"),
    (
        "get_account_statement",
        "/v1/accounting/accounts/1300/statement?office=ber",
    ),
    ("get_customer", "/v1/sales/customers/{customer}"),
    ("get_item", "/v1/warehouse/items/{item}"),
    (
        "get_journal_entry",
        "/v1/accounting/journal-entries/{entry}",
    ),
    ("get_level", "/v1/warehouse/levels/{level}"),
    ("get_location", "/v1/warehouse/locations/ber-main"),
    ("get_movement", "/v1/warehouse/movements/{movement}"),
    ("get_office", "/v1/offices/ber"),
    ("get_office_overview", "/v1/offices/ber/overview"),
    ("get_order", "/v1/sales/orders/{order}"),
    ("get_order_timeline", "/v1/sales/orders/{order}/timeline"),
    ("get_payment", "/v1/sales/orders/{order}/payments/{payment}"),
    ("get_receivables", "/v1/reports/receivables?office=ber"),
    (
        "get_reservation",
        "/v1/warehouse/reservations/{reservation}",
    ),
    ("get_return", "/v1/sales/orders/{order}/returns/{return}"),
    (
        "get_sales_by_office_day",
        "/v1/reports/sales-by-office-day?office=ber",
    ),
    (
        "get_shipment",
        "/v1/sales/orders/{order}/shipments/{shipment}",
    ),
    ("get_sold_items", "/v1/reports/sold-items?office=ber"),
    ("get_status", "/v1/status"),
    (
        "get_stock_valuation",
        "/v1/reports/stock-valuation?office=ber",
    ),
    ("get_trial_balance", "/v1/reports/trial-balance?office=ber"),
    ("get_write", "/v1/writes/{key}?office=ber"),
    ("list_accounts", "/v1/accounting/accounts"),
    ("list_audit", "/v1/audit?office=ber"),
    ("list_customers", "/v1/sales/customers?office=ber"),
    ("list_events", "/v1/events?office=ber"),
    ("list_items", "/v1/warehouse/items"),
    (
        "list_journal_entries",
        "/v1/accounting/journal-entries?office=ber",
    ),
    ("list_levels", "/v1/warehouse/levels?office=ber"),
    ("list_locations", "/v1/warehouse/locations?office=ber"),
    ("list_movements", "/v1/warehouse/movements?office=ber"),
    ("list_offices", "/v1/offices"),
    ("list_orders", "/v1/sales/orders?office=ber"),
    ("list_payments", "/v1/sales/orders/{order}/payments"),
    ("list_periods", "/v1/accounting/periods?office=ber"),
    ("list_regions", "/v1/regions"),
    ("list_reservations", "/v1/warehouse/reservations?office=ber"),
    ("list_returns", "/v1/sales/orders/{order}/returns"),
    ("list_shipments", "/v1/sales/orders/{order}/shipments"),
    ("nearest_offices", "/v1/offices/nearest?lat=52.5&lon=13.4"),
    ("search", "/v1/search?q=shelf"),
];

/// Statements of a read that are struck, each in its turn.
const STATEMENTS: u32 = 3;

/// What a statement meets.
#[derive(Debug, Clone, Copy)]
struct Class {
    when: When,
    act: Act,
    times: u32,
    /// Of the request, where it is a shorter one.
    deadline: Option<Duration>,
}

const STRONG: &str = "strong";
const SOON: Option<Duration> = Some(Duration::from_millis(3_000));

/// At any statement, each of the first ones in its turn.
fn once(act: Act) -> Class {
    Class {
        when: When::Any,
        act,
        times: 1,
        deadline: None,
    }
}

impl Class {
    fn at(self, when: When) -> Self {
        Self { when, ..self }
    }

    fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Whoever waits for it to end has little time.
    fn always(self) -> Self {
        Self {
            times: u32::MAX,
            deadline: SOON,
            ..self
        }
    }

    fn turns(&self) -> u32 {
        match self.times == 1 && self.deadline.is_none() && self.when == When::Any {
            true => STATEMENTS,
            false => 1,
        }
    }

    fn name(&self) -> String {
        let always = if self.times == u32::MAX {
            ", always"
        } else {
            ""
        };
        let (act, when, turns) = (self.act, self.when, self.turns());
        format!("{act:?} at {when:?}, {turns} in turn{always}")
    }
}

fn classes() -> Vec<Class> {
    let mut classes = vec![
        once(Cut(Nothing)),
        once(CutInRequest),
        once(CutInAnswer),
        once(Delay(Duration::from_millis(50))),
        Class {
            deadline: None,
            ..once(Notice("No license installed.")).always()
        },
        once(Says("0A000", Nothing)),
        once(Cut(Nothing)).at(When::Connect).times(2),
        once(Die("53300", Nothing)).at(When::Connect).times(2),
        once(Die("57P03", Nothing)).at(When::Connect).times(2),
        once(Die("53300", Nothing)).at(When::Connect).always(),
        once(Die("57P01", Nothing)).always(),
        once(Says("40001", Nothing)).always(),
        Class {
            deadline: SOON,
            ..once(Silence(Nothing))
        },
        once(Silence(Nothing)).always(),
    ];
    for code in [
        "40001", "40P01", "CR000", "25P02", "40003", "53300", "58C01", "58C00", "XXC02", "57014",
        "XCUBS", "XCHR1", "XCHR2",
    ] {
        classes.push(once(Says(code, Nothing)));
    }
    for code in ["57P01", "57P02", "57P03", "08006", "08003"] {
        classes.push(once(Die(code, Nothing)));
    }
    classes
}

/// What a read of the past meets.
fn of_the_past() -> Vec<Class> {
    let past = When::Text("AS OF SYSTEM TIME");
    let mut classes = vec![
        once(Cut(Nothing)),
        once(CutInAnswer),
        once(Die("57P01", Nothing)),
        once(Silence(Nothing)).at(past).always(),
        once(Cut(Nothing)).at(past).always(),
    ];
    for code in [
        "40001", "40003", "58C00", "XCUBS", "0A000", "XXUUU", "42P01", "57014",
    ] {
        classes.push(once(Says(code, Nothing)).at(past));
    }
    // Another moment is tried, and in the end the present one.
    for code in ["58C00", "XCUBS", "0A000", "XXUUU", "42P01"] {
        classes.push(once(Says(code, Nothing)).at(past).times(u32::MAX));
    }
    classes
}

/// The company with something of everything.
struct Shelf {
    world: World,
    /// `Read-Consistency`.
    mode: &'static str,
    /// Operation, path, and what it shows without a fault; `None` where the database is not asked.
    reads: Vec<(&'static str, String, Option<Value>)>,
}

impl Shelf {
    async fn new(company: Company, mode: &'static str) -> Arc<Self> {
        let world = World::bare(company);
        let ids = things(&world).await;
        let mut reads = Vec::new();
        for (operation, path) in READS {
            let mut path = (*path).to_owned();
            for (name, id) in &ids {
                path = path.replace(&format!("{{{name}}}"), id);
            }
            let answer = get(&world.apps[0], &path, STRONG).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            let asks = !answer.header("request-cost").starts_with("sql=0,");
            reads.push((*operation, path, asks.then(|| shown(&[], &answer))));
        }
        let shelf = Self { world, mode, reads };
        eventually("replicas have all of it", async || {
            for (_, path, faultless) in &shelf.reads {
                let answer = get(&shelf.world.apps[0], path, mode).await;
                if faultless.is_some() && faultless.as_ref() != Some(&shown(&[], &answer)) {
                    return false;
                }
            }
            true
        })
        .await;
        Arc::new(shelf)
    }

    /// `rule`: what of the class strikes.
    async fn case(self: Arc<Self>, read: usize, class: Class, rule: Rule) -> (bool, Duration) {
        let (operation, path, faultless) = &self.reads[read];
        // Through connections that nobody else had or gets.
        let anew = class.when == When::Connect;
        // Whoever has little time has connected to everything before, unless it is that which fails.
        let desk = if anew {
            self.world.new_desk().await
        } else {
            self.world.desk().await
        };
        let app = class.deadline.map_or_else(
            || desk.app.clone(),
            |deadline| self.world.app_of(&desk, deadline),
        );
        if class.deadline.is_some() && !anew {
            get(&app, path, self.mode).await;
        }
        desk.proxy.arm(rule);
        let started = Instant::now();
        let answer = get(&app, path, self.mode).await;
        let (struck, took) = (desk.proxy.hits() > 0, started.elapsed());
        if anew || class.deadline.is_some() {
            drop(desk);
        } else {
            self.world.leave(desk);
        }
        let what = format!("{operation} under {rule:?}: {}", answer.text);
        let Some(faultless) = faultless else {
            return (false, took);
        };
        match answer.status.as_u16() {
            // A region that could not be asked is named, and may be missing.
            200 if answer.body["unreachable"]
                .as_array()
                .is_some_and(|gaps| !gaps.is_empty()) => {}
            200 => assert_eq!(&shown(&[], &answer), faultless, "{what}"),
            503 => {
                assert_eq!(
                    answer.header("content-type"),
                    "application/problem+json",
                    "{what}"
                );
                assert_ne!(answer.header("retry-after"), "", "{what}");
                assert!(
                    ["region_unavailable", "contention"].contains(&answer.problem().1),
                    "{what}"
                );
            }
            504 => assert_eq!(answer.problem().1, "deadline_exceeded", "{what}"),
            _ => panic!("{what}"),
        }
        (struck, took)
    }

    /// Every read under every class in its turn, and the table of how it went.
    async fn run(self: &Arc<Self>, classes: &[Class]) {
        let started = Instant::now();
        let mut all = 0;
        eprintln!("{:<72} {:>6} {:>8}", "class of a read", "cases", "longest");
        let mut failed = Vec::new();
        for class in classes {
            let at_once = match class.deadline {
                Some(_) => 2 * AT_ONCE,
                None => AT_ONCE,
            };
            let permits = Arc::new(Semaphore::new(at_once));
            let mut cases = JoinSet::new();
            for (read, (operation, _, _)) in self.reads.iter().enumerate() {
                for turn in 0..class.turns() {
                    // An export is under way then: it breaks off, and whoever asked for it sees that it did. Its present
                    // moment is said by its time, too.
                    let always = class.when != When::Any && class.times == u32::MAX;
                    if *operation == "export_rows" && (turn > 0 || always) {
                        continue;
                    }
                    let rule = Rule::new(class.when, class.act).times(class.times);
                    let (shelf, permits) = (Arc::clone(self), Arc::clone(&permits));
                    let class = *class;
                    cases.spawn(async move {
                        let _permit = permits.acquire_owned().await;
                        shelf.case(read, class, rule.after(turn)).await
                    });
                }
            }
            let (mut struck, mut longest) = (0, Duration::ZERO);
            let name = class.name();
            while let Some(case) = cases.join_next().await {
                match case {
                    Ok((hit, took)) => {
                        struck += usize::from(hit);
                        longest = longest.max(took);
                    }
                    Err(_) => failed.push(name.clone()),
                }
            }
            all += struck;
            assert!(struck > 0, "{name} never struck");
            eprintln!("{name:<72} {struck:>6} {:>5} ms", longest.as_millis());
        }
        eprintln!("{all} cases in {:.1} s", started.elapsed().as_secs_f64());
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

/// A place of each kind of resource, by its name in [`READS`].
async fn things(world: &World) -> Vec<(&'static str, String)> {
    let item = json!({"sku": "SHELF", "name": "Shelf", "description": "A shelf.", "country_of_origin": "FR",
        "unit": "each", "prices": [{"currency": "EUR", "amount_minor": 1000}]});
    let item = world.made("/v1/warehouse/items", item).await;
    let line = json!({"item": item, "quantity": 50, "unit_cost_minor": 400});
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": [line]});
    let receipt = world.done("/v1/warehouse/receipts", receipt).await;
    let hold = json!({"location": "ber-main", "item": item, "quantity": 1, "hold_seconds": 86_400});
    let reservation = world.made("/v1/warehouse/reservations", hold).await;
    let customer = json!({"office": "ber", "name": "Kim"});
    let customer = world.made("/v1/sales/customers", customer).await;
    let line = json!({"item": item, "location": "ber-main", "quantity": 5});
    let order =
        json!({"office": "ber", "customer": customer, "lines": [line], "hold_seconds": 86_400});
    let order = world.done("/v1/sales/orders", order).await;
    let (line, order) = (order["lines"][0]["id"].clone(), text(&order["id"]));
    let path = format!("/v1/sales/orders/{order}");
    world.done(&format!("{path}/confirm"), json!({})).await;
    let money = json!({"amount_minor": 100, "method": "card"});
    let payment = world.made(&format!("{path}/payments"), money).await;
    let shipment = world.made(&format!("{path}/shipments"), json!({})).await;
    let back = json!([{"line": line, "quantity": 1, "disposition": "restock", "reason": "Back"}]);
    let returned = world
        .made(&format!("{path}/returns"), json!({"lines": back}))
        .await;
    let levels = format!("/v1/warehouse/levels?item={item}");
    let levels = get(&world.apps[0], &levels, STRONG).await;
    let entry = json!({"office": "ber", "currency": "EUR", "description": "Rent",
        "postings": [{"debit": "5900", "credit": "1000", "amount_minor": 7}]});
    let entry = world.made("/v1/accounting/journal-entries", entry).await;
    vec![
        ("item", item),
        ("movement", text(&receipt["movements"][0]["id"])),
        ("level", text(&levels.body["data"][0]["id"])),
        ("reservation", reservation),
        ("customer", customer),
        ("order", order),
        ("payment", payment),
        ("shipment", shipment),
        ("return", returned),
        ("entry", entry),
        ("key", "a-key-that-nobody-used".to_owned()),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What is kept in memory must not answer instead.
async fn get(app: &TestApp, path: &str, mode: &str) -> Answer {
    let request = app.request(Method::GET, path);
    let request = request.header("cache-control", "no-cache");
    request.header("read-consistency", mode).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_the_contract_is_read() {
    let operations = operations(&Company::new().await, &["get"]);
    let known: Vec<&str> = READS.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(known, operations);
    assert!(
        SCENARIOS
            .iter()
            .all(|scenario| !known.contains(&scenario.operation))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_answers_or_says_honestly_that_it_cannot_under_every_class_of_failure() {
    let shelf = Shelf::new(Company::new().await, STRONG).await;
    shelf.run(&classes()).await;
}

/// Where the past cannot be shown, another moment is, or the present one.
#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_the_past_answers_where_the_database_speaks_cockroach() {
    if let Some(company) = Company::speaking_cockroach().await {
        let shelf = Shelf::new(company, "bounded;max_ms=10000").await;
        shelf.run(&of_the_past()).await;
    }
}
