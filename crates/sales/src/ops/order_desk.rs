//! An office while it takes orders, inside one transaction: one order or many.
//!
//! ```text
//! let mut desk = OrderDesk::open(txn, &home, asked).await?;  // levels locked once, then what the orders name is read once
//! let reply = desk.take(&row, command).await?;               // each order for itself: a refusal leaves the others
//! desk.save(txn).await?;                                     // a handful of statements, however many were taken
//! ```

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use kernel::{Intent, RegionTag, Reply, id::OrderLineId};
use platform_db::{
    DbError, TxError, Txn,
    offices::{self, Office, OfficeHome},
};
use uuid::Uuid;
use warehouse::stock::{OrderStock, Place};

use super::{
    create_order::{CreateOrder, CreateOrderError, check_open, draft},
    new_lines::{Facts, Numbered, hold, numbered, places, save},
    order::Written,
};
use crate::{
    domain::{customer::Customer, order::Order},
    storage::{customers, orders},
};

/// What the orders name that an office is asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    customers: BTreeSet<Uuid>,
    lines: Vec<Numbered>,
    /// Lines whose goods are to be held at once.
    held: Vec<(OrderLineId, Place)>,
}

impl Asked {
    /// Adds what the order of one write names.
    pub(crate) fn add(&mut self, intent: &Intent, home: &RegionTag, command: &CreateOrder) {
        let lines = numbered(intent, home, &command.lines);
        if command.hold_seconds.is_some() {
            self.held.extend(places(&lines));
        }
        self.customers.insert(command.customer.uuid());
        self.lines.extend(lines);
    }
}

/// An office, and what decides about its new orders.
#[derive(Debug)]
pub(crate) struct OrderDesk {
    office: Office,
    customers: BTreeMap<Uuid, Customer>,
    facts: Facts,
    stock: Option<OrderStock>,
    taken: Vec<Order>,
}

impl OrderDesk {
    /// Locks the levels of what is to be held, and reads what the orders name.
    pub(crate) async fn open(
        txn: &Txn<'_>,
        home: &OfficeHome,
        asked: Asked,
    ) -> Result<Self, DbError> {
        let ids: Vec<Uuid> = asked.customers.into_iter().collect();
        // An office's customers live where it does.
        let (office, customers) = try_join!(
            offices::get(txn, &home.office),
            customers::find(txn, &home.region, &ids),
        )?;
        let office = office.ok_or(DbError::NoRow)?;
        // Locked before anything is read at the transaction's time, which is later than what is locked.
        let stock = if asked.held.is_empty() {
            None
        } else {
            Some(OrderStock::lock(txn, &office, &asked.held).await?)
        };
        Ok(Self {
            facts: Facts::read(txn, &office, &asked.lines).await?,
            customers: customers
                .into_iter()
                .map(|customer| (customer.id.uuid(), customer))
                .collect(),
            office,
            stock,
            taken: Vec::new(),
        })
    }

    /// Takes one order of those that were asked for, or says why not.
    pub(crate) async fn take(
        &mut self,
        row: &Txn<'_>,
        command: CreateOrder,
    ) -> Result<Reply, TxError<CreateOrderError>> {
        check_open(&self.office)?;
        let lines = numbered(row.intent(), &self.office.home_region, &command.lines);
        let customer = self.customers.get(&command.customer.uuid());
        let order = draft(
            row,
            (&self.office, customer),
            (&self.facts, &lines),
            command,
        )?;
        if order.hold_seconds.is_some()
            && let Some(stock) = &mut self.stock
        {
            let until = order.held_until(row.now());
            hold::<CreateOrderError>(row, stock, &order.lines, until).await?;
            stock.settle(row);
        }
        let written = Written {
            before: None,
            after: &order,
            kind: "sales.order.created",
            reason: None,
        };
        let reply = written.leave(row, 201);
        self.taken.push(order);
        Ok(reply)
    }

    /// Writes the orders that were taken, and what is held for them.
    pub(crate) async fn save(self, txn: &Txn<'_>) -> Result<(), DbError> {
        try_join!(orders::insert(txn, &self.taken), save(txn, self.stock)).map(drop)
    }
}
