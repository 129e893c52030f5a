//! Reports of sales as shown, and as tables.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode,
    id::{CustomerId, ItemId, OrderId},
    money::OutOfRange,
};
use platform_http::{Tabled, csv};
use sales::reports::{SalesDay, SoldItem};
use serde::Serialize;
use utoipa::ToSchema;

/// What was sold of each item.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SoldItems {
    /// Ordered by SKU and currency; items of which nothing was shipped or returned are left out.
    pub(crate) data: Vec<SoldItemLine>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
    /// With `as_of`: whether the same question will always have this answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// One item, sold for one currency.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SoldItemLine {
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: ItemId,
    #[schema(example = "LAMP-7")]
    sku: String,
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    /// Units that left.
    #[schema(example = 5)]
    shipped: i64,
    /// Units that came back, to the shelf or to scrap.
    #[schema(example = 1)]
    returned: i64,
    /// `shipped` − `returned`.
    #[schema(example = 4)]
    net_quantity: i64,
    /// Net of what was shipped less net of what came back: 4000 − 4900.
    #[schema(value_type = i64, example = 40_000)]
    net_revenue_minor: AmountMinor,
    /// What the goods shipped had cost, less what those that came back had: 5000. What was scrapped is no cost of goods
    /// sold, but a loss of stock.
    #[schema(value_type = i64, example = 30_000)]
    cost_minor: AmountMinor,
    /// `net_revenue_minor` − `cost_minor`.
    #[schema(value_type = i64, example = 10_000)]
    margin_minor: AmountMinor,
}

impl SoldItemLine {
    pub(crate) fn of(sku: String, sold: SoldItem) -> Result<Self, OutOfRange> {
        Ok(Self {
            item: sold.item,
            sku,
            currency: sold.currency,
            shipped: exact(sold.shipped)?,
            returned: exact(sold.returned)?,
            net_quantity: exact(sold.shipped - sold.returned)?,
            net_revenue_minor: AmountMinor::from_wide(sold.net_minor)?,
            cost_minor: AmountMinor::from_wide(sold.cost_minor)?,
            margin_minor: AmountMinor::from_wide(sold.net_minor - sold.cost_minor)?,
        })
    }

    /// By what the lines are ordered.
    pub(crate) fn place(&self) -> (String, CurrencyCode) {
        (self.sku.clone(), self.currency.clone())
    }
}

/// A number that JSON keeps.
fn exact(wide: i128) -> Result<i64, OutOfRange> {
    AmountMinor::from_wide(wide).map(AmountMinor::get)
}

impl Tabled for SoldItems {
    const COLUMNS: &'static [&'static str] = &[
        "item",
        "sku",
        "currency",
        "shipped",
        "returned",
        "net_quantity",
        "net_revenue_minor",
        "cost_minor",
        "margin_minor",
    ];

    fn write_rows(&self, table: &mut csv::Table) {
        for line in &self.data {
            table.row(&[
                (&line.item.to_string()).into(),
                (&line.sku).into(),
                line.currency.as_str().into(),
                line.shipped.into(),
                line.returned.into(),
                line.net_quantity.into(),
                line.net_revenue_minor.get().into(),
                line.cost_minor.get().into(),
                line.margin_minor.get().into(),
            ]);
        }
    }
}

/// What each office sold and was paid, day by day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SalesByOfficeDay {
    /// Ordered by office, day and currency; days on which nothing was ordered or paid are left out.
    pub(crate) data: Vec<SalesDayLine>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
    /// With `as_of`: whether the same question will always have this answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// One day of one office. An order counts as it was placed, on the day on which it was, whatever became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SalesDayLine {
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// At the office.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    day: Date,
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    /// Orders placed on the day.
    #[schema(example = 3)]
    orders: i64,
    /// Units ordered with them.
    #[schema(example = 7)]
    units: i64,
    /// What those come to without tax.
    #[schema(value_type = i64, example = 70_000)]
    net_minor: AmountMinor,
    /// Their tax.
    #[schema(value_type = i64, example = 13_300)]
    tax_minor: AmountMinor,
    /// Payments less refunds of the day, for whichever orders.
    #[schema(value_type = i64, example = 59_500)]
    paid_minor: AmountMinor,
}

impl SalesDayLine {
    pub(crate) fn of(day: SalesDay) -> Result<Self, OutOfRange> {
        Ok(Self {
            office: day.office,
            day: day.day,
            currency: day.currency,
            orders: exact(day.orders)?,
            units: exact(day.units)?,
            net_minor: AmountMinor::from_wide(day.net_minor)?,
            tax_minor: AmountMinor::from_wide(day.tax_minor)?,
            paid_minor: AmountMinor::from_wide(day.paid_minor)?,
        })
    }
}

impl Tabled for SalesByOfficeDay {
    const COLUMNS: &'static [&'static str] = &[
        "office",
        "day",
        "currency",
        "orders",
        "units",
        "net_minor",
        "tax_minor",
        "paid_minor",
    ];

    fn write_rows(&self, table: &mut csv::Table) {
        for line in &self.data {
            table.row(&[
                line.office.as_str().into(),
                (&line.day.to_string()).into(),
                line.currency.as_str().into(),
                line.orders.into(),
                line.units.into(),
                line.net_minor.get().into(),
                line.tax_minor.get().into(),
                line.paid_minor.get().into(),
            ]);
        }
    }
}

/// Who owes what, and who is owed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Receivables {
    /// The longest owed of each office first; orders that owe nothing and are owed nothing are left out.
    pub(crate) data: Vec<ReceivableLine>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
    /// With `as_of`: whether the same question will always have this answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// One order. Per office, `open_minor` adds up to the balance of account 1100, less what people posted there by hand.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReceivableLine {
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    #[schema(value_type = String, example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) order: OrderId,
    #[schema(value_type = String, example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) customer: CustomerId,
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// What shipments invoiced, with tax.
    #[schema(value_type = i64, example = 23_800)]
    pub(crate) invoiced_minor: AmountMinor,
    /// All that was ever paid, refunds not taken off.
    #[schema(value_type = i64, example = 10_000)]
    pub(crate) paid_minor: AmountMinor,
    #[schema(value_type = i64, example = 0)]
    pub(crate) refunded_minor: AmountMinor,
    /// What returns credited, with tax.
    #[schema(value_type = i64, example = 0)]
    pub(crate) credited_minor: AmountMinor,
    /// The order's balance of account 1100; below zero the customer is owed.
    #[schema(value_type = i64, example = 13_800)]
    pub(crate) open_minor: AmountMinor,
    /// Days of the office from the first shipment to today, or to the day of `as_of`.
    #[schema(minimum = 0, example = 12)]
    pub(crate) age_days: i64,
}

impl Tabled for Receivables {
    const COLUMNS: &'static [&'static str] = &[
        "office",
        "order",
        "customer",
        "currency",
        "invoiced_minor",
        "paid_minor",
        "refunded_minor",
        "credited_minor",
        "open_minor",
        "age_days",
    ];

    fn write_rows(&self, table: &mut csv::Table) {
        for line in &self.data {
            table.row(&[
                line.office.as_str().into(),
                (&line.order.to_string()).into(),
                (&line.customer.to_string()).into(),
                line.currency.as_str().into(),
                line.invoiced_minor.get().into(),
                line.paid_minor.get().into(),
                line.refunded_minor.get().into(),
                line.credited_minor.get().into(),
                line.open_minor.get().into(),
                line.age_days.into(),
            ]);
        }
    }
}

/// How an office stands, in all three systems at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Overview {
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// Of the amounts.
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// Orders that are confirmed.
    #[schema(minimum = 0, example = 12)]
    pub(crate) open_orders: i64,
    /// 4000 − 4900 dated today at the office, without tax.
    #[schema(value_type = i64, example = 70_000)]
    pub(crate) revenue_today_minor: AmountMinor,
    /// The balance of account 1000.
    #[schema(value_type = i64, example = 1_250_000)]
    pub(crate) cash_minor: AmountMinor,
    /// The balance of account 1100.
    #[schema(value_type = i64, example = 83_300)]
    pub(crate) receivables_minor: AmountMinor,
    /// What the office's stock is worth.
    #[schema(value_type = i64, minimum = 0, example = 480_000)]
    pub(crate) stock_value_minor: AmountMinor,
}
