//! Offices and the directory.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Order, PageRequest, Position, ReadWant, RegionTag, SystemError, Timestamp};
use platform_db::{
    Db, Directory, Never, ReadSpec, Session, TxError, Txn,
    offices::{self, Office, OfficeFilter, OfficeStatus},
};
use testkit::{Act::Answer, Did::Nothing, Rule, TestDb, When, WireProxy, intent};

use crate::fixture::{ok, request};

fn office(code: &str, created_at: Timestamp) -> Office {
    Office {
        code: code.parse().unwrap(),
        name: format!("Office {code}"),
        country: "DE".parse().unwrap(),
        city: "Berlin".into(),
        time_zone: "Europe/Berlin".into(),
        currency: "EUR".parse().unwrap(),
        latitude: 52.520_008,
        longitude: 13.404_954,
        home_region: "eu1".parse().unwrap(),
        default_location: format!("{code}-main").parse().unwrap(),
        default_tax_rate_bp: 1900,
        status: OfficeStatus::Active,
        version: 1,
        created_at,
        updated_at: created_at,
    }
}

async fn insert(db: &Db, office: Office) {
    let write = intent(
        &request(db),
        "create_office",
        &format!("office-{}", office.code),
    );
    db.write(write, async move |txn: &Txn<'_>| {
        offices::insert(txn, &office).await?;
        Ok::<_, TxError<Never>>(ok("{}"))
    })
    .await
    .unwrap();
}

async fn read<T>(db: &Db, work: impl AsyncFn(&Session) -> Result<T, platform_db::DbError>) -> T {
    let spec = ReadSpec {
        operation: "get_office",
        want: ReadWant::default(),
        home: RegionTag::global(),
        snapshot: None,
    };
    db.read(&request(db), spec, work).await.unwrap().value
}

#[tokio::test]
async fn an_office_is_read_as_it_was_stored_and_changed() {
    let test = TestDb::new(&[]).await;
    let db = test.db();
    let ber = office("ber", Timestamp::from_millis(1_795_000_000_123));
    insert(&db, ber.clone()).await;
    assert_eq!(
        read(&db, async |s: &Session| offices::get(s, &ber.code).await).await,
        Some(ber.clone())
    );
    let changed = Office {
        city: "Potsdam".into(),
        status: OfficeStatus::Closed,
        version: 2,
        updated_at: ber.updated_at.plus(Duration::from_millis(1)),
        ..ber.clone()
    };
    let expected = changed.clone();
    db.write(
        intent(&request(&db), "update_office", "key-00001"),
        async move |txn: &Txn<'_>| {
            let found = offices::lock(txn, &changed.code).await?;
            assert!(found.is_some() && txn.now() > changed.created_at);
            offices::update(txn, &changed).await?;
            Ok::<_, TxError<Never>>(ok("{}"))
        },
    )
    .await
    .unwrap();
    assert_eq!(
        read(&db, async |s: &Session| offices::get(s, &ber.code).await).await,
        Some(expected)
    );
    assert!(
        read(&db, offices::active).await.is_empty(),
        "the only one is closed"
    );
    let eur = "EUR".parse().unwrap();
    assert!(
        read(&db, async |s: &Session| offices::has_currency(s, &eur)
            .await)
        .await
    );
}

#[tokio::test]
async fn a_walk_in_either_direction_shows_each_office_once() {
    let test = TestDb::new(&[]).await;
    let db = test.db();
    let codes = ["aa", "bb", "cc", "dd", "ee"];
    for (n, code) in codes.iter().enumerate() {
        // Two of them in the same millisecond.
        insert(
            &db,
            office(
                code,
                Timestamp::from_millis(1_795_000_000_000 + (n as i64 / 2)),
            ),
        )
        .await;
    }
    for order in [Order::Asc, Order::Desc] {
        let mut page = PageRequest {
            limit: 2,
            order,
            after: None,
            snapshot: None,
        };
        let mut seen = Vec::new();
        loop {
            let filter = OfficeFilter::default();
            let mut found = read(&db, async |s: &Session| {
                offices::list(s, &filter, &page).await
            })
            .await;
            let more = found.len() > 2;
            found.truncate(2);
            page.after = found.last().map(|last| Position {
                created_at: last.created_at,
                id: last.code.to_string(),
            });
            page.snapshot = Some(Timestamp::from_millis(1_795_000_000_002));
            seen.extend(found.into_iter().map(|office| office.code.to_string()));
            if !more {
                break;
            }
        }
        if order == Order::Desc {
            seen.reverse();
        }
        assert_eq!(seen, codes, "{order:?}");
    }
}

#[tokio::test]
async fn filters_narrow_a_list() {
    let test = TestDb::new(&[]).await;
    let db = test.db();
    let at = |n| Timestamp::from_millis(1_795_000_000_000 + n);
    for (n, code) in ["aa", "bb", "cc"].iter().enumerate() {
        insert(&db, office(code, at(n as i64))).await;
    }
    let list = async |filter: OfficeFilter| {
        let page = PageRequest {
            limit: 10,
            order: Order::Asc,
            after: None,
            snapshot: None,
        };
        let found = read(&db, async |s: &Session| {
            offices::list(s, &filter, &page).await
        })
        .await;
        found
            .into_iter()
            .map(|office| office.code.to_string())
            .collect::<Vec<_>>()
    };
    let all = OfficeFilter::default();
    assert_eq!(
        list(OfficeFilter {
            codes: Some(vec!["bb".parse().unwrap()]),
            ..all.clone()
        })
        .await,
        ["bb"]
    );
    assert_eq!(
        list(OfficeFilter {
            created_from: Some(at(1)),
            ..all.clone()
        })
        .await,
        ["bb", "cc"]
    );
    assert_eq!(
        list(OfficeFilter {
            created_to: Some(at(1)),
            ..all.clone()
        })
        .await,
        ["aa", "bb"]
    );
    assert!(
        list(OfficeFilter {
            status: Some(OfficeStatus::Closed),
            ..all
        })
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn hard_case_34_homes_are_remembered_and_absence_is_not() {
    let test = TestDb::new(&[]).await;
    let db = test.db();
    let directory = Directory::new(db.clone());
    let ber = "ber".parse().unwrap();
    assert_eq!(directory.home(&request(&db), &ber).await.unwrap(), None);
    insert(
        &db,
        office("ber", Timestamp::from_millis(1_795_000_000_000)),
    )
    .await;
    let home: RegionTag = "eu1".parse().unwrap();
    assert_eq!(
        directory.home(&request(&db), &ber).await.unwrap(),
        Some(home.clone())
    );
    let call = request(&db);
    assert_eq!(directory.home(&call, &ber).await.unwrap(), Some(home));
    assert_eq!(call.facts().statements, 0, "it was remembered");
}

/// Whoever looked for the same home meanwhile is not told how another's read failed, and the one whose read it was is told
/// just that.
#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_was_read_in_vain_fails_the_one_who_read_it() {
    let test = TestDb::new(&[]).await;
    let db = test.db();
    insert(&db, office("ber", Timestamp::from_millis(1))).await;
    let proxy = WireProxy::before(&test).await;
    let through = test.db_through(proxy.port());
    let ber = "ber".parse().unwrap();
    for n in 0..3 {
        let directory = Directory::new(through.clone());
        proxy.arm(Rule::new(When::OfRequest, Answer("42601", Nothing)));
        let calls: Vec<_> = (0..4).map(|_| request(&through)).collect();
        let looks = calls.iter().map(|call| directory.home(call, &ber));
        let (found, failed): (Vec<_>, Vec<_>) =
            join_all(looks).await.into_iter().partition(Result::is_ok);
        assert_eq!(found.len(), 3, "{n}: {failed:?}");
        let failed: Vec<_> = failed.into_iter().map(Result::unwrap_err).collect();
        assert!(
            matches!(failed[..], [SystemError::Bug { .. }]),
            "{n}: {failed:?}"
        );
    }
}
