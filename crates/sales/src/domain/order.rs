//! Orders: what a customer of one office wants, what it comes to, and what became of it. Pure: each step gives the order
//! after it, or why there is none.
//!
//! ```text
//! draft → confirmed → fulfilled     as soon as every unit is shipped or cancelled and any was shipped
//! draft | confirmed → cancelled     as soon as every unit is cancelled
//! draft → expired                   24 h after it was made, written down or not
//! ```

mod books;

use std::time::Duration;

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, Quantity, Timestamp,
    id::{CustomerId, OrderId, OrderLineId},
    money::OutOfRange,
};

pub(crate) use books::{
    Credit, Invoice, LineWorth, PayError, RefundError, ReturnError, ShipError, Split,
};

use super::{
    line::{Line, LineUnits, Worth, summed},
    words,
};

/// A draft ends by itself this long after it was made.
const DRAFT_LASTS: Duration = Duration::from_secs(24 * 3600);
/// Lines of one order.
pub(crate) const LINES_MAX: usize = 100;
/// Seconds that the holds of a draft last at most.
pub(crate) const HOLD_SECONDS_MAX: i64 = 24 * 3600;

words! {
    /// Where an order stands.
    OrderStatus {
        Draft "draft", Confirmed "confirmed", Fulfilled "fulfilled", Cancelled "cancelled", Expired "expired",
    }
}

words! {
    /// How much of an order is paid.
    PaymentStatus { Unpaid "unpaid", Partial "partial", Paid "paid", }
}

words! {
    /// How much of an order is shipped.
    FulfilmentStatus { None "none", Partial "partial", Full "full", }
}

/// An order. Its customer, stock, payments and entries belong to its office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) office: OfficeCode,
    pub(crate) customer: CustomerId,
    /// Of the office.
    pub(crate) currency: CurrencyCode,
    /// As last written: a draft whose time is up stays one until somebody sweeps it.
    pub(crate) status: OrderStatus,
    pub(crate) reference: Option<String>,
    pub(crate) notes: Option<String>,
    /// In the order of the request; at least one.
    pub(crate) lines: Vec<Line>,
    /// Σ net of the lines.
    pub(crate) subtotal: AmountMinor,
    /// Σ tax of the lines.
    pub(crate) tax: AmountMinor,
    /// With tax, as are all that follow.
    pub(crate) paid: AmountMinor,
    pub(crate) refunded: AmountMinor,
    pub(crate) invoiced: AmountMinor,
    pub(crate) credited: AmountMinor,
    /// Its balance of account 1100, debit-positive; below zero, we owe the customer.
    pub(crate) receivable: AmountMinor,
    /// Its balance of account 2200, credit-positive: paid ahead.
    pub(crate) deposit: AmountMinor,
    /// How long its holds last while it is a draft; `None`: it holds nothing.
    pub(crate) hold_seconds: Option<i64>,
    /// When it ends by itself if it still is a draft.
    pub(crate) expires_at: Timestamp,
    pub(crate) placed: Option<Placed>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// When an order was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) at: Timestamp,
    /// The office's day then.
    pub(crate) date: Date,
}

/// What a new order says, priced.
#[derive(Debug, Clone)]
pub(crate) struct NewOrder {
    pub(crate) id: OrderId,
    pub(crate) office: OfficeCode,
    pub(crate) customer: CustomerId,
    pub(crate) currency: CurrencyCode,
    pub(crate) reference: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) hold_seconds: Option<i64>,
}

/// What a change does to an order's members; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrderChange {
    pub(crate) customer: Option<CustomerId>,
    /// `Some(None)` clears it.
    pub(crate) reference: Option<Option<String>>,
    /// `Some(None)` clears it.
    pub(crate) notes: Option<Option<String>>,
    /// All lines anew, priced.
    pub(crate) lines: Option<Vec<Line>>,
}

/// The order is in a state in which that cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {}", .0.as_str())]
pub(crate) struct NotInState(pub(crate) OrderStatus);

/// More units of a line than there are to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) line: OrderLineId,
    pub(crate) sku: String,
    pub(crate) wanted: Quantity,
    /// How many there are.
    pub(crate) open: Quantity,
}

/// Why nothing is cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CancelError {
    State(OrderStatus),
    /// All of it was to be cancelled, and some is shipped; or more of these lines than is open.
    AlreadyShipped(Vec<TooMany>),
    OutOfRange,
}

/// What the lines of an order come to together.
pub(crate) fn total(lines: &[Line]) -> Result<Worth, OutOfRange> {
    let mut sum = Worth::default();
    for line in lines {
        sum = sum.plus(line.part(line.quantity)?)?;
    }
    sum.gross()?;
    Ok(sum)
}

impl Order {
    /// A draft made at `now`.
    pub(crate) fn draft(new: NewOrder, now: Timestamp) -> Result<Self, OutOfRange> {
        let Worth { net, tax } = total(&new.lines)?;
        Ok(Self {
            id: new.id,
            office: new.office,
            customer: new.customer,
            currency: new.currency,
            status: OrderStatus::Draft,
            reference: new.reference,
            notes: new.notes,
            lines: new.lines,
            subtotal: net,
            tax,
            paid: AmountMinor::ZERO,
            refunded: AmountMinor::ZERO,
            invoiced: AmountMinor::ZERO,
            credited: AmountMinor::ZERO,
            receivable: AmountMinor::ZERO,
            deposit: AmountMinor::ZERO,
            hold_seconds: new.hold_seconds,
            expires_at: now.plus(DRAFT_LASTS),
            placed: None,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// What it is at `now`: its own time ends a draft, swept or not.
    pub(crate) fn status_at(&self, now: Timestamp) -> OrderStatus {
        if self.status == OrderStatus::Draft && self.expires_at <= now {
            OrderStatus::Expired
        } else {
            self.status
        }
    }

    /// Whether what is shown at `now` is what was written: a draft whose time came since then is shown as expired
    /// without a new version (hard case 19).
    pub(crate) fn is_as_written(&self, now: Timestamp) -> bool {
        self.status_at(now) == self.status
    }

    /// What it comes to, with tax. It was in range when the lines were made.
    pub(crate) fn total(&self) -> AmountMinor {
        self.subtotal.plus(self.tax).unwrap_or_default()
    }

    /// Until when goods are held that are put aside for the draft at `now`; never longer than it lasts.
    pub(crate) fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = u64::try_from(self.hold_seconds?).ok()?;
        let until = now.plus(Duration::from_secs(seconds));
        Some(until.min(self.expires_at))
    }

    /// The line with this id.
    pub(crate) fn line(&self, id: &OrderLineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == *id)
    }

    /// What is paid and not refunded.
    pub(crate) fn held(&self) -> AmountMinor {
        self.paid.minus(self.refunded).unwrap_or_default()
    }

    /// `paid` first, once it is placed and nothing more is owed; then `unpaid`, else `partial` (hard case 27).
    pub(crate) fn payment_status(&self) -> PaymentStatus {
        let wide = |amount: AmountMinor| i128::from(amount.get());
        let cancelled: i128 = self
            .lines
            .iter()
            .filter_map(|line| line.cancelled_worth().ok())
            .map(|worth| wide(worth.net) + wide(worth.tax))
            .sum();
        let due = wide(self.total()) - cancelled - wide(self.credited);
        let held = wide(self.held());
        if self.placed.is_some() && held >= due {
            PaymentStatus::Paid
        } else if held <= 0 {
            PaymentStatus::Unpaid
        } else {
            PaymentStatus::Partial
        }
    }

    /// `full` once every unit is shipped or cancelled, of which some are shipped.
    pub(crate) fn fulfilment_status(&self) -> FulfilmentStatus {
        if !self.any_shipped() {
            FulfilmentStatus::None
        } else if self.nothing_open() {
            FulfilmentStatus::Full
        } else {
            FulfilmentStatus::Partial
        }
    }

    /// The draft with its members changed at `now`; the same version if nothing is different. Later only the notes may.
    pub(crate) fn changed(&self, change: OrderChange, now: Timestamp) -> Result<Self, ChangeError> {
        let status = self.status_at(now);
        let only_notes =
            change.customer.is_none() && change.reference.is_none() && change.lines.is_none();
        if status != OrderStatus::Draft && !only_notes {
            return Err(ChangeError::State(status));
        }
        let mut order = self.clone();
        if let Some(customer) = change.customer {
            order.customer = customer;
        }
        if let Some(reference) = change.reference {
            order.reference = reference;
        }
        if let Some(notes) = change.notes {
            order.notes = notes;
        }
        if let Some(lines) = change.lines {
            let Worth { net, tax } = total(&lines).map_err(|_| ChangeError::OutOfRange)?;
            (order.lines, order.subtotal, order.tax) = (lines, net, tax);
        }
        if order != *self {
            order.touch(now);
        }
        Ok(order)
    }

    /// The draft confirmed at `now`, which is `date` at the office.
    pub(crate) fn confirmed(&self, now: Timestamp, date: Date) -> Result<Self, NotInState> {
        match self.status_at(now) {
            OrderStatus::Draft => {
                let mut order = self.clone();
                order.status = OrderStatus::Confirmed;
                order.placed = Some(Placed { at: now, date });
                order.touch(now);
                Ok(order)
            }
            other @ (OrderStatus::Confirmed
            | OrderStatus::Fulfilled
            | OrderStatus::Cancelled
            | OrderStatus::Expired) => Err(NotInState(other)),
        }
    }

    /// The draft ended because its time was up at `now`; `None` if that is not so, or was written already.
    pub(crate) fn expired(&self, now: Timestamp) -> Option<Self> {
        if self.is_as_written(now) {
            return None;
        }
        let mut order = self.clone();
        order.status = OrderStatus::Expired;
        order.touch(now);
        Some(order)
    }

    /// The order with units cancelled at `now`, and which, each line once: those named, else all.
    pub(crate) fn cancelled(
        &self,
        named: Option<&[LineUnits]>,
        now: Timestamp,
    ) -> Result<(Self, Vec<LineUnits>), CancelError> {
        match self.status_at(now) {
            // Of a fulfilled order nothing is open: what is refused below is that it is shipped.
            OrderStatus::Draft | OrderStatus::Confirmed | OrderStatus::Fulfilled => {}
            other @ (OrderStatus::Cancelled | OrderStatus::Expired) => {
                return Err(CancelError::State(other));
            }
        }
        if named.is_none() && self.any_shipped() {
            return Err(CancelError::AlreadyShipped(Vec::new()));
        }
        let wanted = named.map_or_else(|| Ok(self.all_open()), summed);
        let wanted = wanted.map_err(|OutOfRange| CancelError::OutOfRange)?;
        let too_many = self.too_many(&wanted, Line::open);
        if !too_many.is_empty() {
            return Err(CancelError::AlreadyShipped(too_many));
        }
        let mut order = self.clone();
        for units in &wanted {
            for line in order.lines.iter_mut().filter(|line| line.id == units.line) {
                // Not more than is open, so within the quantity.
                line.cancelled = line.cancelled.plus(units.quantity).unwrap_or(line.quantity);
            }
        }
        order.finish();
        order.touch(now);
        Ok((order, wanted))
    }

    /// Every unit that is neither shipped nor cancelled.
    pub(crate) fn all_open(&self) -> Vec<LineUnits> {
        let open = self.lines.iter().filter(|line| !line.open().is_zero());
        open.map(|line| LineUnits {
            line: line.id.clone(),
            quantity: line.open(),
        })
        .collect()
    }

    /// The lines of which more is wanted than `of` gives; a line that is not the order's has none.
    fn too_many(&self, wanted: &[LineUnits], of: impl Fn(&Line) -> Quantity) -> Vec<TooMany> {
        let more = |units: &LineUnits| {
            let line = self.line(&units.line);
            let open = line.map_or(Quantity::ZERO, &of);
            (units.quantity > open).then(|| TooMany {
                line: units.line.clone(),
                sku: line.map(|line| line.sku.clone()).unwrap_or_default(),
                wanted: units.quantity,
                open,
            })
        };
        wanted.iter().filter_map(more).collect()
    }

    fn any_shipped(&self) -> bool {
        self.lines.iter().any(|line| !line.shipped.is_zero())
    }

    fn nothing_open(&self) -> bool {
        self.lines.iter().all(|line| line.open().is_zero())
    }

    /// An order of which nothing is open any more is fulfilled if anything was shipped, else cancelled.
    fn finish(&mut self) {
        if self.nothing_open() {
            self.status = if self.any_shipped() {
                OrderStatus::Fulfilled
            } else {
                OrderStatus::Cancelled
            };
        }
    }

    fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }
}

/// Why an order stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeError {
    State(OrderStatus),
    OutOfRange,
}

#[cfg(test)]
mod tests;
