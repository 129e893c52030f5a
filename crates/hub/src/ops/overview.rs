//! How an office stands, in all three systems.

use std::sync::Arc;

use accounting::{ledger::chart, reports::AccountBalance};
use futures_util::try_join;
use kernel::{AmountMinor, Call, Common, Date, OpError, ReadWant, money::OutOfRange};
use platform_db::{
    Db, DbError, ReadSpec, Session,
    offices::{self, Office, OfficeHome},
};
use warehouse::reports::OfficeValue;

use super::reports::ReportError;
use crate::views::sales_reports::Overview;

/// Sums as read, exact however large.
struct Sums {
    office: Office,
    open_orders: i64,
    revenue_today: i128,
    cash: i128,
    receivables: i128,
    stock_value: i128,
}

/// Shows what an office has, is owed, has sold today and has still to ship: of one moment.
pub(crate) async fn get_office_overview(
    db: &Db,
    call: &Call,
    want: ReadWant,
    home: OfficeHome,
) -> Result<Overview, OpError<ReportError>> {
    let spec = ReadSpec {
        operation: "get_office_overview",
        want,
        home: home.region.clone(),
        snapshot: None,
    };
    let (now, what) = (call.received_at(), format!("office {}", home.office));
    let read = db
        .read_snapshot(call, spec, async move |session: &Session| {
            let Some(office) = offices::get(session, &home.office).await? else {
                return Ok(None);
            };
            let today = now.date_in(&office.time_zone);
            let today = today.ok_or_else(|| unknown_zone(&office.time_zone))?;
            sum(session, &home, office, today).await.map(Some)
        })
        .await?;
    let sums = read.value.ok_or(Common::NotFound { what })?;
    overview(sums).map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))
}

async fn sum(
    session: &Session,
    home: &OfficeHome,
    office: Office,
    today: Date,
) -> Result<Sums, DbError> {
    let homes = std::slice::from_ref(home);
    let (bank, receivables) = (chart::bank(), chart::receivables());
    let sold = [chart::revenue(), chart::returns()];
    let (open_orders, revenue, cash, receivables, values) = try_join!(
        sales::reports::open_orders(session, home),
        accounting::reports::moved_on(session, home, &sold, today),
        accounting::reports::balance_of(session, homes, &bank, None),
        accounting::reports::balance_of(session, homes, &receivables, None),
        warehouse::reports::values_by_office(session, homes, None),
    )?;
    Ok(Sums {
        office,
        open_orders,
        // Both are debit-positive: what was sold is credited, what came back debited.
        revenue_today: -revenue.values().sum::<i128>(),
        cash: total(&cash),
        receivables: total(&receivables),
        stock_value: values.iter().map(value).sum(),
    })
}

fn overview(sums: Sums) -> Result<Overview, OutOfRange> {
    Ok(Overview {
        office: sums.office.code,
        currency: sums.office.currency,
        open_orders: sums.open_orders,
        revenue_today_minor: AmountMinor::from_wide(sums.revenue_today)?,
        cash_minor: AmountMinor::from_wide(sums.cash)?,
        receivables_minor: AmountMinor::from_wide(sums.receivables)?,
        stock_value_minor: AmountMinor::from_wide(sums.stock_value)?,
    })
}

/// An office has one currency.
fn total(balances: &[AccountBalance]) -> i128 {
    balances.iter().map(|balance| balance.balance_minor).sum()
}

fn value(of: &OfficeValue) -> i128 {
    of.value_minor
}

fn unknown_zone(zone: &str) -> DbError {
    DbError::Decode {
        column: "time_zone".into(),
        source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(format!(
            "{zone} is not a time zone"
        ))),
    }
}
