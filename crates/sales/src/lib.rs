#![doc = include_str!("../README.md")]

mod api;
mod app;
mod domain;
mod expirer;
pub mod export;
mod ops;
pub mod reports;
mod storage;
mod views;

use platform_db::{Migrations, Placement};

pub use api::system;
pub use app::App;
pub use expirer::{Ended, Expirer};

/// Loading sales that nobody made.
pub mod loading {
    pub use crate::ops::load_sales::{
        LoadSalesError, NewCustomer, NewSale, Step, load_customer, load_sale,
    };
}

/// What systems above may ask of the orders inside their own transactions.
pub mod orders {
    use platform_db::{DbError, Txn, offices::OfficeHome};

    use crate::storage;

    /// Whether the office has orders that are drafts or confirmed. Asked in the transaction that closes the office:
    /// whoever takes an order at the same time reads the office, so that one of the two is rerun.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn office_has_open_orders(txn: &Txn<'_>, home: &OfficeHome) -> Result<bool, DbError> {
        storage::orders::has_open(txn, home, txn.now()).await
    }
}

/// Every statement that this system sends, for who examines a database.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    storage::statements().collect()
}

/// The schema `sales`, in the order in which its files are applied.
#[must_use]
pub fn migrations() -> &'static Migrations {
    macro_rules! files {
        ($($name:literal,)*) => {
            &[$(($name, include_str!(concat!("../migrations/", $name, ".sql"))),)*]
        };
    }
    static MIGRATIONS: Migrations = Migrations {
        system: "sales",
        files: files![
            "V0001__create_customers",
            "V0002__index_customers_by_age",
            "V0003__create_orders",
            "V0004__index_orders_by_age",
            "V0005__index_orders_by_status",
            "V0006__index_orders_by_customer",
            "V0007__index_orders_by_reference",
            "V0008__index_drafts_by_expiry",
            "V0009__index_orders_by_day",
            "V0010__create_order_lines",
            "V0011__index_order_lines_by_item",
            "V0012__create_payments",
            "V0013__index_payments_by_order",
            "V0014__index_payments_by_day",
            "V0015__create_shipments",
            "V0016__index_shipments_by_order",
            "V0017__index_shipments_by_day",
            "V0018__create_shipment_lines",
            "V0019__create_returns",
            "V0020__index_returns_by_order",
            "V0021__index_returns_by_day",
            "V0022__create_return_lines",
            "V0023__index_orders_by_receivable",
            "V0024__add_end_of_orders",
            "V0025__create_order_cancellations",
            "V0026__index_shipment_lines_by_line",
            "V0027__index_return_lines_by_line",
        ],
        grants: &[
            ("customers", "SELECT, INSERT, UPDATE"),
            ("orders", "SELECT, INSERT, UPDATE"),
            ("order_lines", "SELECT, INSERT, UPDATE, DELETE"),
            ("order_cancellations", "SELECT, INSERT"),
            ("payments", "SELECT, INSERT"),
            ("shipments", "SELECT, INSERT"),
            ("shipment_lines", "SELECT, INSERT"),
            ("returns", "SELECT, INSERT"),
            ("return_lines", "SELECT, INSERT"),
        ],
        localities: &[
            ("customers", Placement::BY_ROW),
            ("orders", Placement::BY_ROW),
            ("order_lines", Placement::BY_ROW),
            ("order_cancellations", Placement::BY_ROW),
            ("payments", Placement::BY_ROW),
            ("shipments", Placement::BY_ROW),
            ("shipment_lines", Placement::BY_ROW),
            ("returns", Placement::BY_ROW),
            ("return_lines", Placement::BY_ROW),
        ],
    };
    &MIGRATIONS
}
