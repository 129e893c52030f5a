//! Lines that an order gets: what they name must exist and belong to the office; what they cost is what the catalogue says
//! at the transaction's time.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use kernel::{
    AmountMinor, Intent, Invalid, LocationCode, OfficeCode, Quantity, RegionTag, Timestamp,
    id::{ItemId, OrderLineId},
};
use platform_db::{DbError, TxError, Txn, offices::Office};
use uuid::Uuid;
use warehouse::{
    catalogue::{self, Quote},
    locations,
    stock::{Booked, Demand, NotReserved, OrderStock, Place},
};

use crate::domain::{line::Line, order::total};

/// A line as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewLine {
    pub(crate) item: ItemId,
    pub(crate) location: LocationCode,
    /// At least one.
    pub(crate) quantity: Quantity,
}

/// A line as asked for, with the id that it gets.
pub(crate) type Numbered = (OrderLineId, NewLine);

impl NewLine {
    /// Where its goods are.
    pub(crate) fn place(&self) -> Place {
        Place {
            location: self.location.clone(),
            item: self.item.clone(),
        }
    }
}

/// Gives new lines their ids: those of the write, whenever it is asked.
pub(crate) fn numbered(intent: &Intent, home: &RegionTag, lines: &[NewLine]) -> Vec<Numbered> {
    (0..)
        .zip(lines)
        .map(|(index, line)| (intent.new_id(home.clone(), index), line.clone()))
        .collect()
}

/// Why an order does not get its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinesError {
    /// Locations that are not the office's.
    #[error("locations belong to another office")]
    LocationOfOtherOffice(Invalid),
    /// Items without a price in the office's currency.
    #[error("items have no price")]
    PriceMissing(Invalid),
    /// A line or all of them come to more than can be said.
    #[error("an amount is out of range")]
    OutOfRange,
    /// Archived items are not sold.
    #[error("items are archived")]
    Archived {
        /// Their SKUs.
        skus: Vec<String>,
    },
    /// What was to be held cannot be.
    #[error(transparent)]
    NotReserved(#[from] NotReserved),
}

/// What decides about new lines, of the transaction that makes them.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Of the locations that there are.
    pub(crate) offices: BTreeMap<LocationCode, OfficeCode>,
    /// Of the items that there are.
    pub(crate) quotes: BTreeMap<Uuid, Quote>,
}

impl Facts {
    /// Reads what these lines name, as it is at the transaction's time.
    pub(crate) async fn read(
        txn: &Txn<'_>,
        office: &Office,
        lines: &[Numbered],
    ) -> Result<Self, DbError> {
        let codes: BTreeSet<&LocationCode> = lines.iter().map(|(_, line)| &line.location).collect();
        let codes: Vec<LocationCode> = codes.into_iter().cloned().collect();
        let items: BTreeMap<Uuid, &ItemId> = lines
            .iter()
            .map(|(_, line)| (line.item.uuid(), &line.item))
            .collect();
        let items: Vec<ItemId> = items.into_values().cloned().collect();
        let (offices, quotes) = try_join!(
            locations::offices_of(txn, &codes),
            catalogue::quotes(txn, &items, &office.currency, txn.now()),
        )?;
        Ok(Self { offices, quotes })
    }

    /// Adds what the lines name that does not exist, by pointers into `lines`.
    fn add_unknown(&self, invalid: &mut Invalid, lines: &[Numbered]) {
        for (index, (_, line)) in lines.iter().enumerate() {
            if !self.quotes.contains_key(&line.item.uuid()) {
                refuse(invalid, (index, "item"), ("item_unknown", "does not exist"));
            }
            if !self.offices.contains_key(&line.location) {
                refuse(
                    invalid,
                    (index, "location"),
                    ("location_unknown", "does not exist"),
                );
            }
        }
    }

    /// The lines priced, unless a body that names them breaks a rule by it. `unknown`: what else it names in vain, so that
    /// all of that is said at once.
    pub(crate) fn priced<E: From<LinesError>>(
        &self,
        office: &Office,
        lines: &[Numbered],
        mut unknown: Invalid,
    ) -> Result<Vec<Line>, TxError<E>> {
        let refused = |error: LinesError| TxError::Refused(error.into());
        self.add_unknown(&mut unknown, lines);
        if !unknown.errors.is_empty() {
            return Err(TxError::Common(kernel::Common::Invalid(unknown)));
        }
        let elsewhere = self.elsewhere(office, lines);
        if !elsewhere.errors.is_empty() {
            return Err(refused(LinesError::LocationOfOtherOffice(elsewhere)));
        }
        let mut missing = Invalid::default();
        let mut priced = Vec::with_capacity(lines.len());
        for (index, (id, line)) in lines.iter().enumerate() {
            let quote = self.quotes.get(&line.item.uuid()).ok_or(DbError::NoRow)?;
            match quote.price {
                Some(price) => priced.push(of((id, line), quote, price, office)),
                None => {
                    let detail = format!("has no price in {}", office.currency);
                    refuse(&mut missing, (index, "item"), ("price_missing", &detail));
                }
            }
        }
        if !missing.errors.is_empty() {
            return Err(refused(LinesError::PriceMissing(missing)));
        }
        total(&priced).map_err(|_| refused(LinesError::OutOfRange))?;
        Ok(priced)
    }

    fn elsewhere(&self, office: &Office, lines: &[Numbered]) -> Invalid {
        let mut invalid = Invalid::default();
        for (index, (_, line)) in lines.iter().enumerate() {
            if self
                .offices
                .get(&line.location)
                .is_some_and(|owner| *owner != office.code)
            {
                let rule = (
                    "location_of_other_office",
                    "is a location of another office",
                );
                refuse(&mut invalid, (index, "location"), rule);
            }
        }
        invalid
    }

    /// That none of the lines sells what is not sold any more.
    pub(crate) fn check_sold(&self, lines: &[Numbered]) -> Result<(), LinesError> {
        let archived: BTreeSet<&str> = lines
            .iter()
            .filter_map(|(_, line)| self.quotes.get(&line.item.uuid()))
            .filter(|quote| quote.is_archived)
            .map(|quote| quote.sku.as_str())
            .collect();
        if archived.is_empty() {
            return Ok(());
        }
        let skus = archived.into_iter().map(str::to_owned).collect();
        Err(LinesError::Archived { skus })
    }
}

/// Where the goods of new lines are, as [`OrderStock`] wants it.
pub(crate) fn places(lines: &[Numbered]) -> Vec<(OrderLineId, Place)> {
    let lines = lines.iter();
    lines.map(|(id, line)| (id.clone(), line.place())).collect()
}

/// Puts aside what is open of the lines, until then or for good: all of it or nothing.
pub(crate) async fn hold<E: From<NotReserved>>(
    txn: &Txn<'_>,
    stock: &mut OrderStock,
    lines: &[Line],
    until: Option<Timestamp>,
) -> Result<(), TxError<E>> {
    let demands: Vec<Demand> = lines
        .iter()
        .map(|line| Demand {
            line: line.id.clone(),
            quantity: line.open(),
            until,
        })
        .collect();
    stock.reserve(txn, &demands).await
}

/// Writes what was put aside and let go, where anything could be.
pub(crate) async fn save(txn: &Txn<'_>, stock: Option<OrderStock>) -> Result<(), DbError> {
    match stock {
        Some(stock) => stock.save(txn, Booked::default()).await,
        None => Ok(()),
    }
}

fn of(
    (id, line): (&OrderLineId, &NewLine),
    quote: &Quote,
    price: AmountMinor,
    office: &Office,
) -> Line {
    Line {
        id: id.clone(),
        item: ItemId::new(RegionTag::global(), line.item.uuid()),
        location: line.location.clone(),
        sku: quote.sku.clone(),
        name: quote.name.clone(),
        quantity: line.quantity,
        unit_price: price,
        tax_rate_bp: office.default_tax_rate_bp,
        shipped: Quantity::ZERO,
        returned: Quantity::ZERO,
        cancelled: Quantity::ZERO,
        cost: AmountMinor::ZERO,
        cost_returned: AmountMinor::ZERO,
    }
}

fn refuse(
    invalid: &mut Invalid,
    (index, member): (usize, &str),
    (code, detail): (&'static str, &str),
) {
    let one = Invalid::one(format!("/lines/{index}/{member}"), code, detail);
    invalid.errors.extend(one.errors);
}
