//! Orders and lines as columns, for `unnest`.

use kernel::{AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag, Timestamp};
use platform_db::ToSql;
use uuid::Uuid;

use crate::domain::{line::Line, order::Order};

#[derive(Default)]
pub(super) struct LineColumns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) orders: Vec<Uuid>,
    /// Counted from 1 within each order.
    pub(super) numbers: Vec<i64>,
    pub(super) items: Vec<Uuid>,
    pub(super) locations: Vec<&'a LocationCode>,
    pub(super) skus: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) prices: Vec<AmountMinor>,
    pub(super) tax_rates: Vec<i64>,
    pub(super) shipped: Vec<Quantity>,
    pub(super) returned: Vec<Quantity>,
    pub(super) cancelled: Vec<Quantity>,
    pub(super) costs: Vec<AmountMinor>,
    pub(super) costs_returned: Vec<AmountMinor>,
}

impl<'a> LineColumns<'a> {
    pub(super) fn of(orders: &'a [Order]) -> Self {
        let mut columns = Self::default();
        for order in orders {
            for (number, line) in (1_i64..).zip(&order.lines) {
                columns.push(order.id.uuid(), number, line);
            }
        }
        columns
    }

    /// In the order of the statements that insert them.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 15] {
        [
            &self.ids,
            &self.orders,
            &self.numbers,
            &self.items,
            &self.locations,
            &self.skus,
            &self.names,
            &self.quantities,
            &self.prices,
            &self.tax_rates,
            &self.shipped,
            &self.returned,
            &self.cancelled,
            &self.costs,
            &self.costs_returned,
        ]
    }

    fn push(&mut self, order: Uuid, number: i64, line: &'a Line) {
        self.ids.push(line.id.uuid());
        self.orders.push(order);
        self.numbers.push(number);
        self.items.push(line.item.uuid());
        self.locations.push(&line.location);
        self.skus.push(&line.sku);
        self.names.push(&line.name);
        self.quantities.push(line.quantity);
        self.prices.push(line.unit_price);
        self.tax_rates.push(line.tax_rate_bp);
        self.shipped.push(line.shipped);
        self.returned.push(line.returned);
        self.cancelled.push(line.cancelled);
        self.costs.push(line.cost);
        self.costs_returned.push(line.cost_returned);
    }
}

/// New orders as columns: nothing was paid, invoiced or placed yet.
#[derive(Default)]
pub(super) struct OrderColumns<'a> {
    ids: Vec<Uuid>,
    offices: Vec<&'a OfficeCode>,
    customers: Vec<Uuid>,
    currencies: Vec<&'a CurrencyCode>,
    statuses: Vec<&'static str>,
    references: Vec<Option<&'a str>>,
    notes: Vec<Option<&'a str>>,
    subtotals: Vec<AmountMinor>,
    taxes: Vec<AmountMinor>,
    hold_seconds: Vec<Option<i64>>,
    expire_at: Vec<Timestamp>,
    versions: Vec<i64>,
    created_at: Vec<Timestamp>,
}

impl<'a> OrderColumns<'a> {
    pub(super) fn of(orders: &'a [Order]) -> Self {
        let mut columns = Self::default();
        for order in orders {
            columns.ids.push(order.id.uuid());
            columns.offices.push(&order.office);
            columns.customers.push(order.customer.uuid());
            columns.currencies.push(&order.currency);
            columns.statuses.push(order.status.as_str());
            columns.references.push(order.reference.as_deref());
            columns.notes.push(order.notes.as_deref());
            columns.subtotals.push(order.subtotal);
            columns.taxes.push(order.tax);
            columns.hold_seconds.push(order.hold_seconds);
            columns.expire_at.push(order.expires_at);
            columns.versions.push(order.version);
            columns.created_at.push(order.created_at);
        }
        columns
    }

    /// In the order of the statement that inserts them.
    pub(super) fn params<'p>(&'p self, region: &'p RegionTag) -> Vec<&'p (dyn ToSql + Sync)> {
        vec![
            region,
            &self.ids,
            &self.offices,
            &self.customers,
            &self.currencies,
            &self.statuses,
            &self.references,
            &self.notes,
            &self.subtotals,
            &self.taxes,
            &self.hold_seconds,
            &self.expire_at,
            &self.versions,
            &self.created_at,
        ]
    }
}
