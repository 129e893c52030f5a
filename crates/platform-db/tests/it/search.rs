//! What is indexed with a write is found, by whoever may see it, however it was typed.

use kernel::OfficeCode;
use platform_db::{
    Db, Fault, Never, OpenRows, RowsDone, Search, SearchEntry, SearchHit, TxError, Txn,
};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use testkit::strong;

use crate::fixture::{create_intent, ok, request, test_db};

fn office(code: &str) -> OfficeCode {
    code.parse().unwrap()
}

fn entry(kind: &'static str, id: &str, title: &str, exact: &[&str]) -> SearchEntry {
    SearchEntry {
        kind,
        id: id.into(),
        office: None,
        title: title.into(),
        exact: exact.iter().map(ToString::to_string).collect(),
    }
}

async fn index(db: &Db, key: &str, entries: Vec<SearchEntry>) {
    let write = db.write(create_intent(db, key), async move |txn: &Txn<'_>| {
        for entry in entries.clone() {
            txn.index(entry);
        }
        Ok::<_, TxError<Never>>(ok("{}"))
    });
    write.await.unwrap();
}

/// What `typed` finds among things and those parts that ber sees.
async fn hits(db: &Db, typed: &str) -> Vec<SearchHit> {
    let search = Search {
        text: typed.into(),
        regions: db.regions().to_vec(),
        seen: vec![("thing", None), ("part", Some(vec![office("ber")]))],
        limit: 50,
    };
    let found = db.search(&request(db), strong(), search).await;
    found.unwrap().value
}

async fn found(db: &Db, typed: &str) -> Vec<String> {
    let hits = hits(db, typed).await;
    hits.into_iter().map(|hit| hit.id).collect()
}

#[tokio::test]
async fn exact_keys_come_first_then_beginnings_then_what_is_like_it() {
    let test = test_db().await;
    let db = test.db();
    let entries = vec![
        entry("thing", "itm_g_1", "Table Lamp", &["LAMP-7"]),
        entry("thing", "itm_g_2", "lamp-7 shade", &["SHADE-1"]),
        entry("thing", "itm_g_3", "Desk", &["DESK-1", "4006381333931"]),
        entry("thing", "itm_g_4", "Straße 50% \"off\" 'x'", &[]),
    ];
    index(&db, "key-00001", entries).await;

    let lamps = hits(&db, " lamp-7 ").await;
    let ids: Vec<&str> = lamps.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!(ids, ["itm_g_1", "itm_g_2"]);
    assert_eq!(lamps[0].score, 1000);
    assert!((900..1000).contains(&lamps[1].score), "{lamps:?}");
    assert_eq!(
        (lamps[0].kind.as_str(), lamps[0].title.as_str()),
        ("thing", "Table Lamp")
    );

    assert_eq!(found(&db, "ITM_G_3").await, ["itm_g_3"], "by its id");
    assert_eq!(found(&db, "4006381333931").await, ["itm_g_3"]);
    assert_eq!(found(&db, "STRASSE").await, ["itm_g_4"]);
    assert_eq!(found(&db, "de").await, ["itm_g_3"], "two characters");
    for slip in ["tabel lamp", "Tble Lamp", "lamp tabel", "LMAP-7 "] {
        assert_eq!(found(&db, slip).await[0], "itm_g_1", "{slip}");
    }
    for nothing in [
        "%%",
        "__",
        "50% \"of' --",
        "\0\0",
        "zzzz",
        "' OR ''='",
        "😀😀",
    ] {
        let found = found(&db, nothing).await;
        assert!(
            found.is_empty() || nothing.starts_with("50%"),
            "{nothing}: {found:?}"
        );
    }
}

#[tokio::test]
async fn what_is_not_to_be_seen_is_not_found() {
    let test = test_db().await;
    let db = test.db();
    let at = |code: &str, id: &str| SearchEntry {
        office: Some(office(code)),
        ..entry("part", id, "Secret part", &["SECRET"])
    };
    let entries = vec![
        at("ber", "part_1"),
        at("nyc", "part_2"),
        entry("other", "other_1", "Secret other", &["SECRET"]),
        entry("part", "part_3", "Secret part of nobody", &[]),
    ];
    index(&db, "key-00001", entries).await;
    for typed in ["secret", "SECRET", "sceret part"] {
        assert_eq!(found(&db, typed).await, ["part_1"], "{typed}");
    }
    assert!(!found(&db, "part_2").await.contains(&"part_2".to_owned()));
}

#[tokio::test]
async fn an_entry_changes_and_goes_with_its_resource() {
    let test = test_db().await;
    let db = test.db();
    index(
        &db,
        "key-00001",
        vec![entry("thing", "itm_g_1", "Lamp", &["alpha"])],
    )
    .await;
    let renamed = entry("thing", "itm_g_1", "Chandelier", &["omega"]);
    let twice = vec![entry("thing", "itm_g_1", "Between", &[]), renamed];
    index(&db, "key-00002", twice).await;
    assert!(found(&db, "lamp").await.is_empty() && found(&db, "alpha").await.is_empty());
    assert_eq!(found(&db, "chandelier").await, ["itm_g_1"]);
    assert_eq!(found(&db, "omega").await, ["itm_g_1"]);

    let write = db.write(create_intent(&db, "key-00003"), async |txn: &Txn<'_>| {
        txn.unindex("thing", "itm_g_1").await?;
        Ok::<_, TxError<Never>>(ok("{}"))
    });
    write.await.unwrap();
    assert!(found(&db, "chandelier").await.is_empty());
    assert_eq!(
        test.count("SELECT count(*) FROM platform.search_entries")
            .await,
        0
    );
}

#[tokio::test]
async fn an_entry_is_stored_with_its_effect_whatever_breaks() {
    let test = test_db().await;
    let db = test.db();
    for (n, fault) in [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 1 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ]
    .into_iter()
    .enumerate()
    {
        db.faults().set("create_thing", fault);
        let title = format!("Faulty {n}");
        index(
            &db,
            &format!("key-0000{n}"),
            vec![entry("thing", &title, &title, &[])],
        )
        .await;
        assert_eq!(found(&db, &title).await[0], title);
    }
    let refused = db.write(create_intent(&db, "key-00009"), async |txn: &Txn<'_>| {
        txn.index(entry("thing", "never", "Never", &[]));
        Err::<kernel::Reply, _>(TxError::<Never>::Common(kernel::Common::KeyVoided))
    });
    refused.await.unwrap_err();
    assert!(found(&db, "never").await.is_empty());
}

#[tokio::test]
async fn rows_of_one_transaction_are_found_and_the_missing_are_told() {
    let test = test_db().await;
    let db = test.db();
    let call = request(&db);
    let intents: Vec<_> = ["row-lamp1", "row-desk1"]
        .map(|key| kernel::Intent {
            call: call.clone(),
            ..create_intent(&db, key)
        })
        .into();
    let write = db.write_rows(intents, async |txn: &Txn<'_>, open: OpenRows| {
        let mut rows = Vec::new();
        for (_, intent) in open.iter() {
            let row = txn.for_row(intent);
            row.index(entry(
                "thing",
                intent.key.as_str(),
                intent.key.as_str(),
                &[],
            ));
            rows.push(Ok(row.wrote(ok("{}"))));
        }
        Ok::<_, TxError<Never>>(RowsDone { rows, commit: true })
    });
    write.await.unwrap();
    assert_eq!(found(&db, "row-lamp1").await[0], "row-lamp1");
    assert_eq!(found(&db, "row-desk1").await[0], "row-desk1");
}

#[tokio::test]
async fn what_has_no_entry_is_given_one_once() {
    let test = test_db().await;
    let db = test.db();
    index(
        &db,
        "key-00001",
        vec![entry("thing", "there", "As it is", &[])],
    )
    .await;
    let run = async || {
        let ids = ["there", "missing"].map(str::to_owned).to_vec();
        let work = async |txn: &Txn<'_>, ids: &std::collections::BTreeSet<String>| {
            for id in ids {
                txn.index(entry("thing", id, "Found again", &[]));
            }
            Ok(())
        };
        let indexed = db.index_missing("thing", kernel::Scope::WarehouseRead, ids, work);
        indexed.await.unwrap()
    };
    assert_eq!((run().await, run().await), (1, 0));
    assert_eq!(found(&db, "found again").await, ["missing"]);
    assert_eq!(found(&db, "as it is").await, ["there"]);
}

#[tokio::test]
async fn any_title_is_found_with_one_slip() {
    let test = test_db().await;
    let db = test.db();
    let titles =
        proptest::string::string_regex("[a-zA-ZäöéжЖπ漢字]{5,10}( [a-zä0-9]{1,8}){0,3}").unwrap();
    let mut runner = TestRunner::default();
    let titles: Vec<String> = (0..60)
        .map(|_| titles.new_tree(&mut runner).unwrap().current())
        .collect();
    let entries = titles.iter().map(|title| entry("thing", title, title, &[]));
    index(&db, "key-00001", entries.collect()).await;
    for (n, title) in titles.iter().enumerate() {
        let letters: Vec<char> = title.chars().collect();
        let at = n % (letters.len() - 1);
        let mut swapped = letters.clone();
        swapped.swap(at, at + 1);
        let mut missing = letters;
        missing.remove(at);
        for typed in [swapped, missing] {
            let typed: String = typed.into_iter().collect();
            let found = found(&db, &typed).await;
            assert!(found.contains(title), "{title} by {typed}: {found:?}");
        }
    }
}
