//! What payments, refunds, shipments and returns do to an order. What it owes less what was paid ahead is always what was
//! invoiced, less what was credited, less what was paid, plus what was refunded.

use kernel::{AmountMinor, Quantity, Timestamp, id::OrderLineId, money::OutOfRange};

use super::{Order, OrderStatus, TooMany};
use crate::domain::line::{Line, LineUnits, Worth, summed};

/// How an amount is posted; the parts add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Split {
    /// To account 1100.
    pub(crate) receivable: AmountMinor,
    /// To account 2200.
    pub(crate) deposit: AmountMinor,
}

/// Why nothing is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayError {
    State(OrderStatus),
    OutOfRange,
}

/// Why nothing is refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundError {
    /// More than was paid and not refunded.
    ExceedsPaid {
        refundable: AmountMinor,
    },
    OutOfRange,
}

/// Why nothing is shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShipError {
    State(OrderStatus),
    /// More of these lines than is open.
    NotReserved(Vec<TooMany>),
    OutOfRange,
}

/// Why nothing is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReturnError {
    /// More of these lines than was shipped and did not come back.
    ExceedsShipped(Vec<TooMany>),
    OutOfRange,
}

/// What some units of a line come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineWorth {
    pub(crate) line: OrderLineId,
    pub(crate) quantity: Quantity,
    pub(crate) worth: Worth,
    /// What the units had cost.
    pub(crate) cost: AmountMinor,
}

/// What a shipment invoices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invoice {
    /// One for each that was asked for, in that order.
    pub(crate) lines: Vec<LineWorth>,
    pub(crate) sum: Worth,
    /// The deposit applied to it.
    pub(crate) applied: AmountMinor,
}

/// What a return credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credit {
    /// One for each that was asked for, in that order.
    pub(crate) lines: Vec<LineWorth>,
    pub(crate) sum: Worth,
}

impl Order {
    /// The order with `amount` paid at `now`: first what it owes, the rest ahead.
    pub(crate) fn pay(
        &self,
        amount: AmountMinor,
        now: Timestamp,
    ) -> Result<(Self, Split), PayError> {
        match self.status_at(now) {
            OrderStatus::Confirmed | OrderStatus::Fulfilled => {}
            other @ (OrderStatus::Draft | OrderStatus::Cancelled | OrderStatus::Expired) => {
                return Err(PayError::State(other));
            }
        }
        self.with_payment(amount, now)
            .map_err(|OutOfRange| PayError::OutOfRange)
    }

    fn with_payment(
        &self,
        amount: AmountMinor,
        now: Timestamp,
    ) -> Result<(Self, Split), OutOfRange> {
        let receivable = amount.min(self.receivable.max(AmountMinor::ZERO));
        let deposit = amount.minus(receivable)?;
        let mut order = self.clone();
        order.paid = self.paid.plus(amount)?;
        order.receivable = self.receivable.minus(receivable)?;
        order.deposit = self.deposit.plus(deposit)?;
        order.touch(now);
        Ok((
            order,
            Split {
                receivable,
                deposit,
            },
        ))
    }

    /// The order with `amount` refunded at `now`, in whatever state it is: first what was paid ahead.
    pub(crate) fn refund(
        &self,
        amount: AmountMinor,
        now: Timestamp,
    ) -> Result<(Self, Split), RefundError> {
        let refundable = self.held();
        if amount > refundable {
            return Err(RefundError::ExceedsPaid { refundable });
        }
        self.with_refund(amount, now)
            .map_err(|OutOfRange| RefundError::OutOfRange)
    }

    fn with_refund(
        &self,
        amount: AmountMinor,
        now: Timestamp,
    ) -> Result<(Self, Split), OutOfRange> {
        let deposit = amount.min(self.deposit);
        let receivable = amount.minus(deposit)?;
        let mut order = self.clone();
        order.refunded = self.refunded.plus(amount)?;
        order.deposit = self.deposit.minus(deposit)?;
        order.receivable = self.receivable.plus(receivable)?;
        order.touch(now);
        Ok((
            order,
            Split {
                receivable,
                deposit,
            },
        ))
    }

    /// Whether these units can be shipped at `now`. One line may be named several times.
    pub(crate) fn check_shipment(
        &self,
        wanted: &[LineUnits],
        now: Timestamp,
    ) -> Result<(), ShipError> {
        match self.status_at(now) {
            OrderStatus::Confirmed => {}
            other @ (OrderStatus::Draft
            | OrderStatus::Fulfilled
            | OrderStatus::Cancelled
            | OrderStatus::Expired) => return Err(ShipError::State(other)),
        }
        let summed = summed(wanted).map_err(|OutOfRange| ShipError::OutOfRange)?;
        let too_many = self.too_many(&summed, Line::open);
        if too_many.is_empty() {
            Ok(())
        } else {
            Err(ShipError::NotReserved(too_many))
        }
    }

    /// The order with units shipped at `now`, each with what its units had cost, and what that invoices.
    pub(crate) fn ship(
        &self,
        wanted: &[(LineUnits, AmountMinor)],
        now: Timestamp,
    ) -> Result<(Self, Invoice), ShipError> {
        let units: Vec<LineUnits> = wanted.iter().map(|(units, _)| units.clone()).collect();
        self.check_shipment(&units, now)?;
        self.with_shipment(wanted, now)
            .map_err(|OutOfRange| ShipError::OutOfRange)
    }

    fn with_shipment(
        &self,
        wanted: &[(LineUnits, AmountMinor)],
        now: Timestamp,
    ) -> Result<(Self, Invoice), OutOfRange> {
        let mut order = self.clone();
        let (mut lines, mut sum) = (Vec::with_capacity(wanted.len()), Worth::default());
        for (LineUnits { line: id, quantity }, cost) in wanted {
            for line in order.lines.iter_mut().filter(|line| line.id == *id) {
                let shipped = line.shipped.plus(*quantity)?;
                let worth = line.between(line.shipped, shipped)?;
                line.shipped = shipped;
                line.cost = line.cost.plus(*cost)?;
                sum = sum.plus(worth)?;
                lines.push(LineWorth {
                    line: id.clone(),
                    quantity: *quantity,
                    worth,
                    cost: *cost,
                });
            }
        }
        let gross = sum.gross()?;
        order.invoiced = order.invoiced.plus(gross)?;
        let receivable = order.receivable.plus(gross)?;
        let applied = order.deposit.min(receivable.max(AmountMinor::ZERO));
        order.receivable = receivable.minus(applied)?;
        order.deposit = order.deposit.minus(applied)?;
        order.finish();
        order.touch(now);
        Ok((
            order,
            Invoice {
                lines,
                sum,
                applied,
            },
        ))
    }

    /// The order with units brought back at `now`, and what that credits. One line may be named several times.
    pub(crate) fn take_back(
        &self,
        wanted: &[LineUnits],
        now: Timestamp,
    ) -> Result<(Self, Credit), ReturnError> {
        let summed = summed(wanted).map_err(|OutOfRange| ReturnError::OutOfRange)?;
        let too_many = self.too_many(&summed, Line::returnable);
        if !too_many.is_empty() {
            return Err(ReturnError::ExceedsShipped(too_many));
        }
        self.with_return(wanted, now)
            .map_err(|OutOfRange| ReturnError::OutOfRange)
    }

    fn with_return(
        &self,
        wanted: &[LineUnits],
        now: Timestamp,
    ) -> Result<(Self, Credit), OutOfRange> {
        let mut order = self.clone();
        let (mut lines, mut sum) = (Vec::with_capacity(wanted.len()), Worth::default());
        for LineUnits { line: id, quantity } in wanted {
            for line in order.lines.iter_mut().filter(|line| line.id == *id) {
                let returned = line.returned.plus(*quantity)?;
                let worth = line.between(line.returned, returned)?;
                // Units shipped since the last return may have cost less: then nothing more comes back.
                let cost_returned = line
                    .cost
                    .share(returned, line.shipped)?
                    .max(line.cost_returned);
                let cost = cost_returned.minus(line.cost_returned)?;
                (line.returned, line.cost_returned) = (returned, cost_returned);
                sum = sum.plus(worth)?;
                lines.push(LineWorth {
                    line: id.clone(),
                    quantity: *quantity,
                    worth,
                    cost,
                });
            }
        }
        let gross = sum.gross()?;
        order.credited = order.credited.plus(gross)?;
        order.receivable = order.receivable.minus(gross)?;
        order.touch(now);
        Ok((order, Credit { lines, sum }))
    }
}
