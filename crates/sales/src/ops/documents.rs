//! What payments, shipments and returns have in common: each changes its order, and posts to the books about it.

use accounting::ledger::{Books, NewEntry, NewPosting, PostError, Source, Subject};
use kernel::{
    AccountCode, AmountMinor, Invalid,
    id::{EntryId, OrderLineId},
};
use platform_db::{DbError, Event, Txn};
use serde_json::Value;
use warehouse::stock::Place;

use super::order::places;
use crate::{
    domain::{
        delivery::Units,
        order::{LineWorth, Order},
    },
    views::{json, order::OrderView},
};

/// That the lines which a body names are the order's.
pub(super) fn check_lines<'a>(
    order: &Order,
    named: impl Iterator<Item = &'a OrderLineId>,
) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    for (index, line) in named.enumerate() {
        if order.line(line).is_none() {
            let pointer = format!("/lines/{index}/line");
            let unknown = Invalid::one(&pointer, "line_unknown", "is no line of the order");
            invalid.errors.extend(unknown.errors);
        }
    }
    if invalid.errors.is_empty() {
        Ok(())
    } else {
        Err(invalid)
    }
}

/// Where the goods of these lines are.
pub(super) fn places_of(order: &Order, lines: &[&OrderLineId]) -> Vec<(OrderLineId, Place)> {
    let mut places = places(order);
    places.retain(|(line, _)| lines.contains(&line));
    places
}

/// What some units of a line come to, as stored.
pub(super) fn units_of(order: &Order, worth: &LineWorth) -> Result<Units, DbError> {
    let line = order.line(&worth.line).ok_or(DbError::NoRow)?;
    Ok(Units {
        line: line.id.clone(),
        item: line.item.clone(),
        sku: line.sku.clone(),
        quantity: worth.quantity,
        worth: worth.worth,
        cost: worth.cost,
    })
}

/// Debits one account and credits another.
pub(super) fn posting(debit: AccountCode, credit: AccountCode, amount: AmountMinor) -> NewPosting {
    NewPosting {
        debit,
        credit,
        amount,
        memo: None,
    }
}

/// An entry about the order, made by a rule of a document: `kind` and id.
pub(super) fn entry(
    order: &Order,
    (kind, id): (&str, String),
    rule: &str,
    postings: Vec<NewPosting>,
) -> NewEntry {
    NewEntry {
        description: format!("Order {}: {rule}", order.id),
        subject: Some(Subject {
            kind: "order".into(),
            id: order.id.to_string(),
        }),
        source: Source {
            kind: kind.into(),
            id,
            rule: rule.into(),
        },
        postings,
    }
}

/// What a shipment or return posted.
pub(super) struct Posted {
    /// The entry that takes goods off the books or brings them onto them, if they were worth anything.
    pub(super) of_goods: Option<EntryId>,
    pub(super) entries: Vec<EntryId>,
    /// What the goods had cost.
    pub(super) cost: AmountMinor,
}

/// An entry about the order for each rule of a document that moves anything. The first rule is that of the goods.
pub(super) fn post_rules<const N: usize>(
    txn: &Txn<'_>,
    books: &mut Books,
    (order, kind, id): (&Order, &str, String),
    (cost, rules): (AmountMinor, [(&str, Vec<NewPosting>); N]),
) -> Result<Posted, PostError> {
    let mut posted = Posted {
        of_goods: None,
        entries: Vec::new(),
        cost,
    };
    for (index, (rule, postings)) in rules.into_iter().enumerate() {
        let entry = entry(order, (kind, id.clone()), rule, postings);
        let Some(entry) = books.post(txn, entry)? else {
            continue;
        };
        if index == 0 {
            posted.of_goods = Some(entry.id().clone());
        }
        posted.entries.push(entry.id().clone());
    }
    Ok(posted)
}

/// Says what became of the order, with the document that made it so.
pub(super) fn emit_order(
    txn: &Txn<'_>,
    kind: &'static str,
    order: &Order,
    document: Option<(&str, &Value)>,
) {
    txn.emit(Event {
        kind,
        subject: order.id.to_string(),
        office: Some(order.office.clone()),
        resource_version: order.version,
        data: shown(txn, order, document),
    });
}

/// Records what the order was, and what it is, with the document that made it so.
pub(super) fn audit_order(
    txn: &Txn<'_>,
    (before, after): (&Order, &Order),
    document: (&str, &Value),
) {
    let before = shown(txn, before, None);
    txn.audit(Some(before), Some(shown(txn, after, Some(document))));
}

fn shown(txn: &Txn<'_>, order: &Order, document: Option<(&str, &Value)>) -> Value {
    let mut shown = json(&OrderView::at(order, txn.now()));
    if let (Some((name, view)), Some(members)) = (document, shown.as_object_mut()) {
        members.insert(name.to_owned(), view.clone());
    }
    shown
}
