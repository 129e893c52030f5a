//! Reports of sales: what they say of random deals is what the plainest adding up says, and what the books say.

use std::collections::BTreeMap;

use axum::http::Method;
use kernel::{Clock, Role};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use testkit::{TestApp, app::token};

use crate::{
    Company,
    deals::{Deal, OFFICES, Rows, Told, day, order_id},
};

const SOLD: &str = "/v1/reports/sold-items";
const DAYS: &str = "/v1/reports/sales-by-office-day";
const RECEIVABLES: &str = "/v1/reports/receivables";

fn deal() -> impl Strategy<Value = Deal> {
    let goods = (1..20_i64, 0..3_000_i64, 0..3_usize, 0..900_i64, 0..22_i64);
    let after = (0..22_i64, any::<bool>(), 0..40_000_i64);
    let what = (0..3_usize, 0..2_u8, proptest::bool::weighted(0.8), 0..20_u8);
    (what, goods, [0..30_000_i64, 0..30_000], after).prop_map(|(what, goods, paid, after)| Deal {
        office: what.0,
        item: what.1,
        placed: what.2,
        day: what.3,
        quantity: goods.0,
        price: goods.1,
        tax_bp: [0, 700, 1900][goods.2],
        cost: goods.3,
        shipped: goods.4,
        paid: paid.map(|amount| (amount - 5_000).max(0)),
        returned: after.0,
        restocked: after.1,
        refunded: (after.2 - 10_000).max(0),
    })
}

async fn report(app: &TestApp, path: &str) -> Value {
    let answer = app.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert_eq!(answer.body["unreachable"], json!([]));
    answer.body
}

fn rows(report: &Value, members: &[&str]) -> Vec<Value> {
    let rows = report["data"].as_array().unwrap().iter();
    rows.map(|row| members.iter().map(|member| row[*member].clone()).collect())
        .collect()
}

/// What was sold of each item from one day to another, by SKU and currency.
fn sold(deals: &[Deal], told: &[Told], (from, to): (u8, u8)) -> Vec<Value> {
    let mut sums = BTreeMap::<(u8, &str), [i64; 4]>::new();
    for (deal, told) in deals.iter().zip(told) {
        for part in &told.goods {
            if (from..=to).contains(&part.0) {
                let sum = sums.entry((deal.item, OFFICES[deal.office].2)).or_default();
                let parts = [part.1, part.2, part.3, part.4];
                for (sum, part) in sum.iter_mut().zip(parts) {
                    *sum += part;
                }
            }
        }
    }
    let lines = sums.into_iter();
    lines
        .map(|((item, currency), [shipped, returned, net, cost])| {
            json!([
                format!("LAMP-{item}"),
                currency,
                shipped,
                returned,
                shipped - returned,
                net,
                cost,
                net - cost
            ])
        })
        .collect()
}

fn days(deals: &[Deal], told: &[Told], (from, to): (u8, u8)) -> Vec<Value> {
    let mut sums = BTreeMap::<(&str, u8), [i64; 5]>::new();
    for (deal, told) in deals.iter().zip(told) {
        let office = OFFICES[deal.office].0;
        let placed = told.placed.iter();
        let placed = placed.map(|(on, units, net, tax)| (*on, [1, *units, *net, *tax, 0]));
        let money = told
            .money
            .iter()
            .map(|(on, paid)| (*on, [0, 0, 0, 0, *paid]));
        for (on, parts) in placed.chain(money) {
            if (from..=to).contains(&on) {
                let sum = sums.entry((office, on)).or_default();
                for (sum, part) in sum.iter_mut().zip(parts) {
                    *sum += part;
                }
            }
        }
    }
    let currency = |office: &str| OFFICES.iter().find(|o| o.0 == office).unwrap().2;
    let lines = sums.into_iter();
    lines
        .map(|((office, on), [orders, units, net, tax, paid])| {
            json!([
                office,
                day(on),
                currency(office),
                orders,
                units,
                net,
                tax,
                paid
            ])
        })
        .collect()
}

fn receivables(deals: &[Deal], told: &[Told]) -> Vec<Value> {
    let mut lines: Vec<_> = deals
        .iter()
        .zip(told)
        .enumerate()
        .filter(|(_, (_, told))| told.receivable != 0)
        .map(|(n, (deal, told))| {
            let order = order_id(n, deal);
            let place = (OFFICES[deal.office].0, told.shipped_on, order.uuid());
            let line = json!([
                OFFICES[deal.office].0,
                order,
                OFFICES[deal.office].2,
                told.invoiced,
                told.paid,
                told.refunded,
                told.credited,
                told.receivable
            ]);
            (place, line)
        })
        .collect();
    lines.sort_by_key(|(place, _)| *place);
    lines.into_iter().map(|(_, line)| line).collect()
}

const SOLD_MEMBERS: [&str; 8] = [
    "sku",
    "currency",
    "shipped",
    "returned",
    "net_quantity",
    "net_revenue_minor",
    "cost_minor",
    "margin_minor",
];
const DAY_MEMBERS: [&str; 8] = [
    "office",
    "day",
    "currency",
    "orders",
    "units",
    "net_minor",
    "tax_minor",
    "paid_minor",
];
const RECEIVABLE_MEMBERS: [&str; 8] = [
    "office",
    "order",
    "currency",
    "invoiced_minor",
    "paid_minor",
    "refunded_minor",
    "credited_minor",
    "open_minor",
];

/// Every report of these deals, whole and of a part, beside the books.
async fn compare(deals: &[Deal]) {
    let company = Company::new().await;
    let (rows_of, told) = Rows::of(deals);
    company.db.lift_foreign_keys().await;
    company.db.query(&rows_of.sql).await;
    let app = company.app();
    for span in [(0, 99), (5, 11)] {
        let query = format!("?from={}&to={}", day(span.0), day(span.1));
        let found = report(&app, &format!("{SOLD}{query}")).await;
        assert_eq!(rows(&found, &SOLD_MEMBERS), sold(deals, &told, span));
        tie_out(&app, &query, &found).await;
        let found = report(&app, &format!("{DAYS}{query}")).await;
        assert_eq!(rows(&found, &DAY_MEMBERS), days(deals, &told, span));
    }
    let found = report(&app, RECEIVABLES).await;
    assert_eq!(rows(&found, &RECEIVABLE_MEMBERS), receivables(deals, &told));
    owed_is_booked(&app, &found).await;
    let integrity = report_integrity(&app).await;
    for code in ["I1", "I4", "I5", "I6"] {
        let found = integrity.iter().find(|invariant| invariant["code"] == code);
        assert_eq!(found.unwrap()["status"], "pass", "{found:?}");
    }
    for (office, _, _) in OFFICES {
        overview(&app, office, (deals, &told)).await;
    }
}

async fn report_integrity(app: &TestApp) -> Vec<Value> {
    let report = report(app, "/v1/reports/integrity").await;
    report["invariants"].as_array().unwrap().clone()
}

/// Debits less credits of an account in the trial balance of some days, per currency.
async fn moved(app: &TestApp, query: &str, account: &str) -> BTreeMap<String, i64> {
    let books = report(app, &format!("/v1/reports/trial-balance{query}")).await;
    let mut sums = BTreeMap::new();
    for row in books["data"].as_array().unwrap() {
        if row["account"] == account {
            let moved =
                row["debit_minor"].as_i64().unwrap() - row["credit_minor"].as_i64().unwrap();
            *sums
                .entry(row["currency"].as_str().unwrap().to_owned())
                .or_default() += moved;
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// Revenue is 4000 − 4900, cost is 5000.
async fn tie_out(app: &TestApp, query: &str, sold: &Value) {
    let (mut revenue, mut cost) = (BTreeMap::new(), BTreeMap::new());
    for row in sold["data"].as_array().unwrap() {
        let currency = row["currency"].as_str().unwrap().to_owned();
        let of = |member: &str| row[member].as_i64().unwrap();
        *revenue.entry(currency.clone()).or_insert(0) += of("net_revenue_minor");
        *cost.entry(currency).or_insert(0) += of("cost_minor");
    }
    let mut booked = moved(app, query, "4000").await;
    for (currency, returned) in moved(app, query, "4900").await {
        *booked.entry(currency).or_default() += returned;
    }
    booked.values_mut().for_each(|sum| *sum = -*sum);
    for sums in [&mut revenue, &mut cost, &mut booked] {
        sums.retain(|_, sum: &mut i64| *sum != 0);
    }
    assert_eq!(revenue, booked);
    assert_eq!(cost, moved(app, query, "5000").await);
}

/// Per currency, and so per office here, what is open is the balance of 1100.
async fn owed_is_booked(app: &TestApp, receivables: &Value) {
    let mut open = BTreeMap::new();
    for row in receivables["data"].as_array().unwrap() {
        let currency = row["currency"].as_str().unwrap().to_owned();
        *open.entry(currency).or_insert(0) += row["open_minor"].as_i64().unwrap();
    }
    open.retain(|_, sum: &mut i64| *sum != 0);
    assert_eq!(open, moved(app, "", "1100").await);
}

async fn overview(app: &TestApp, office: &str, (deals, told): (&[Deal], &[Told])) {
    let found = app.get(&format!("/v1/offices/{office}/overview")).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let of_office = || {
        let all = deals.iter().zip(told);
        all.filter(|(deal, _)| OFFICES[deal.office].0 == office)
    };
    let open = of_office().filter(|(_, told)| told.placed.is_some() && told.shipped_on.is_none());
    let currency = OFFICES.iter().find(|o| o.0 == office).unwrap().2;
    let sum = |of: fn(&Told) -> i64| of_office().map(|(_, told)| of(told)).sum::<i64>();
    assert_eq!(
        found.body,
        json!({"office": office, "currency": currency, "open_orders": open.count(), "revenue_today_minor": 0,
            "cash_minor": sum(|told| told.paid - told.refunded), "receivables_minor": sum(|told| told.receivable),
            "stock_value_minor": 0})
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn reports_say_of_any_deals_what_adding_up_and_the_books_say(deals in vec(deal(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(compare(&deals));
    }
}

/// Bought and paid ahead, shipped, in part brought back and paid back: one step a day.
fn one_deal() -> Deal {
    Deal {
        office: 0,
        item: 0,
        quantity: 4,
        price: 1_000,
        tax_bp: 1900,
        cost: 700,
        placed: true,
        paid: [1_000, 500],
        shipped: 3,
        returned: 1,
        restocked: false,
        refunded: 200,
        day: 0,
    }
}

async fn with(company: &Company, deals: &[Deal]) -> TestApp {
    let app = company.app();
    // The first audit row says from when on the company has a past; rows below are older than that, as if moved here.
    company.db.lift_foreign_keys().await;
    company.db.query(&Rows::of(deals).0.sql).await;
    company
        .db
        .query(
            "INSERT INTO platform.audit_log (region, id, at, issuer, subject, scopes, scope, served_in, request_id, key, \
                 action, ids, event_ids) \
             VALUES ('eu1', gen_random_uuid(), '2026-02-01', 'i', 's', ARRAY[]::TEXT[], 'sales:write', 'eu1', 'r', 'k', \
                 'a', ARRAY[]::TEXT[], ARRAY[]::TEXT[])",
        )
        .await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_reports_of_sales_show_a_moment_of_the_past() {
    let company = Company::new().await;
    let app = with(&company, &[one_deal()]).await;
    // Placed on day 0, paid 1, shipped 2, paid 3, returned 4, refunded 5; each at noon.
    let at = |offset: u8| format!("as_of={}T13:00:00.000Z", day(offset));
    let sold = async |offset| {
        let found = report(&app, &format!("{SOLD}?{}", at(offset))).await;
        assert_eq!(found["final"], true);
        rows(
            &found,
            &["shipped", "returned", "net_revenue_minor", "cost_minor"],
        )
    };
    assert!(sold(1).await.is_empty());
    assert_eq!(sold(3).await, [json!([3, 0, 3_000, 2_100])]);
    assert_eq!(sold(4).await, [json!([3, 1, 2_000, 1_400])]);
    let open = async |offset| {
        let found = report(&app, &format!("{RECEIVABLES}?{}", at(offset))).await;
        rows(
            &found,
            &[
                "invoiced_minor",
                "paid_minor",
                "refunded_minor",
                "credited_minor",
                "open_minor",
                "age_days",
            ],
        )
    };
    assert!(open(1).await.is_empty(), "paid ahead is not owed");
    assert_eq!(open(2).await, [json!([3_570, 1_000, 0, 0, 2_570, 0])]);
    assert_eq!(open(3).await, [json!([3_570, 1_500, 0, 0, 2_070, 1])]);
    assert_eq!(open(4).await, [json!([3_570, 1_500, 0, 1_190, 880, 2])]);
    assert_eq!(open(6).await, [json!([3_570, 1_500, 200, 1_190, 1_080, 4])]);
    // The past and the present are computed from different rows.
    let now = report(&app, RECEIVABLES).await;
    let past = report(
        &app,
        &format!("{RECEIVABLES}?as_of={}", Clock::System.now()),
    )
    .await;
    assert_eq!(now["data"], past["data"]);
    assert_eq!(now.get("final"), None);
    let days = report(&app, &format!("{DAYS}?{}", at(1))).await;
    assert_eq!(
        rows(
            &days,
            &[
                "day",
                "orders",
                "units",
                "net_minor",
                "tax_minor",
                "paid_minor"
            ]
        ),
        [
            json!([day(0), 1, 4, 4_000, 760, 0]),
            json!([day(1), 0, 0, 0, 0, 1_000])
        ],
        "a day with payments only is a day too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_sales_are_tables_too() {
    let company = Company::new().await;
    let app = with(&company, &[one_deal()]).await;
    let csv = async |path: &str| {
        let answer = app.request(Method::GET, path).header("accept", "text/csv");
        let answer = answer.send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let lines = answer.text.lines().map(str::to_owned);
        lines.collect::<Vec<String>>()
    };
    let item = report(&app, SOLD).await["data"][0]["item"].clone();
    let sold = csv(SOLD).await;
    assert_eq!(
        sold[0],
        "item,sku,currency,shipped,returned,net_quantity,net_revenue_minor,cost_minor,margin_minor"
    );
    assert_eq!(
        sold[1],
        format!("{},LAMP-0,EUR,3,1,2,2000,1400,600", item.as_str().unwrap())
    );
    let days = csv(DAYS).await;
    assert_eq!(
        days[0],
        "office,day,currency,orders,units,net_minor,tax_minor,paid_minor"
    );
    assert_eq!(days[1], "ber,2026-03-01,EUR,1,4,4000,760,0");
    let owed = csv(RECEIVABLES).await;
    assert_eq!(
        owed[0],
        "office,order,customer,currency,invoiced_minor,paid_minor,refunded_minor,credited_minor,open_minor,age_days"
    );
    assert!(
        owed[1].contains(",EUR,3570,1500,200,1190,1080,"),
        "{owed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_sales_show_the_offices_that_the_token_reaches() {
    let company = Company::new().await;
    let mut tokyo = one_deal();
    tokyo.office = 2;
    let app = with(&company, &[one_deal(), tokyo]).await;
    let viewer = token(Role::Viewer, &["tyo"]);
    for path in [SOLD, DAYS, RECEIVABLES] {
        let ask = async |query: &str| {
            let request = app.request_as(&viewer, Method::GET, &format!("{path}{query}"));
            request.send().await
        };
        let narrowed = ask("").await;
        let lines = narrowed.body["data"].as_array().unwrap();
        assert!(!lines.is_empty(), "{path}");
        assert!(
            lines.iter().all(|line| line["currency"] == "JPY"),
            "{}",
            narrowed.text
        );
        assert_eq!(
            ask("?office=ber").await.problem(),
            (403, "office_forbidden")
        );
        assert_eq!(
            ask("?office=xyz").await.problem(),
            (400, "invalid_parameter")
        );
        assert_eq!(ask("?limit=1").await.problem(), (400, "unknown_parameter"));
        assert_eq!(ask("?allow_partial=false").await.status, 200);
        let early = ask("?as_of=2020-01-01T00:00:00.000Z").await;
        assert_eq!(early.problem(), (422, "as_of_too_old"));
        let nobody = app.request_as("", Method::GET, path).send().await;
        assert_eq!(nobody.problem(), (401, "unauthenticated"));
    }
    for path in [SOLD, DAYS] {
        let refused = app
            .get(&format!("{path}?from=2026-02-02&to=2026-02-01"))
            .await;
        assert_eq!(refused.problem(), (400, "invalid_parameter"), "{path}");
    }
    // A balance has no days.
    let refused = app.get(&format!("{RECEIVABLES}?from=2026-02-02")).await;
    assert_eq!(refused.problem(), (400, "unknown_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_is_shown_to_those_who_reach_the_office() {
    let company = Company::new().await;
    let app = with(&company, &[one_deal()]).await;
    let found = app.get("/v1/offices/ber/overview").await;
    assert_eq!(
        found.body,
        json!({"office": "ber", "currency": "EUR", "open_orders": 0, "revenue_today_minor": 0, "cash_minor": 1_300,
            "receivables_minor": 1_080, "stock_value_minor": 0})
    );
    let missing = app.get("/v1/offices/xyz/overview").await;
    assert_eq!(missing.problem(), (404, "not_found"));
    let viewer = token(Role::Viewer, &["tyo"]);
    let ask = async |path| app.request_as(&viewer, Method::GET, path).send().await;
    let refused = ask("/v1/offices/ber/overview").await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    assert_eq!(
        ask("/v1/offices/xyz/overview").await.problem(),
        (404, "not_found")
    );
    assert_eq!(ask("/v1/offices/tyo/overview").await.status, 200);
    let from_afar = company
        .in_region("ap1")
        .get("/v1/offices/ber/overview")
        .await;
    assert_eq!(from_afar.body, found.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_sum_of_sales_that_json_does_not_keep_is_refused() {
    let company = Company::new().await;
    let app = with(&company, &[one_deal(), one_deal()]).await;
    let most = kernel::money::AMOUNT_MAX;
    company
        .db
        .query(&format!(
            "UPDATE sales.shipment_lines SET net_minor = {most}; UPDATE sales.orders SET tax_minor = {most}"
        ))
        .await;
    for path in [SOLD, DAYS] {
        let refused = app.get(path).await;
        assert_eq!(refused.problem(), (422, "amount_out_of_range"), "{path}");
    }
    // A shorter span has no such number.
    let last = report(&app, &format!("{SOLD}?from={}", day(3))).await;
    assert_eq!(rows(&last, &["returned"]), [json!([2])]);
}
