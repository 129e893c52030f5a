//! A line of an order: so many units of one item from one location, at the price and tax rate of the moment in which it
//! was made.

use kernel::{
    AmountMinor, LocationCode, Quantity,
    id::{ItemId, OrderLineId},
    money::OutOfRange,
};

/// 100 % in basis points.
const BASIS: i128 = 10_000;

/// A line of an order. Shipped + cancelled ≤ quantity; returned ≤ shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: OrderLineId,
    pub(crate) item: ItemId,
    pub(crate) location: LocationCode,
    pub(crate) sku: String,
    pub(crate) name: String,
    /// At least one.
    pub(crate) quantity: Quantity,
    /// Net.
    pub(crate) unit_price: AmountMinor,
    /// 0 to 10 000.
    pub(crate) tax_rate_bp: i64,
    pub(crate) shipped: Quantity,
    pub(crate) returned: Quantity,
    pub(crate) cancelled: Quantity,
    /// What the units shipped so far had cost.
    pub(crate) cost: AmountMinor,
    /// How much of that came back.
    pub(crate) cost_returned: AmountMinor,
}

/// Some units of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineUnits {
    pub(crate) line: OrderLineId,
    /// At least one.
    pub(crate) quantity: Quantity,
}

/// The same units with each line named once, since demand is checked on the sum.
pub(crate) fn summed(units: &[LineUnits]) -> Result<Vec<LineUnits>, OutOfRange> {
    let mut sums: Vec<LineUnits> = Vec::with_capacity(units.len());
    for LineUnits { line, quantity } in units {
        match sums.iter_mut().find(|sum| sum.line == *line) {
            Some(sum) => sum.quantity = sum.quantity.plus(*quantity)?,
            None => sums.push(LineUnits {
                line: line.clone(),
                quantity: *quantity,
            }),
        }
    }
    Ok(sums)
}

/// What some units of a line come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Worth {
    pub(crate) net: AmountMinor,
    pub(crate) tax: AmountMinor,
}

impl Worth {
    /// With the tax.
    pub(crate) fn gross(self) -> Result<AmountMinor, OutOfRange> {
        self.net.plus(self.tax)
    }

    pub(crate) fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            net: self.net.plus(other.net)?,
            tax: self.tax.plus(other.tax)?,
        })
    }

    fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            net: self.net.minus(other.net)?,
            tax: self.tax.minus(other.tax)?,
        })
    }
}

impl Line {
    /// What the first `units` of the line come to: the tax is rounded half up once, on all of them. What comes in parts
    /// is the difference of two of these, so that the parts add up to the line.
    pub(crate) fn part(&self, units: Quantity) -> Result<Worth, OutOfRange> {
        let net = self.unit_price.times(units)?;
        let tax = i128::from(net.get()) * i128::from(self.tax_rate_bp);
        let tax = AmountMinor::from_wide((2 * tax + BASIS).div_euclid(2 * BASIS))?;
        let worth = Worth { net, tax };
        worth.gross()?;
        Ok(worth)
    }

    /// What units `before` to `after` come to.
    pub(crate) fn between(&self, before: Quantity, after: Quantity) -> Result<Worth, OutOfRange> {
        self.part(after)?.minus(self.part(before)?)
    }

    /// What the cancelled units would have come to.
    pub(crate) fn cancelled_worth(&self) -> Result<Worth, OutOfRange> {
        let kept = self.quantity.minus(self.cancelled).unwrap_or_default();
        self.between(kept, self.quantity)
    }

    /// Units that are neither shipped nor cancelled.
    pub(crate) fn open(&self) -> Quantity {
        let left = self.quantity.minus(self.shipped).unwrap_or_default();
        left.minus(self.cancelled).unwrap_or_default()
    }

    /// Units that were shipped and did not come back.
    pub(crate) fn returnable(&self) -> Quantity {
        self.shipped.minus(self.returned).unwrap_or_default()
    }
}
