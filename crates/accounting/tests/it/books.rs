//! Random postings, reversals, closings and reopenings, compared with books kept on one page.

use std::collections::{BTreeMap, BTreeSet};

use accounting::reports::TrialBalanceRow;
use kernel::{Clock, Date};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::{ENTRIES, World, close, reopen, reports::trial_balance, reverse};

/// Currencies of exponent 2, 0 and 3.
const OFFICES: [(&str, &str); 3] = [("ber", "EUR"), ("tok", "JPY"), ("kuw", "KWD")];
const ACCOUNTS: [&str; 5] = ["1000", "1100", "3100", "4000", "5900"];
const DATES: [&str; 6] = [
    "2026-01-31",
    "2026-02-01",
    "2026-02-28",
    "2026-03-15",
    "2026-03-31",
    "2026-05-01",
];
const MONTHS: [&str; 4] = ["2026-01", "2026-02", "2026-03", "2026-04"];

#[derive(Debug, Clone)]
enum Step {
    Post {
        office: usize,
        date: usize,
        postings: Vec<(usize, usize, i64)>,
    },
    Reverse {
        entry: usize,
        date: usize,
    },
    Close {
        office: usize,
        month: usize,
    },
    Reopen {
        office: usize,
        month: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let office = 0..OFFICES.len();
    let posting = (0..ACCOUNTS.len(), 1..ACCOUNTS.len(), 1..1_000_000_i64)
        .prop_map(|(debit, distance, amount)| (debit, (debit + distance) % ACCOUNTS.len(), amount));
    let postings = prop::collection::vec(posting, 1..4);
    prop_oneof![
        4 => (office.clone(), 0..DATES.len(), postings)
            .prop_map(|(office, date, postings)| Step::Post { office, date, postings }),
        2 => (0..20_usize, 0..DATES.len()).prop_map(|(entry, date)| Step::Reverse { entry, date }),
        2 => (office.clone(), 0..MONTHS.len()).prop_map(|(office, month)| Step::Close { office, month }),
        1 => (office, 0..MONTHS.len()).prop_map(|(office, month)| Step::Reopen { office, month }),
    ]
}

/// An entry of the model.
struct Entry {
    id: String,
    office: usize,
    postings: Vec<(usize, usize, i64)>,
    reversed: bool,
}

#[derive(Default)]
struct Books {
    entries: Vec<Entry>,
    /// Office, date, account, debit, credit.
    moved: Vec<(usize, usize, usize, i64, i64)>,
    closed: BTreeSet<(usize, usize)>,
}

impl Books {
    fn takes(&self, office: usize, date: usize) -> bool {
        let month = MONTHS
            .iter()
            .position(|month| DATES[date].starts_with(month));
        month.is_none_or(|month| !self.closed.contains(&(office, month)))
    }

    fn post(&mut self, id: &str, office: usize, date: usize, postings: Vec<(usize, usize, i64)>) {
        for (debit, credit, amount) in &postings {
            self.moved.push((office, date, *debit, *amount, 0));
            self.moved.push((office, date, *credit, 0, *amount));
        }
        self.entries.push(Entry {
            id: id.to_owned(),
            office,
            postings,
            reversed: false,
        });
    }

    /// Opening, debit, credit per office and account.
    fn sums(&self, from: &str, to: &str) -> BTreeMap<(String, String), [i64; 3]> {
        let mut sums = BTreeMap::new();
        for (office, date, account, debit, credit) in &self.moved {
            let date = DATES[*date];
            if date > to {
                continue;
            }
            let place = (OFFICES[*office].0.to_owned(), ACCOUNTS[*account].to_owned());
            let sum: &mut [i64; 3] = sums.entry(place).or_default();
            if date < from {
                sum[0] += debit - credit;
            } else {
                sum[1] += debit;
                sum[2] += credit;
            }
        }
        sums.retain(|_, sum| *sum != [0; 3]);
        sums
    }
}

async fn take(app: &TestApp, books: &mut Books, step: &Step) {
    match step {
        Step::Post {
            office,
            date,
            postings,
        } => {
            let lines: Vec<Value> = postings
                .iter()
                .map(|(debit, credit, amount)| {
                    json!({"debit": ACCOUNTS[*debit], "credit": ACCOUNTS[*credit], "amount_minor": amount})
                })
                .collect();
            let (code, currency) = OFFICES[*office];
            let body = json!({"office": code, "currency": currency, "description": "d",
                "effective_date": DATES[*date], "postings": lines});
            let answer = app.post(ENTRIES, body).await;
            if books.takes(*office, *date) {
                assert_eq!(answer.status, 201, "{}", answer.body);
                let id = answer.body["id"].as_str().unwrap_or_default();
                books.post(id, *office, *date, postings.clone());
            } else {
                assert_eq!(answer.problem(), (409, "period_closed"));
            }
        }
        Step::Reverse { entry, date } => undo(app, books, *entry, *date).await,
        Step::Close { office, month } => {
            let answer = close(app, OFFICES[*office].0, MONTHS[*month]).await;
            let expected = if books.closed.insert((*office, *month)) {
                200
            } else {
                409
            };
            assert_eq!(answer.status, expected, "{}", answer.body);
        }
        Step::Reopen { office, month } => {
            let answer = reopen(app, OFFICES[*office].0, MONTHS[*month]).await;
            let expected = if books.closed.remove(&(*office, *month)) {
                200
            } else {
                409
            };
            assert_eq!(answer.status, expected, "{}", answer.body);
        }
    }
}

async fn undo(app: &TestApp, books: &mut Books, entry: usize, date: usize) {
    let Some(found) = books.entries.get(entry) else {
        return;
    };
    let body = json!({"reason": "r", "effective_date": DATES[date]});
    let answer = reverse(app, &found.id, body).await;
    let (office, reversed) = (found.office, found.reversed);
    if reversed {
        assert_eq!(answer.problem(), (409, "already_reversed"));
    } else if books.takes(office, date) {
        assert_eq!(answer.status, 201, "{}", answer.body);
        let swapped = found
            .postings
            .iter()
            .map(|(debit, credit, amount)| (*credit, *debit, *amount));
        let swapped = swapped.collect();
        books.entries[entry].reversed = true;
        books.post(
            answer.body["id"].as_str().unwrap_or_default(),
            office,
            date,
            swapped,
        );
    } else {
        assert_eq!(answer.problem(), (409, "period_closed"));
    }
}

fn sums(rows: &[TrialBalanceRow]) -> BTreeMap<(String, String), [i64; 3]> {
    rows.iter()
        .map(|row| {
            assert_eq!(
                row.closing.get(),
                row.opening.get() + row.debit.get() - row.credit.get()
            );
            let place = (row.office.to_string(), row.account.to_string());
            (
                place,
                [row.opening.get(), row.debit.get(), row.credit.get()],
            )
        })
        .collect()
}

async fn compare(world: &World, books: &Books) {
    let day = |text: &str| text.parse::<Date>().ok();
    for (from, to) in [
        ("0001-01-01", "9999-12-31"),
        ("2026-02-01", "2026-02-28"),
        ("2026-02-28", "2026-03-15"),
        ("2026-03-01", "9999-12-31"),
    ] {
        let expected = books.sums(from, to);
        let rows = trial_balance(world, day(from), day(to), None).await;
        assert_eq!(sums(&rows), expected, "{from} to {to}");
        let zero: i64 = rows.iter().map(|row| row.closing.get()).sum();
        assert_eq!(zero, 0);
        // The stored turnovers of closed months say what the postings say.
        let now = Some(Clock::System.now());
        let rows = trial_balance(world, day(from), day(to), now).await;
        assert_eq!(sums(&rows), expected, "{from} to {to}, from postings alone");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hard_case_24_the_books_are_those_kept_on_one_page(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let app = world.app();
            let mut books = Books::default();
            for step in &steps {
                take(&app, &mut books, step).await;
            }
            compare(&world, &books).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_restores_every_balance_and_a_closing_changes_none() {
    let world = World::new().await;
    let app = world.app();
    let mut books = Books::default();
    let post = |date, postings| Step::Post {
        office: 0,
        date,
        postings,
    };
    take(&app, &mut books, &post(0, vec![(0, 2, 100), (4, 0, 7)])).await;
    let before = trial_balance(&world, None, None, None).await;
    take(&app, &mut books, &post(1, vec![(1, 3, 50), (4, 0, 11)])).await;
    take(&app, &mut books, &Step::Reverse { entry: 1, date: 3 }).await;
    let after = trial_balance(&world, None, None, None).await;
    let closings = |rows: &[TrialBalanceRow]| -> BTreeMap<String, i64> {
        let rows = rows
            .iter()
            .map(|row| (row.account.to_string(), row.closing.get()));
        rows.filter(|(_, closing)| *closing != 0).collect()
    };
    assert_eq!(closings(&before), closings(&after));
    for month in 0..MONTHS.len() {
        take(&app, &mut books, &Step::Close { office: 0, month }).await;
        assert_eq!(trial_balance(&world, None, None, None).await, after);
    }
}
