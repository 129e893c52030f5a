//! The stock valuation.

use std::collections::BTreeMap;

use accounting::{ledger::chart, reports::AccountBalance};
use futures_util::try_join;
use kernel::{
    AmountMinor, Call, CurrencyCode, OfficeCode, OpError, ReadWant, RegionTag, money::OutOfRange,
};
use platform_db::{AsOf, Db, Read, ReadOver, Session, offices::OfficeHome};
use warehouse::reports::{OfficeValue, Valued};

use super::reports::ReportError;
use crate::views::reports::{OfficeStockValue, StockValuation, StockValue};

/// What the stock of the offices is worth, by its levels and by the books, at one moment.
pub(crate) async fn get_stock_valuation(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
    as_of: Option<AsOf>,
) -> Result<StockValuation, OpError<ReportError>> {
    let over = ReadOver::new("get_stock_valuation", want, None, offices);
    let at = as_of.map(|as_of| as_of.at);
    let inventory = chart::inventory();
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                try_join!(
                    warehouse::reports::valuation(session, offices, at),
                    warehouse::reports::values_by_office(session, offices, at),
                    accounting::reports::balance_of(session, offices, &inventory, at),
                )
            },
        )
        .await?;
    let report = report(read, as_of.map(|as_of| as_of.is_final));
    report.map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))
}

fn report(
    read: Read<(Vec<Valued>, Vec<OfficeValue>, Vec<AccountBalance>)>,
    is_final: Option<bool>,
) -> Result<StockValuation, OutOfRange> {
    let (levels, values, balances) = read.value;
    let data = levels.into_iter().map(StockValue::from).collect();
    let offices = beside(values, balances).into_iter();
    let offices = offices.map(|((office, currency), (value, balance))| {
        Ok(OfficeStockValue {
            office,
            currency,
            value_minor: AmountMinor::from_wide(value)?,
            account_1300_minor: AmountMinor::from_wide(balance)?,
        })
    });
    Ok(StockValuation {
        data,
        offices: offices.collect::<Result<_, _>>()?,
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
        is_final,
    })
}

/// What the stock of each office is worth, and the balance that should say so; nothing where either is missing.
pub(super) fn beside(
    values: Vec<OfficeValue>,
    balances: Vec<AccountBalance>,
) -> BTreeMap<(OfficeCode, CurrencyCode), (i128, i128)> {
    let mut pairs = BTreeMap::<_, (i128, i128)>::new();
    for value in values {
        let pair = pairs.entry((value.office, value.currency)).or_default();
        pair.0 += value.value_minor;
    }
    for balance in balances {
        let pair = pairs.entry((balance.office, balance.currency)).or_default();
        pair.1 += balance.balance_minor;
    }
    pairs
}
