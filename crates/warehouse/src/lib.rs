#![doc = include_str!("../README.md")]

mod api;
mod app;
mod domain;
pub mod export;
mod ops;
mod places;
pub mod reports;
pub mod stock;
mod storage;
mod sweeper;
mod views;

use platform_db::{Migrations, Placement};

pub use api::system;
pub use app::App;
pub use sweeper::{Sweeper, Swept};

/// The catalogue: what an order copies of it, and loading it in bulk.
pub mod catalogue {
    use std::collections::BTreeMap;

    use kernel::{CurrencyCode, Timestamp, id::ItemId};
    use platform_db::{DbError, Session};
    use serde_json::Value;
    use uuid::Uuid;

    use crate::{
        domain::item::Item,
        storage,
        views::{ItemView, json},
    };
    pub use crate::{
        ops::{
            index_catalogue::index_catalogue,
            load_items::{BATCH_ITEMS, LoadError, NewItem, load_items, loaded_id},
            load_shop::{NewShop, load_shop},
        },
        storage::items::Quote,
    };

    /// Those of the items that there are as JSON, by id, as they are at `now`: what stands in place of an id.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn views(
        session: &Session,
        items: &[ItemId],
        now: Timestamp,
    ) -> Result<BTreeMap<String, Value>, DbError> {
        let items = storage::items::many(session, items, now).await?;
        let view = |item: &Item| (item.id.to_string(), json(&ItemView::from(item)));
        Ok(items.iter().map(view).collect())
    }

    /// What those of the items that there are are called and cost at a moment, by id. Asked in the transaction that
    /// sells them.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn quotes(
        session: &Session,
        items: &[ItemId],
        currency: &CurrencyCode,
        at: Timestamp,
    ) -> Result<BTreeMap<Uuid, Quote>, DbError> {
        let items: Vec<Uuid> = items.iter().map(ItemId::uuid).collect();
        storage::items::quotes(session, &items, currency, at).await
    }
}

/// Loading stock in bulk.
pub mod loading {
    pub use crate::ops::load_stock::{
        BATCH_DOCUMENTS, LoadStockError, LoadedStock, NewAdjustment, NewDocument, NewLine,
        NewReceipt, Reason, load_stock,
    };
}

/// What systems above may do with locations inside their own transactions.
pub mod locations {
    use std::collections::BTreeMap;

    use futures_util::try_join;
    use kernel::{LocationCode, OfficeCode, RegionTag};
    use platform_db::{DbError, Session, Txn, offices};
    use serde_json::Value;

    use crate::{
        domain::location::{Location, LocationKind},
        ops::create_location,
        storage,
        views::{LocationView, json},
    };

    /// Inserts the depot that a new office starts with, and emits its event.
    ///
    /// # Errors
    /// A unique violation of [`CODE_CONSTRAINT`] when the code is taken.
    pub async fn create_depot(
        txn: &Txn<'_>,
        code: LocationCode,
        office: OfficeCode,
        name: String,
        home_region: RegionTag,
    ) -> Result<(), DbError> {
        let command = create_location::CreateLocation {
            code,
            office,
            name,
            kind: LocationKind::Depot,
        };
        create_location::create(txn, command, home_region)
            .await
            .map(|_| ())
    }

    /// The constraint that a taken code violates.
    pub const CODE_CONSTRAINT: &str = "locations_pkey";

    /// Those of the locations that there are as JSON, by code: what stands in place of a code.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn views(
        session: &Session,
        codes: &[LocationCode],
    ) -> Result<BTreeMap<String, Value>, DbError> {
        let (locations, homes) = try_join!(
            storage::locations::many(session, codes),
            offices::homes(session)
        )?;
        let view = |location: Location| {
            let home = homes.iter().find(|home| home.office == location.office)?;
            let view = LocationView::new(&location, home.region.clone());
            Some((location.code.to_string(), json(&view)))
        };
        Ok(locations.into_iter().filter_map(view).collect())
    }

    /// The office that the location belongs to; `None` when there is no such location.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn office_of(
        session: &Session,
        code: &LocationCode,
    ) -> Result<Option<OfficeCode>, DbError> {
        Ok(storage::locations::get(session, code)
            .await?
            .map(|location| location.office))
    }

    /// The offices that those of the locations belong to that there are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn offices_of(
        session: &Session,
        codes: &[LocationCode],
    ) -> Result<BTreeMap<LocationCode, OfficeCode>, DbError> {
        storage::locations::offices_of(session, codes).await
    }
}

/// Every statement that this system sends, for who examines a database.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    storage::statements().collect()
}

/// The schema `warehouse`, in the order in which its files are applied.
#[must_use]
pub fn migrations() -> &'static Migrations {
    macro_rules! files {
        ($($name:literal,)*) => {
            &[$(($name, include_str!(concat!("../migrations/", $name, ".sql"))),)*]
        };
    }
    static MIGRATIONS: Migrations = Migrations {
        system: "warehouse",
        files: files![
            "V0001__create_items",
            "V0002__create_item_prices",
            "V0003__index_items_by_age",
            "V0004__index_items_by_status",
            "V0005__create_locations",
            "V0006__index_locations_by_age",
            "V0007__index_locations_by_office",
            "V0008__create_stock_levels",
            "V0009__index_stock_levels_by_age",
            "V0010__index_stock_levels_by_item",
            "V0011__create_stock_movements",
            "V0012__index_stock_movements_by_age",
            "V0013__index_stock_movements_by_level",
            "V0014__create_reservations",
            "V0015__index_reservations_by_age",
            "V0016__index_active_reservations_by_expiry",
            "V0017__index_active_reservations_by_level",
            "V0018__index_reservations_by_level",
            "V0019__index_active_reservations_by_age",
            "V0020__index_stock_movements_by_reference",
            "V0021__index_active_reservations_by_order_line",
            "V0022__index_reservations_by_order_line",
            "V0023__index_stock_levels_by_item_alone",
        ],
        grants: &[
            ("items", "SELECT, INSERT, UPDATE, DELETE"),
            ("item_prices", "SELECT, INSERT, UPDATE, DELETE"),
            ("locations", "SELECT, INSERT, UPDATE"),
            ("stock_levels", "SELECT, INSERT, UPDATE"),
            ("stock_movements", "SELECT, INSERT"),
            ("reservations", "SELECT, INSERT, UPDATE"),
        ],
        localities: &[
            ("items", Placement::Global),
            ("item_prices", Placement::Global),
            ("locations", Placement::Global),
            ("stock_levels", Placement::BY_ROW),
            ("stock_movements", Placement::BY_ROW),
            ("reservations", Placement::BY_ROW),
        ],
    };
    &MIGRATIONS
}
