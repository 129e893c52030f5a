//! Lines as columns, for `unnest`.

use kernel::{AmountMinor, LocationCode, Quantity};
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
