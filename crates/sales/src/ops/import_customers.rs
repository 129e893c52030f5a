//! Adds many customers in one transaction, each as `create_customer` would.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Common, Intent, Invalid, OfficeCode, OpError, RowRefusal, RowsEnd, id::CustomerId};
use platform_db::{
    DbError, RowsDone, TxError, Txn,
    offices::{self, Office},
};

use super::create_customer::{CreateCustomer, CustomerError, check, created};
use crate::{
    App,
    domain::customer::{Customer, Email},
    storage::customers,
};

/// `commits`: whether to commit, given whether every row can be written.
pub(crate) async fn import_customers(
    app: App,
    rows: Vec<(Intent, Result<CreateCustomer, Invalid>)>,
    commits: impl Fn(bool) -> bool + Send + Sync,
) -> Result<RowsEnd<CustomerError>, OpError<CustomerError>> {
    let (intents, commands): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    app.db
        .write_rows(intents, async move |txn, open| {
            let mut named = BTreeSet::new();
            for (index, _) in open.iter() {
                if let Some(Ok(command)) = commands.get(index) {
                    named.insert(command.office.clone());
                }
            }
            let offices = read_offices(txn, named).await?;
            let mut emails = BTreeSet::new();
            let mut new = Vec::new();
            let mut ends: Vec<Result<Customer, RowRefusal<_>>> = Vec::new();
            for (index, intent) in open.iter() {
                let Some(command) = commands.get(index) else {
                    continue; // there is one per row
                };
                let row = txn.for_row(intent);
                let made = made(&row, &offices, command.clone()).map_err(RowRefusal::Common);
                let made = made.and_then(|customer| {
                    let email = customer.email.as_ref().map(Email::key);
                    let is_free =
                        email.is_none_or(|email| emails.insert((customer.office.clone(), email)));
                    let taken = || RowRefusal::Own(CustomerError::EmailTaken);
                    is_free.then_some(customer).ok_or_else(taken) // a row before it takes the e-mail
                });
                if let Ok(customer) = &made {
                    new.push((customer.clone(), row.write_id()));
                }
                ends.push(made);
            }
            let inserted = customers::insert_new(txn, &new, txn.now()).await?;
            let mut done = Vec::new();
            for ((_, intent), end) in open.iter().zip(ends) {
                done.push(match end {
                    Ok(customer) if inserted.contains(&customer.id.uuid()) => {
                        let row = txn.for_row(intent);
                        let reply = created(&row, &customer);
                        Ok(row.wrote(reply))
                    }
                    Ok(_) => Err(RowRefusal::Own(CustomerError::EmailTaken)),
                    Err(refusal) => Err(refusal),
                });
            }
            let commit = commits(done.iter().all(Result::is_ok));
            Ok::<_, TxError<_>>(RowsDone { rows: done, commit })
        })
        .await
        .inspect(|ended| app.db.wrote_many(ended, TABLES))
}

/// What each customer is written into.
const TABLES: &[&str] = &["sales.customers", "platform.search_entries"];

async fn read_offices(
    txn: &Txn<'_>,
    named: BTreeSet<OfficeCode>,
) -> Result<BTreeMap<OfficeCode, Office>, DbError> {
    let mut found = BTreeMap::new();
    for code in named {
        if let Some(office) = offices::get(txn, &code).await? {
            found.insert(code, office);
        }
    }
    Ok(found)
}

/// The customer that a row makes. The order of checks is that of the single POST.
fn made(
    row: &Txn<'_>,
    offices: &BTreeMap<OfficeCode, Office>,
    command: Result<CreateCustomer, Invalid>,
) -> Result<Customer, Common> {
    let command = command.map_err(Common::Invalid)?;
    let office = check(row, offices.get(&command.office))?;
    let id: CustomerId = row.new_id(&office.home_region);
    Ok(command.into_customer(id, row.now()))
}
