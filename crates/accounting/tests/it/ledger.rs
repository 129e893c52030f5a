//! Posting from inside another system's transaction.

use accounting::ledger::{Books, NewEntry, NewPosting, PostError, Source, Subject, chart};
use kernel::{AccountCode, AmountMinor, OpError, Reply, Timestamp, money::AMOUNT_MAX};
use platform_db::TxError;
use serde_json::{Value, json};
use testkit::{call, intent};

use crate::{World, office};

fn entry(number: usize, postings: &[(AccountCode, AccountCode, i64)]) -> NewEntry {
    NewEntry {
        description: format!("Receipt {number}"),
        subject: Some(Subject {
            kind: "order".into(),
            id: "ord_eu1_1".into(),
        }),
        source: Source {
            kind: "movement".into(),
            id: format!("mov_eu1_{number}"),
            rule: "receipt".into(),
        },
        postings: postings
            .iter()
            .map(|(debit, credit, amount)| NewPosting {
                debit: debit.clone(),
                credit: credit.clone(),
                amount: AmountMinor::new(*amount).unwrap(),
                memo: None,
            })
            .collect(),
    }
}

/// Posts in one transaction of a write named `key`; the views, null for what was nothing.
async fn post(
    world: &World,
    key: &str,
    code: &'static str,
    entries: Vec<NewEntry>,
) -> Result<Value, OpError<PostError>> {
    let mut intent = intent(&call("eu1"), "receive_stock", key);
    intent.office = Some(code.parse().unwrap());
    let db = world.db.db();
    let written = db.write(intent, async move |txn| {
        let mut books = Books::open(txn, &office(txn, code).await?).await?;
        let mut views = Vec::new();
        for entry in entries.clone() {
            views.push(books.post(txn, entry)?);
        }
        books.save::<PostError>(txn).await?;
        Ok::<_, TxError<PostError>>(Reply {
            status: 200,
            location: None,
            version: None,
            body: Some(serde_json::to_string(&views).unwrap()),
            effect_ids: Vec::new(),
        })
    });
    let body = written.await?.body.unwrap();
    Ok(serde_json::from_str(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_entries_are_one_statement_and_postings_of_nothing_are_left_out() {
    let world = World::new().await;
    let receipt = |number, amount| {
        let postings = [
            (chart::inventory(), chart::goods_received(), amount),
            (chart::cost_of_goods(), chart::inventory(), 0),
        ];
        entry(number, &postings)
    };
    let many = (0..300).map(|number| receipt(number, if number == 7 { 0 } else { 100 }));
    let views = post(&world, "receipts-1", "ber", many.collect())
        .await
        .unwrap();
    assert_eq!(views[7], Value::Null);
    let view = &views[299];
    assert_eq!(
        (&view["office"], &view["home_region"], &view["currency"]),
        (&json!("ber"), &json!("eu1"), &json!("EUR"))
    );
    assert_eq!(view["recorded_by"], "tester");
    assert_eq!(view["source"]["id"], "mov_eu1_299");
    assert_eq!(view["subject"], json!({"type": "order", "id": "ord_eu1_1"}));
    assert_eq!(view["postings"].as_array().unwrap().len(), 1);
    assert_eq!(view["postings"][0]["amount_minor"], 100);
    let db = &world.db;
    let count = async |sql: &str| db.count(sql).await;
    assert_eq!(
        count("SELECT count(*) FROM accounting.journal_entries").await,
        299
    );
    assert_eq!(count("SELECT count(*) FROM accounting.postings").await, 299);
    assert_eq!(count("SELECT count(*) FROM accounting.periods").await, 1);
    let events = "SELECT count(*) FROM platform.events WHERE kind = 'accounting.entry.posted'";
    assert_eq!(count(events).await, 299);
    // The month has its row now.
    post(&world, "receipts-2", "ber", vec![receipt(300, 1)])
        .await
        .unwrap();
    assert_eq!(
        count("SELECT max(version) FROM accounting.periods").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_dated_today_where_the_office_is() {
    let world = World::new().await;
    for (office, zone) in [("tok", "Asia/Tokyo"), ("nyc", "America/New_York")] {
        let one = entry(1, &[(chart::inventory(), chart::goods_received(), 5)]);
        let views = post(&world, &format!("dated-{office}"), office, vec![one])
            .await
            .unwrap();
        let recorded: Timestamp = views[0]["recorded_at"].as_str().unwrap().parse().unwrap();
        let day = recorded.date_in(zone).unwrap().to_string();
        assert_eq!(views[0]["effective_date"], day);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_into_a_closed_month_but_nothing_is_no_posting() {
    let world = World::new().await;
    let one = |amount| {
        vec![entry(
            1,
            &[(chart::inventory(), chart::goods_received(), amount)],
        )]
    };
    let views = post(&world, "closed-01", "ber", one(5)).await.unwrap();
    let month = views[0]["effective_date"].as_str().unwrap()[..7].to_owned();
    world
        .db
        .query("UPDATE accounting.periods SET status = 'closed'")
        .await;
    let Err(OpError::Refused(refusal)) = post(&world, "closed-02", "ber", one(5)).await else {
        panic!("posted into a closed month");
    };
    let closed = PostError::PeriodClosed {
        office: "ber".parse().unwrap(),
        period: month.parse().unwrap(),
    };
    assert_eq!(refusal, closed);
    assert_eq!(
        post(&world, "closed-03", "ber", one(0)).await.unwrap(),
        json!([null])
    );
    assert!(post(&world, "closed-04", "tok", one(5)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_total_beyond_the_bound_is_refused() {
    let world = World::new().await;
    let postings = [
        (chart::inventory(), chart::goods_received(), AMOUNT_MAX),
        (chart::receivables(), chart::revenue(), 1),
    ];
    let refused = post(&world, "too-much-1", "ber", vec![entry(1, &postings)]).await;
    assert!(matches!(
        refused,
        Err(OpError::Refused(PostError::OutOfRange))
    ));
    let negative = entry(1, &[(chart::inventory(), chart::goods_received(), -1)]);
    let refused = post(&world, "too-little", "ber", vec![negative]).await;
    assert!(matches!(
        refused,
        Err(OpError::Refused(PostError::OutOfRange))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_17_entries_of_one_transaction_share_a_time_younger_than_what_was_seen() {
    let world = World::new().await;
    let ahead = kernel::Clock::System
        .now()
        .plus(std::time::Duration::from_secs(60));
    let db = world.db.db();
    let mut intent = intent(&call("eu1"), "receive_stock", "younger-01");
    intent.office = Some("ber".parse().unwrap());
    let written = db.write(intent, async move |txn| {
        let mut books = Books::open(txn, &office(txn, "ber").await?).await?;
        txn.observe(ahead);
        for number in 0..2 {
            let one = entry(number, &[(chart::inventory(), chart::goods_received(), 5)]);
            books.post(txn, one)?;
        }
        books.save::<PostError>(txn).await?;
        Ok::<_, TxError<PostError>>(Reply {
            status: 200,
            location: None,
            version: None,
            body: None,
            effect_ids: Vec::new(),
        })
    });
    written.await.unwrap();
    let times = world
        .db
        .query("SELECT DISTINCT (extract(epoch FROM recorded_at) * 1000)::INT8 FROM accounting.journal_entries")
        .await;
    assert_eq!(times, [[Some((ahead.as_millis() + 1).to_string())]]);
}
