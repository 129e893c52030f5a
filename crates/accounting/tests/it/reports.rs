//! What reports say of the books.

use accounting::reports::{self, TrialBalanceRow};
use kernel::{Clock, CurrencyCode, Date, RegionTag, Timestamp};
use platform_db::{ReadOver, Session, offices::OfficeHome};
use serde_json::json;
use testkit::{call, strong};

use crate::{World, close, entry, id, posted};

/// Every office of the world with its home and its currency.
pub(crate) fn offices() -> Vec<(OfficeHome, CurrencyCode)> {
    fn of<T: std::str::FromStr>(text: &str) -> T {
        let parsed = text.parse();
        parsed.unwrap_or_else(|_| panic!("{text}"))
    }
    [
        ("ap1", "tok", "JPY"),
        ("eu1", "ber", "EUR"),
        ("eu1", "kuw", "KWD"),
        ("us1", "nyc", "USD"),
    ]
    .map(|(region, office, currency)| {
        let home = OfficeHome {
            region: of::<RegionTag>(region),
            office: of(office),
        };
        (home, of(currency))
    })
    .to_vec()
}

/// The trial balance of every office.
pub(crate) async fn trial_balance(
    world: &World,
    from: Option<Date>,
    to: Option<Date>,
    as_of: Option<Timestamp>,
) -> Vec<TrialBalanceRow> {
    let homes: Vec<OfficeHome> = offices().into_iter().map(|(home, _)| home).collect();
    let over = ReadOver::new("trial_balance", strong(), None, homes);
    let read = world.db.db();
    let read = read
        .read_snapshot_over(
            &call("eu1"),
            over,
            async move |session: &Session, homes: &[OfficeHome]| {
                reports::trial_balance(session, homes, from, to, as_of).await
            },
        )
        .await;
    let read = read.unwrap_or_else(|error| panic!("{error:?}"));
    read.value.rows().unwrap_or_else(|error| panic!("{error}"))
}

fn shown(rows: &[TrialBalanceRow]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            format!(
                "{} {} {} {} {} {} {}",
                row.office,
                row.currency,
                row.account,
                row.opening.get(),
                row.debit.get(),
                row.credit.get(),
                row.closing.get()
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_balance_has_opening_turnover_and_closing_per_office_and_account() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("1000", "3100", 100, "2026-01-31")).await;
    posted(&app, entry("5900", "1000", 30, "2026-02-10")).await;
    let mut yen = entry("1000", "3100", 7, "2026-02-10");
    yen["office"] = json!("tok");
    yen["currency"] = json!("JPY");
    posted(&app, yen).await;
    let february = || {
        let day = |text: &str| Some(text.parse().unwrap());
        (day("2026-02-01"), day("2026-02-28"))
    };
    let expected = [
        "ber EUR 1000 100 0 30 70",
        "ber EUR 3100 -100 0 0 -100",
        "ber EUR 5900 0 30 0 30",
        "tok JPY 1000 0 7 0 7",
        "tok JPY 3100 0 0 7 -7",
    ];
    for month in ["", "2026-01", "2026-02"] {
        if !month.is_empty() {
            assert_eq!(close(&app, "ber", month).await.status, 200);
        }
        let (from, to) = february();
        assert_eq!(
            shown(&trial_balance(&world, from, to, None).await),
            expected
        );
        let now = Some(Clock::System.now());
        assert_eq!(shown(&trial_balance(&world, from, to, now).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_balance_of_an_account_is_given_per_office() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("1000", "3100", 100, "2026-01-31")).await;
    close(&app, "ber", "2026-01").await;
    posted(&app, entry("5900", "1000", 30, "2026-02-10")).await;
    for as_of in [None, Some(Clock::System.now())] {
        let homes: Vec<OfficeHome> = offices().into_iter().map(|(home, _)| home).collect();
        let over = ReadOver::new("balance", strong(), None, homes);
        let (db, call) = (world.db.db(), call("eu1"));
        let read = db.read_over(
            &call,
            over,
            async move |session: &Session, homes: &[OfficeHome]| {
                reports::balance_of(session, homes, &"1000".parse().unwrap(), as_of).await
            },
        );
        let found = read.await.unwrap().value;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].office.as_str(), found[0].balance_minor),
            ("ber", 70)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postings_that_break_the_first_invariant_are_found() {
    let world = World::new().await;
    let app = world.app();
    let check = async || {
        let offices = offices();
        let homes: Vec<OfficeHome> = offices.iter().map(|(home, _)| home.clone()).collect();
        let over = ReadOver::new("integrity", strong(), None, homes);
        let (db, call) = (world.db.db(), call("eu1"));
        let read = db.read_over(
            &call,
            over,
            async move |session: &Session, _: &[OfficeHome]| {
                reports::check_postings(session, &offices).await
            },
        );
        read.await.unwrap().value
    };
    let mut made = Vec::new();
    for amount in 1..=5 {
        made.push(posted(&app, entry("1000", "3100", amount, "2026-01-31")).await);
    }
    let sound = check().await;
    assert_eq!((sound.count, sound.first.len()), (0, 0));
    close(&app, "kuw", "2026-01").await; // so that there is such a month
    // What the database itself forbids, after somebody took its rules away.
    for check in ["postings_accounts_check", "postings_amount_check"] {
        world.db.lift_check("accounting.postings", check).await;
    }
    world
        .db
        .query(
            "UPDATE accounting.postings SET credit = debit WHERE amount_minor = 1; \
             UPDATE accounting.postings SET amount_minor = 0 WHERE amount_minor = 2; \
             UPDATE accounting.postings SET currency = 'USD' WHERE amount_minor = 3; \
             UPDATE accounting.postings SET office = 'kuw' WHERE amount_minor = 4",
        )
        .await;
    let unsound = check().await;
    assert_eq!(unsound.count, 4);
    let mut faults: Vec<_> = unsound
        .first
        .iter()
        .map(|found| {
            let entry = made
                .iter()
                .position(|made| id(made) == found.entry.to_string());
            (entry.unwrap(), found.fault.as_str())
        })
        .collect();
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            (0, "accounts"),
            (1, "amount"),
            (2, "currency"),
            (3, "office")
        ]
    );
    world
        .db
        .query("UPDATE accounting.postings SET amount_minor = 0")
        .await;
    assert_eq!(check().await.count, 5);
}
