//! Whether stock and books agree, with themselves and with each other.

use accounting::{
    ledger::chart,
    reports::{AccountBalance, UnsoundPostings},
};
use futures_util::try_join;
use kernel::{AccountCode, Call, CurrencyCode, ReadWant, RegionTag, SystemError};
use platform_db::{
    Db, DbError, ReadOver, Session,
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
    let over = ReadOver::new("check_integrity", want, None, offices);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| check(session, offices).await,
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

async fn check(session: &Session, homes: &[OfficeHome]) -> Result<Vec<Invariant>, DbError> {
    let currencies = offices::currencies(session, homes).await?;
    let kept: Vec<(OfficeHome, CurrencyCode)> = homes
        .iter()
        .filter_map(|home| Some((home.clone(), currencies.get(&home.office)?.clone())))
        .collect();
    let (inventory, in_transit) = (chart::inventory(), chart::in_transit());
    let (postings, values, booked, at_sea, levels) = try_join!(
        accounting::reports::check_postings(session, &kept),
        warehouse::reports::values_by_office(session, homes, None),
        accounting::reports::balance_of(session, homes, &inventory, None),
        accounting::reports::balance_of(session, homes, &in_transit, None),
        warehouse::reports::check_levels(session, homes),
    )?;
    let mut stock = differences(&inventory, values, booked);
    // Nothing is on its way between locations yet.
    stock.extend(differences(&in_transit, Vec::new(), at_sea));
    Ok(vec![
        of_postings(postings),
        invariant("I2", stock.len(), stock),
        of_levels(levels),
    ])
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

fn of_postings(unsound: UnsoundPostings) -> Invariant {
    let offenders = unsound.first.into_iter().map(|posting| Offender {
        entry: Some(posting.entry),
        posting: Some(posting.posting),
        what: posting.fault,
        ..Offender::default()
    });
    invariant("I1", unsound.count, offenders.collect())
}

fn of_levels(unsound: UnsoundLevels) -> Invariant {
    let offenders = unsound.first.into_iter().map(|level| Offender {
        office: Some(level.office),
        level: Some(level.level),
        what: level.what.to_owned(),
        expected: Some(Figure(level.expected)),
        found: Some(Figure(level.found)),
        ..Offender::default()
    });
    invariant("I3", unsound.count, offenders.collect())
}

fn invariant(
    code: &'static str,
    violations: impl TryInto<i64>,
    mut offenders: Vec<Offender>,
) -> Invariant {
    let violations = violations.try_into().unwrap_or(i64::MAX);
    offenders.truncate(OFFENDERS_MAX);
    Invariant {
        code,
        status: if violations == 0 {
            InvariantStatus::Pass
        } else {
            InvariantStatus::Fail
        },
        violations,
        offenders,
    }
}
