//! What every write of an order has in common.
//!
//! ```text
//! intent.hot = found.hot_names();                        // the order's name, then its levels'
//! let before = lock_order(txn, found, &id).await?;       // 404, 403; locked before its levels
//! let after = before.…(now)?;                            // a pure step
//! orders::update(txn, &after).await?;
//! Ok(Written { before: Some(&before), after: &after, … }.leave(txn, 200))  // event, audit, answer
//! ```

use kernel::{
    Call, Common, OfficeCode, ReadWant, RegionTag, Reply, SystemError,
    id::{OrderId, OrderLineId},
};
use platform_db::{
    DbError, Event, SearchEntry, TxError, Txn,
    offices::{self, Office, OfficeHome},
};
use serde_json::Value;
use warehouse::stock::{self, Place};

use super::read_orders::find;
use crate::{
    App,
    domain::order::Order,
    storage::orders,
    views::{json, order::OrderView},
};

/// Where an order is, which never changes, and where its goods are, which changes with its lines.
#[derive(Debug, Clone)]
pub(crate) struct Whereabouts {
    pub(crate) home: OfficeHome,
    pub(crate) places: Vec<Place>,
}

impl Whereabouts {
    /// The names of the order and of its levels among the hot rows of a write (hard case 7).
    pub(crate) fn hot_names(&self, id: &OrderId) -> Vec<String> {
        let levels = stock::hot_names(&self.home, &self.places);
        std::iter::once(hot_name(id)).chain(levels).collect()
    }
}

/// The name of an order among the hot rows of a write: all of one that touches no level.
pub(crate) fn hot_name(id: &OrderId) -> String {
    format!("order {id}")
}

/// Where the order is, `None` if there is no such order: read ahead, to know whose write it is.
pub(crate) async fn find_whereabouts(
    app: &App,
    call: &Call,
    id: &OrderId,
) -> Result<Option<Whereabouts>, SystemError> {
    let found = find(app, call, ("find_order", ReadWant::default()), id.clone()).await?;
    Ok(found.map(|order| Whereabouts {
        places: places(&order).into_iter().map(|(_, place)| place).collect(),
        home: OfficeHome {
            region: order.id.region().clone(),
            office: order.office,
        },
    }))
}

/// Where the goods of an order's lines are, as [`stock::OrderStock`] wants it.
pub(crate) fn places(order: &Order) -> Vec<(OrderLineId, Place)> {
    let lines = order.lines.iter();
    lines
        .map(|line| {
            let place = Place {
                location: line.location.clone(),
                item: line.item.clone(),
            };
            (line.id.clone(), place)
        })
        .collect()
}

/// Where the keys of a write to the order live, and the office written to. One that does not exist is looked for where
/// its id says.
pub(crate) fn belongs_to(
    app: &App,
    id: &OrderId,
    found: Option<&Whereabouts>,
) -> (RegionTag, Option<OfficeCode>) {
    match found {
        Some(found) => (found.home.region.clone(), Some(found.home.office.clone())),
        None => (app.hinted(id), None),
    }
}

/// The order, locked with its lines until the transaction ends, its last change observed: of an office that the token
/// reaches.
pub(crate) async fn lock_order<E>(
    txn: &Txn<'_>,
    found: Option<&Whereabouts>,
    id: &OrderId,
) -> Result<Order, TxError<E>> {
    let missing = || {
        TxError::Common(Common::NotFound {
            what: format!("order {id}"),
        })
    };
    let home = &found.ok_or_else(missing)?.home;
    if !txn.intent().principal.offices.allow(&home.office) {
        let office = home.office.clone();
        return Err(TxError::Common(Common::OfficeForbidden { office }));
    }
    let id = OrderId::new(home.region.clone(), id.uuid());
    let order = orders::lock(txn, &id).await.map_err(TxError::Db)?;
    let order = order.ok_or_else(missing)?;
    txn.observe(order.updated_at);
    Ok(order)
}

/// The order's office, as this transaction sees it.
pub(crate) async fn office_of(txn: &Txn<'_>, order: &Order) -> Result<Office, DbError> {
    offices::get(txn, &order.office)
        .await?
        .ok_or(DbError::NoRow)
}

/// A write of an order that was decided and stored.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    /// Nothing where it was made.
    pub(crate) before: Option<&'a Order>,
    pub(crate) after: &'a Order,
    /// The type of its event.
    pub(crate) kind: &'static str,
    /// Why, where somebody said so: for event and audit row.
    pub(crate) reason: Option<&'a str>,
}

impl Written<'_> {
    /// What it leaves behind, and its answer.
    pub(crate) fn leave(&self, txn: &Txn<'_>, status: u16) -> Reply {
        let now = txn.now();
        let view = OrderView::at(self.after, now);
        let mut data = json(&view);
        if let (Some(reason), Value::Object(members)) = (self.reason, &mut data) {
            members.insert("reason".into(), reason.into());
        }
        txn.emit(Event {
            kind: self.kind,
            subject: self.after.id.to_string(),
            office: Some(self.after.office.clone()),
            resource_version: self.after.version,
            data: data.clone(),
        });
        if self
            .before
            .is_none_or(|before| before.reference != self.after.reference)
        {
            txn.index(search_entry(self.after));
        }
        let before = self.before.map(|before| json(&OrderView::at(before, now)));
        txn.audit(before, Some(data));
        view.reply(status)
    }
}

/// What search knows an order by: what the customer calls it, else its id.
pub(crate) fn search_entry(order: &Order) -> SearchEntry {
    SearchEntry {
        kind: "order",
        id: order.id.to_string(),
        office: Some(order.office.clone()),
        title: order
            .reference
            .clone()
            .unwrap_or_else(|| order.id.to_string()),
        exact: order.reference.iter().cloned().collect(),
    }
}
