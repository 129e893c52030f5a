//! Opens a shop at an office, through the same rules, events and receipts as a client would.

use kernel::{Common, IdempotencyKey, LocationCode, OfficeCode, OpError, Scope};
use platform_db::Never;

use super::create_location::{CreateLocation, create_location};
use crate::{App, domain::location::LocationKind};

/// A location of kind `store` to open.
#[derive(Debug, Clone)]
pub struct NewShop {
    /// Unique among all locations.
    pub code: LocationCode,
    /// Its office.
    pub office: OfficeCode,
    /// At most 200 characters.
    pub name: String,
}

/// Opens a shop under this key, once; whether it is new. A location that has its code already is left as it is.
///
/// # Errors
/// [`OpError`], as for a client that creates a location.
pub async fn load_shop(
    app: &App,
    key: &IdempotencyKey,
    new: NewShop,
) -> Result<bool, OpError<Never>> {
    let scope = Scope::WarehouseWrite;
    let intent = app
        .db
        .worker_intent("seed", "create_location", scope, key.clone());
    let call = intent.call.clone();
    let command = CreateLocation {
        code: new.code,
        office: new.office,
        name: new.name,
        kind: LocationKind::Store,
    };
    match create_location(app, intent, Ok(command)).await {
        Ok(_) => Ok(!call.facts().replayed),
        Err(OpError::Common(Common::AlreadyExists { .. })) => Ok(false),
        Err(error) => Err(error),
    }
}
