//! Takes many orders in one transaction, each as `create_order` would. What they name is read, and levels are locked,
//! once for all of them, office by office in the order of their codes.

use std::collections::BTreeMap;

use kernel::{Intent, Invalid, OfficeCode, OpError, Reply, RowRefusal, RowsEnd};
use platform_db::{DbError, RowsDone, TxError, Txn, offices::OfficeHome};
use warehouse::stock::{self, Place};

use super::{
    create_order::{CreateOrder, CreateOrderError, office_unknown},
    new_lines::NewLine,
    order_desk::{Asked, OrderDesk},
};
use crate::App;

/// `commits`: whether to commit, given whether every order can be taken.
pub(crate) async fn import_orders(
    app: App,
    rows: Vec<(Intent, Result<CreateOrder, Invalid>)>,
    commits: impl Fn(bool) -> bool + Send + Sync,
) -> Result<RowsEnd<CreateOrderError>, OpError<CreateOrderError>> {
    let levels = hot_names(&rows);
    let (mut intents, commands): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    if let Some(first) = intents.first_mut() {
        first.hot.extend(levels); // the transaction is as hot as all of its rows
    }
    app.db
        .write_rows(intents, async move |txn, open| {
            // Owned, not iterated across an await: a handler's future must be Send for every lifetime.
            let open: Vec<(usize, Intent)> = open
                .iter()
                .map(|(index, intent)| (index, intent.clone()))
                .collect();
            let mut desks = open_all(txn, &open, &commands).await?;
            let mut done = Vec::with_capacity(open.len());
            for (index, intent) in &open {
                let row = txn.for_row(intent);
                let ended = match commands.get(*index) {
                    Some(command) => take(&row, &mut desks, command.clone()).await,
                    None => Err(TxError::Db(DbError::NoRow)),
                };
                done.push(match ended {
                    Ok(reply) => Ok(row.wrote(reply)),
                    Err(TxError::Refused(refusal)) => Err(RowRefusal::Own(refusal)),
                    Err(TxError::Common(common)) => Err(RowRefusal::Common(common)),
                    Err(TxError::Db(error)) => return Err(TxError::Db(error)),
                });
            }
            let commit = commits(done.iter().all(Result::is_ok));
            let desks: Vec<OrderDesk> = desks.into_values().collect();
            for desk in desks {
                desk.save(txn).await?;
            }
            Ok(RowsDone { rows: done, commit })
        })
        .await
        .inspect(|ended| app.db.wrote_many(ended, TABLES))
}

/// What each order is written into; levels and reservations only where it holds stock.
const TABLES: &[&str] = &[
    "sales.orders",
    "sales.order_lines",
    "platform.search_entries",
];

/// The levels of what is to be held at once.
fn hot_names(rows: &[(Intent, Result<CreateOrder, Invalid>)]) -> Vec<String> {
    let mut places: BTreeMap<OfficeHome, Vec<Place>> = BTreeMap::new();
    for (intent, command) in rows {
        if let (Some(home), Ok(command)) = (home(intent), command)
            && command.hold_seconds.is_some()
        {
            let of_office = places.entry(home).or_default();
            of_office.extend(command.lines.iter().map(NewLine::place));
        }
    }
    places
        .into_iter()
        .flat_map(|(home, places)| stock::hot_names(&home, &places))
        .collect()
}

/// Where the office is that a body names, if there is such an office.
fn home(intent: &Intent) -> Option<OfficeHome> {
    Some(OfficeHome {
        region: intent.home.clone(),
        office: intent.office.clone()?,
    })
}

/// The desks of the offices that the open rows name.
async fn open_all(
    txn: &Txn<'_>,
    open: &[(usize, Intent)],
    commands: &[Result<CreateOrder, Invalid>],
) -> Result<BTreeMap<OfficeCode, OrderDesk>, DbError> {
    let mut asked: BTreeMap<OfficeHome, Asked> = BTreeMap::new();
    for (index, intent) in open {
        if let (Some(home), Some(Ok(command))) = (home(intent), commands.get(*index)) {
            let of_office = asked.entry(home).or_default();
            of_office.add(intent, &intent.home, command);
        }
    }
    let mut asked: Vec<(OfficeHome, Asked)> = asked.into_iter().collect();
    asked.sort_by(|(one, _), (other, _)| one.office.cmp(&other.office));
    let mut desks = BTreeMap::new();
    for (home, asked) in asked {
        let desk = OrderDesk::open(txn, &home, asked).await?;
        desks.insert(home.office, desk);
    }
    Ok(desks)
}

async fn take(
    row: &Txn<'_>,
    desks: &mut BTreeMap<OfficeCode, OrderDesk>,
    command: Result<CreateOrder, Invalid>,
) -> Result<Reply, TxError<CreateOrderError>> {
    let command = command?;
    let office = row.intent().office.as_ref().ok_or_else(office_unknown)?;
    let desk = desks.get_mut(office).ok_or(DbError::NoRow)?;
    desk.take(row, command).await
}
