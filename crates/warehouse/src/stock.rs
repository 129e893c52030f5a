//! What systems above may do with the stock inside their own transactions.
//!
//! ```text
//! intent.hot.extend(hot_names(&home, &places));                  // behind the order's own name
//! let mut stock = OrderStock::lock(txn, &office, &lines).await?; // the order's row is locked already
//! stock.reserve(txn, &demands).await?;                           // or release, issue, restock: as often as wanted
//! let entry = books.post(txn, …)?;  books.save(txn).await?;      // where goods moved
//! stock.save(txn, Booked { … }).await?;
//! ```
//! A refusal of [`NotReserved::Insufficient`] gets its `nearest` behind the rollback, by [`find_nearest`].

use platform_db::{DbError, Session, offices::OfficeHome};

use crate::storage::reports;
pub use crate::{
    api::{insufficient_stock, items_archived},
    ops::{
        filters::{StockWanted, resolve},
        find_availability::{Available, Shortage, find_nearest},
        order_stock::{Booked, Demand, Issued, NotReserved, OrderStock},
        premises::hot_names,
        shelf::Place,
    },
};

/// Whether anything lies at the office's locations, or is on its way there. Asked in the transaction that closes the
/// office: whoever brings stock at the same time reads the office, so that one of the two is rerun.
///
/// # Errors
/// [`DbError`].
pub async fn office_has_stock(session: &Session, home: &OfficeHome) -> Result<bool, DbError> {
    reports::has_stock(session, home).await
}
