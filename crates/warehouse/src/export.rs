//! What an export shows of the warehouse: rows as the lists show them, oldest first. Every function is one statement:
//! call them on one [`Snapshot`](platform_db::Snapshot) to have all rows of one moment.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, PageRequest, Position, Timestamp,
};
use platform_db::{DbError, Session, offices::OfficeHome};
use platform_http::{
    ExportRow,
    csv::{Cell, Table},
};
use serde::Serialize;

use crate::{
    domain::item::{Item, Unit},
    storage::{
        items::{self, ItemFilter},
        movements::{self, MovementFilter},
    },
    views::ItemView,
};

pub use crate::views::level::MovementView;

/// The columns of movements.
pub const MOVEMENT_COLUMNS: &[&str] = &[
    "id",
    "office",
    "location",
    "item",
    "sku",
    "currency",
    "delta",
    "value_delta_minor",
    "kind",
    "reason",
    "reference",
    "journal_entry",
    "recorded_at",
    "recorded_by",
];

/// The next movements of an office, recorded within these times, both included.
///
/// # Errors
/// [`DbError`].
pub async fn movements(
    session: &Session,
    office: &OfficeHome,
    (created_from, created_to): (Option<Timestamp>, Option<Timestamp>),
    page: &PageRequest,
) -> Result<Vec<MovementView>, DbError> {
    let filter = MovementFilter {
        location: None,
        item: None,
        kind: None,
        reference: None,
        created_from,
        created_to,
    };
    let rows = movements::page(session, std::slice::from_ref(office), &filter, page).await?;
    Ok(rows.iter().map(MovementView::from).collect())
}

impl ExportRow for MovementView {
    fn write_rows(&self, table: &mut Table) {
        let (id, item) = (self.id.to_string(), self.item.to_string());
        let entry = self.journal_entry.as_ref().map(ToString::to_string);
        let recorded_at = self.recorded_at.to_string();
        table.row(&[
            Cell::Text(&id),
            OfficeCode::as_str(&self.office).into(),
            LocationCode::as_str(&self.location).into(),
            Cell::Text(&item),
            Cell::Text(&self.sku),
            CurrencyCode::as_str(&self.currency).into(),
            self.delta.into(),
            self.value_delta_minor.get().into(),
            self.kind.as_str().into(),
            self.reason.map(|reason| reason.as_str()).into(),
            self.reference.as_deref().into(),
            entry.as_deref().into(),
            Cell::Text(&recorded_at),
            Cell::Text(&self.recorded_by),
        ]);
    }

    fn position(&self) -> Position {
        Position {
            created_at: self.recorded_at,
            id: self.id.uuid().to_string(),
        }
    }
}

/// The items of an export, and the columns of their table, which are those of an import: of prices it has the present ones.
#[derive(Debug)]
pub struct Items {
    currencies: Vec<CurrencyCode>,
    now: Timestamp,
}

/// An item of an export.
#[derive(Debug, Serialize)]
pub struct ItemRow {
    #[serde(flatten)]
    view: ItemView,
    /// What it costs now, in the currency of each column of prices.
    #[serde(skip)]
    prices: Vec<Option<AmountMinor>>,
    #[serde(skip)]
    position: Position,
}

impl Items {
    /// Finds out which columns of prices there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn new(session: &Session, now: Timestamp) -> Result<Self, DbError> {
        Ok(Self {
            currencies: items::currencies(session).await?,
            now,
        })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let members = [
            "sku",
            "name",
            "description",
            "country_of_origin",
            "unit",
            "barcode",
        ];
        let prices = self.currencies.iter();
        members
            .into_iter()
            .map(str::to_owned)
            .chain(prices.map(|currency| format!("price_{currency}")))
            .collect()
    }

    /// The next items, made within these times, both included.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn next(
        &self,
        session: &Session,
        (created_from, created_to): (Option<Timestamp>, Option<Timestamp>),
        page: &PageRequest,
    ) -> Result<Vec<ItemRow>, DbError> {
        let filter = ItemFilter {
            created_from,
            created_to,
            ..ItemFilter::default()
        };
        let rows = items::page(session, &filter, page, self.now).await?;
        Ok(rows.iter().map(|item| self.row(item)).collect())
    }

    fn row(&self, item: &Item) -> ItemRow {
        let view = ItemView::from(item);
        let present = |currency: &CurrencyCode| {
            let prices = view.prices.iter();
            prices
                .filter(|price| price.currency == *currency && price.valid_from <= self.now)
                .max_by_key(|price| price.valid_from)
                .map(|price| price.amount_minor)
        };
        ItemRow {
            prices: self.currencies.iter().map(present).collect(),
            position: Position {
                created_at: item.created_at,
                id: item.id.uuid().to_string(),
            },
            view,
        }
    }
}

impl ExportRow for ItemRow {
    fn write_rows(&self, table: &mut Table) {
        let item = &self.view;
        let mut cells: Vec<Cell<'_>> = vec![
            Cell::Text(&item.sku),
            Cell::Text(&item.name),
            Cell::Text(&item.description),
            Cell::Text(item.country_of_origin.as_str()),
            Cell::Text(Unit::as_str(item.unit)),
            item.barcode.as_deref().into(),
        ];
        let prices = self.prices.iter();
        cells.extend(prices.map(|price| Cell::from(price.map(AmountMinor::get))));
        table.row(&cells);
    }

    fn position(&self) -> Position {
        self.position.clone()
    }
}
