//! Whether orders, stock and books agree, with themselves and with each other.

mod orders;

use accounting::{
    ledger::chart,
    reports::{AccountBalance, UnsoundPostings},
};
use futures_util::try_join;
use kernel::{AccountCode, Call, CurrencyCode, ReadWant, RegionTag, SystemError, Timestamp};
use platform_db::{
    Db, DbError, ReadOver, Session,
    effects::{self, UnsoundWrites},
    offices::{self, OfficeHome},
};
use warehouse::reports::{OfficeValue, UnsoundLevels};

use super::stock_valuation::beside;
use crate::views::reports::{Figure, Integrity, Invariant, InvariantStatus, Offender};

/// Offenders that are named.
const OFFENDERS_MAX: usize = 10;

/// Checks every invariant at one moment.
pub(crate) async fn check_integrity(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
) -> Result<Integrity, SystemError> {
    let (now, reader, all) = (call.received_at(), db.clone(), offices.len());
    let over = ReadOver::new("check_integrity", want, None, offices);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                // Without some of them it must not look at rows of theirs, which do not answer.
                if offices.len() == all {
                    reader.read_nearly_all(session).await?;
                }
                check(session, offices, now).await
            },
        )
        .await?;
    let mut invariants = read.value;
    if !read.unreachable.is_empty() {
        for invariant in &mut invariants {
            if invariant.status == InvariantStatus::Pass {
                invariant.status = InvariantStatus::Unknown; // of the rest nobody knows
            }
        }
    }
    Ok(Integrity {
        invariants,
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
    })
}

async fn check(
    session: &Session,
    homes: &[OfficeHome],
    now: Timestamp,
) -> Result<Vec<Invariant>, DbError> {
    let currencies = offices::currencies(session, homes).await?;
    let kept: Vec<(OfficeHome, CurrencyCode)> = homes
        .iter()
        .filter_map(|home| Some((home.clone(), currencies.get(&home.office)?.clone())))
        .collect();
    let (postings, levels) = try_join!(
        accounting::reports::check_postings(session, &kept),
        warehouse::reports::check_levels(session, homes),
    )?;
    Ok(vec![
        of_postings(postings).invariant("I1"),
        check_values(session, homes).await?.invariant("I2"),
        of_levels(levels).invariant("I3"),
        check_orders(session, homes).await?.invariant("I4"),
        check_books(session, homes).await?.invariant("I5"),
        check_writes(session, homes, now).await?.invariant("I6"),
        // Offices owe each other for transfers alone, and there are none yet.
        Broken::default().invariant("I7"),
    ])
}

async fn check_values(session: &Session, homes: &[OfficeHome]) -> Result<Broken, DbError> {
    let (inventory, in_transit) = (chart::inventory(), chart::in_transit());
    let (values, booked, at_sea) = try_join!(
        warehouse::reports::values_by_office(session, homes, None),
        accounting::reports::balance_of(session, homes, &inventory, None),
        accounting::reports::balance_of(session, homes, &in_transit, None),
    )?;
    let mut stock = differences(&inventory, values, booked);
    // Nothing is on its way between locations yet.
    stock.extend(differences(&in_transit, Vec::new(), at_sea));
    let mut broken = Broken::default();
    broken.add(i64::try_from(stock.len()).unwrap_or(i64::MAX), stock);
    Ok(broken)
}

async fn check_orders(session: &Session, homes: &[OfficeHome]) -> Result<Broken, DbError> {
    let (orders, lines, open, held) = try_join!(
        sales::reports::check_orders(session, homes),
        sales::reports::check_lines(session, homes),
        sales::reports::open_lines(session, homes),
        warehouse::reports::held_for_lines(session, homes),
    )?;
    Ok(orders::of_orders([orders, lines], open, held))
}

async fn check_books(session: &Session, homes: &[OfficeHome]) -> Result<Broken, DbError> {
    let (receivables, deposits) = (chart::receivables(), chart::customer_deposits());
    let accounts = [&receivables, &deposits];
    let (orders, books) = try_join!(
        sales::reports::balances(session, homes),
        accounting::reports::balances_by_subject(session, homes, orders::ORDER, accounts),
    )?;
    Ok(orders::of_books(orders, books))
}

async fn check_writes(
    session: &Session,
    homes: &[OfficeHome],
    now: Timestamp,
) -> Result<Broken, DbError> {
    let limit = i64::try_from(OFFENDERS_MAX).unwrap_or(i64::MAX);
    let (keys, events) = try_join!(
        effects::check_keys(session, homes, limit),
        effects::check_events(session, homes, (now, limit)),
    )?;
    let mut broken = Broken::default();
    for (what, unsound) in [("effects", keys), ("events", events)] {
        of_writes(&mut broken, what, unsound);
    }
    Ok(broken)
}

/// Offices whose account holds another amount than what it stands for.
fn differences(
    account: &AccountCode,
    values: Vec<OfficeValue>,
    balances: Vec<AccountBalance>,
) -> Vec<Offender> {
    let pairs = beside(values, balances).into_iter();
    pairs
        .filter(|(_, (value, balance))| value != balance)
        .map(|((office, currency), (value, balance))| Offender {
            office: Some(office),
            account: Some(account.clone()),
            currency: Some(currency),
            what: "balance".into(),
            expected: Some(Figure(value)),
            found: Some(Figure(balance)),
            ..Offender::default()
        })
        .collect()
}

fn of_postings(unsound: UnsoundPostings) -> Broken {
    let offenders = unsound.first.into_iter().map(|posting| Offender {
        entry: Some(posting.entry),
        posting: Some(posting.posting),
        what: posting.fault,
        ..Offender::default()
    });
    let mut broken = Broken::default();
    broken.add(unsound.count, offenders);
    broken
}

fn of_levels(unsound: UnsoundLevels) -> Broken {
    let offenders = unsound.first.into_iter().map(|level| Offender {
        office: Some(level.office),
        level: Some(level.level),
        what: level.what.to_owned(),
        expected: Some(Figure(level.expected)),
        found: Some(Figure(level.found)),
        ..Offender::default()
    });
    let mut broken = Broken::default();
    broken.add(unsound.count, offenders);
    broken
}

fn of_writes(broken: &mut Broken, what: &str, unsound: UnsoundWrites) {
    let offenders = unsound.first.into_iter().map(|write| Offender {
        request_id: Some(write.request_id),
        what: what.to_owned(),
        expected: Some(Figure(write.expected.into())),
        found: Some(Figure(write.found.into())),
        ..Offender::default()
    });
    broken.add(unsound.count, offenders);
}

/// How often an invariant is broken, and where first.
#[derive(Debug, Default)]
struct Broken {
    count: i64,
    /// No more than are named.
    first: Vec<Offender>,
}

impl Broken {
    fn add(&mut self, count: i64, offenders: impl IntoIterator<Item = Offender>) {
        self.count = self.count.saturating_add(count);
        let room = OFFENDERS_MAX.saturating_sub(self.first.len());
        self.first.extend(offenders.into_iter().take(room));
    }

    fn invariant(self, code: &'static str) -> Invariant {
        Invariant {
            code,
            status: if self.count == 0 {
                InvariantStatus::Pass
            } else {
                InvariantStatus::Fail
            },
            violations: self.count,
            offenders: self.first,
        }
    }
}
