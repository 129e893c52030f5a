//! What an export shows of sales: rows as the lists show them, oldest first. Every function is one statement: call them on
//! one [`Snapshot`](platform_db::Snapshot) to have all rows of one moment.

use kernel::{AmountMinor, PageRequest, Position, Quantity, Timestamp};
use platform_db::{DbError, Session, offices::OfficeHome};
use platform_http::{
    ExportRow,
    csv::{Cell, Table},
};

use crate::{
    storage::{
        customers::{self, CustomerFilter},
        orders::{self, OrderFilter},
    },
    views::{customer::CustomerView, order::OrderView},
};

/// The columns of customers.
pub const CUSTOMER_COLUMNS: &[&str] = &[
    "id",
    "office",
    "name",
    "email",
    "phone",
    "tax_id",
    "status",
    "version",
    "created_at",
    "updated_at",
];

/// The columns of orders: one line per line of the order, each with what is said of the whole.
pub const ORDER_COLUMNS: &[&str] = &[
    "id",
    "office",
    "customer",
    "currency",
    "status",
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "paid_minor",
    "refunded_minor",
    "invoiced_minor",
    "credited_minor",
    "payment_status",
    "fulfilment_status",
    "placed_at",
    "reference",
    "notes",
    "version",
    "created_at",
    "updated_at",
    "line",
    "item",
    "sku",
    "name",
    "location",
    "quantity",
    "unit_price_minor",
    "tax_rate_bp",
    "shipped",
    "returned",
    "cancelled",
];

/// The next customers of an office, made within these times, both included.
///
/// # Errors
/// [`DbError`].
pub async fn customers(
    session: &Session,
    office: &OfficeHome,
    (created_from, created_to): (Option<Timestamp>, Option<Timestamp>),
    page: &PageRequest,
) -> Result<Vec<CustomerView>, DbError> {
    let filter = CustomerFilter {
        status: None,
        email: None,
        created_from,
        created_to,
    };
    let rows = customers::page(session, std::slice::from_ref(office), &filter, page).await?;
    Ok(rows.iter().map(CustomerView::from).collect())
}

/// The next orders of an office, made within these times, both included, as they are `now`.
///
/// # Errors
/// [`DbError`].
pub async fn orders(
    session: &Session,
    office: &OfficeHome,
    ((created_from, created_to), now): ((Option<Timestamp>, Option<Timestamp>), Timestamp),
    page: &PageRequest,
) -> Result<Vec<OrderView>, DbError> {
    let filter = OrderFilter {
        status: None,
        now,
        customer: None,
        reference: None,
        item: None,
        location: None,
        created_from,
        created_to,
    };
    let rows = orders::page(session, std::slice::from_ref(office), &filter, page).await?;
    Ok(rows.iter().map(|order| OrderView::at(order, now)).collect())
}

impl ExportRow for CustomerView {
    fn write_rows(&self, table: &mut Table) {
        let id = self.id.to_string();
        let (created_at, updated_at) = (self.created_at.to_string(), self.updated_at.to_string());
        table.row(&[
            Cell::Text(&id),
            self.office.as_str().into(),
            Cell::Text(&self.name),
            self.email.as_deref().into(),
            self.phone.as_deref().into(),
            self.tax_id.as_deref().into(),
            self.status.as_str().into(),
            self.version.into(),
            Cell::Text(&created_at),
            Cell::Text(&updated_at),
        ]);
    }

    fn position(&self) -> Position {
        Position {
            created_at: self.created_at,
            id: self.id.uuid().to_string(),
        }
    }
}

impl ExportRow for OrderView {
    fn write_rows(&self, table: &mut Table) {
        let (id, customer) = (self.id.to_string(), self.customer.to_string());
        let placed_at = self.placed_at.as_ref().map(ToString::to_string);
        let (created_at, updated_at) = (self.created_at.to_string(), self.updated_at.to_string());
        let amount = |amount: AmountMinor| Cell::Number(amount.get());
        let units = |quantity: Quantity| Cell::Number(quantity.get());
        for line in &self.lines {
            let (line_id, item) = (line.id.to_string(), line.item.to_string());
            table.row(&[
                Cell::Text(&id),
                self.office.as_str().into(),
                Cell::Text(&customer),
                self.currency.as_str().into(),
                self.status.as_str().into(),
                amount(self.subtotal_minor),
                amount(self.tax_minor),
                amount(self.total_minor),
                amount(self.paid_minor),
                amount(self.refunded_minor),
                amount(self.invoiced_minor),
                amount(self.credited_minor),
                self.payment_status.as_str().into(),
                self.fulfilment_status.as_str().into(),
                placed_at.as_deref().into(),
                self.reference.as_deref().into(),
                self.notes.as_deref().into(),
                self.version.into(),
                Cell::Text(&created_at),
                Cell::Text(&updated_at),
                Cell::Text(&line_id),
                Cell::Text(&item),
                Cell::Text(&line.sku),
                Cell::Text(&line.name),
                line.location.as_str().into(),
                units(line.quantity),
                amount(line.unit_price_minor),
                line.tax_rate_bp.into(),
                units(line.shipped),
                units(line.returned),
                units(line.cancelled),
            ]);
        }
    }

    fn position(&self) -> Position {
        Position {
            created_at: self.created_at,
            id: self.id.uuid().to_string(),
        }
    }
}
