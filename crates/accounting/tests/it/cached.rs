//! The chart from memory.

use serde_json::json;
use testkit::app::Answer;

use crate::{ACCOUNTS, World};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_the_chart_come_from_memory_until_the_chart_grows() {
    let world = World::new().await;
    let app = world.app();
    let account = format!("{ACCOUNTS}/1300");
    let first = app.plain(&account).send().await;
    assert_eq!(app.warm(&account).await.body, first.body);
    let chart = app.plain(ACCOUNTS).send().await;
    let again = app.warm(ACCOUNTS).await;
    assert_eq!(again.body, chart.body);
    assert_eq!(
        again.header("request-cost"),
        "sql=0, rows=0, retries=0, xregion=0"
    );
    let rent = json!({"code": "6100", "name": "Rent", "type": "expense", "normal": "debit"});
    assert_eq!(app.post(ACCOUNTS, rent).await.status, 201);
    let grown = app.plain(ACCOUNTS).send().await;
    assert_eq!(grown.body["data"][0]["code"], "6100");
    assert_eq!(
        app.plain(&format!("{ACCOUNTS}/6100")).send().await.status,
        200
    );
}

/// A walk goes on from a first page that was in memory, also for a client that sends every token back.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_15_a_walk_begins_with_a_page_from_memory() {
    let world = World::new().await;
    let app = world.app();
    let first = format!("{ACCOUNTS}?limit=10");
    let page = app.warm(&first).await;
    let next = page.body["next_cursor"].as_str().unwrap();
    let request = app.request(axum::http::Method::GET, &format!("{first}&cursor={next}"));
    let rest = request
        .header("consistency-token", page.header("consistency-token"))
        .send()
        .await;
    assert_eq!(rest.status, 200, "{}", rest.body);
    let count = |answer: &Answer| answer.body["data"].as_array().unwrap().len();
    assert_eq!((count(&page), count(&rest)), (10, 4));
    // What is filtered is read.
    let filtered = format!("{ACCOUNTS}?created_from=2000-01-01T00:00:00Z");
    for _ in 0..3 {
        let answer = app.plain(&filtered).send().await;
        assert!(answer.header("freshness").starts_with("strong;"));
    }
}
