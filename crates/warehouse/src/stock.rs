//! What systems above may ask of the stock inside their own transactions.

use platform_db::{DbError, Session, offices::OfficeHome};

use crate::storage::reports;

/// Whether anything lies at the office's locations, or is on its way there. Asked in the transaction that closes the
/// office: whoever brings stock at the same time reads the office, so that one of the two is rerun.
///
/// # Errors
/// [`DbError`].
pub async fn office_has_stock(session: &Session, home: &OfficeHome) -> Result<bool, DbError> {
    reports::has_stock(session, home).await
}
