//! Reports as shown, and as tables.

use accounting::reports::TrialBalanceRow;
use kernel::{
    AccountCode, AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag,
    id::{EntryId, ItemId, LevelId, OrderId, OrderLineId, PostingId},
    money::OutOfRange,
};
use platform_http::{Tabled, csv};
use serde::Serialize;
use utoipa::ToSchema;
use warehouse::reports::Valued;

/// What every account of every office had, moved and has.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TrialBalance {
    /// Ordered by office, currency and account; accounts where nothing is and nothing moved are left out.
    data: Vec<TrialBalanceLine>,
    /// Per currency: debits equal credits.
    totals: Vec<TrialBalanceTotal>,
    /// Regions that could not be asked: `regions/ap1`.
    unreachable: Vec<String>,
    /// With `as_of`: whether the same question will always have this answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
}

/// One account of one office. Amounts are debit-positive.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TrialBalanceLine {
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(value_type = String, example = "1300")]
    account: AccountCode,
    /// Debits less credits before `from`.
    #[schema(value_type = i64, example = 0)]
    opening_minor: AmountMinor,
    #[schema(value_type = i64, example = 480_000)]
    debit_minor: AmountMinor,
    #[schema(value_type = i64, example = 30_000)]
    credit_minor: AmountMinor,
    /// `opening_minor` + `debit_minor` − `credit_minor`.
    #[schema(value_type = i64, example = 450_000)]
    closing_minor: AmountMinor,
}

/// What moved in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct TrialBalanceTotal {
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(value_type = i64, example = 510_000)]
    debit_minor: AmountMinor,
    #[schema(value_type = i64, example = 510_000)]
    credit_minor: AmountMinor,
}

impl TrialBalance {
    /// Adds the lines up, per currency.
    pub(crate) fn of(
        rows: Vec<TrialBalanceRow>,
        unreachable: &[RegionTag],
        is_final: Option<bool>,
    ) -> Result<Self, OutOfRange> {
        let mut sums = std::collections::BTreeMap::<CurrencyCode, (i128, i128)>::new();
        for row in &rows {
            let (debit, credit) = sums.entry(row.currency.clone()).or_default();
            *debit += i128::from(row.debit.get());
            *credit += i128::from(row.credit.get());
        }
        let totals = sums.into_iter().map(|(currency, (debit, credit))| {
            Ok(TrialBalanceTotal {
                currency,
                debit_minor: AmountMinor::from_wide(debit)?,
                credit_minor: AmountMinor::from_wide(credit)?,
            })
        });
        Ok(Self {
            totals: totals.collect::<Result<_, _>>()?,
            data: rows.into_iter().map(TrialBalanceLine::from).collect(),
            unreachable: unreachable.iter().map(RegionTag::resource).collect(),
            is_final,
        })
    }
}

impl From<TrialBalanceRow> for TrialBalanceLine {
    fn from(row: TrialBalanceRow) -> Self {
        Self {
            office: row.office,
            currency: row.currency,
            account: row.account,
            opening_minor: row.opening,
            debit_minor: row.debit,
            credit_minor: row.credit,
            closing_minor: row.closing,
        }
    }
}

impl Tabled for TrialBalance {
    const COLUMNS: &'static [&'static str] = &[
        "office",
        "currency",
        "account",
        "opening_minor",
        "debit_minor",
        "credit_minor",
        "closing_minor",
    ];

    fn write_rows(&self, table: &mut csv::Table) {
        for line in &self.data {
            table.row(&[
                line.office.as_str().into(),
                line.currency.as_str().into(),
                line.account.as_str().into(),
                line.opening_minor.get().into(),
                line.debit_minor.get().into(),
                line.credit_minor.get().into(),
                line.closing_minor.get().into(),
            ]);
        }
    }
}

/// What stock is worth, place by place, and what the books say of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockValuation {
    /// Ordered by office, location and SKU; levels with nothing on hand are left out.
    pub(crate) data: Vec<StockValue>,
    /// What the stock of each office is worth, beside the balance of its account 1300: the same.
    pub(crate) offices: Vec<OfficeStockValue>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
    /// With `as_of`: whether the same question will always have this answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub(crate) is_final: Option<bool>,
}

/// The stock of one item at one location.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockValue {
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    #[schema(value_type = String, example = "ber-main")]
    pub(crate) location: LocationCode,
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) item: ItemId,
    #[schema(example = "LAMP-7")]
    pub(crate) sku: String,
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    #[schema(value_type = i64, minimum = 0, example = 40)]
    pub(crate) on_hand: Quantity,
    /// `value_minor ÷ on_hand`, half-up.
    #[schema(value_type = i64, minimum = 0, example = 12_000)]
    pub(crate) unit_cost_minor: AmountMinor,
    #[schema(value_type = i64, minimum = 0, example = 480_000)]
    pub(crate) value_minor: AmountMinor,
}

impl From<Valued> for StockValue {
    fn from(valued: Valued) -> Self {
        Self {
            office: valued.office,
            location: valued.location,
            item: valued.item,
            sku: valued.sku,
            currency: valued.currency,
            on_hand: valued.on_hand,
            unit_cost_minor: valued.unit_cost_minor,
            value_minor: valued.value_minor,
        }
    }
}

/// What the stock of an office is worth, by its levels and by its books.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OfficeStockValue {
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    #[schema(value_type = i64, minimum = 0, example = 480_000)]
    pub(crate) value_minor: AmountMinor,
    /// The balance of account 1300, debit-positive.
    #[schema(value_type = i64, example = 480_000)]
    pub(crate) account_1300_minor: AmountMinor,
}

impl Tabled for StockValuation {
    const COLUMNS: &'static [&'static str] = &[
        "office",
        "location",
        "item",
        "sku",
        "currency",
        "on_hand",
        "unit_cost_minor",
        "value_minor",
    ];

    fn write_rows(&self, table: &mut csv::Table) {
        for row in &self.data {
            table.row(&[
                row.office.as_str().into(),
                row.location.as_str().into(),
                (&row.item.to_string()).into(),
                (&row.sku).into(),
                row.currency.as_str().into(),
                row.on_hand.get().into(),
                row.unit_cost_minor.get().into(),
                row.value_minor.get().into(),
            ]);
        }
    }
}

/// What must always hold between orders, stock and books, checked at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Integrity {
    pub(crate) invariants: Vec<Invariant>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
}

/// One rule, and whether it holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Invariant {
    /// `I1`: every posting has an amount above zero and two different accounts of its office and currency.
    /// `I2`: the value of an office's stock is the balance of its account 1300, the value of its goods in transit
    /// that of 1350. `I3`: what a level has on hand is the sum of its movements, what it has reserved that of its
    /// active reservations. `I4`: of every line shipped + cancelled ≤ quantity and returned ≤ shipped; orders, shipments
    /// and returns are the sums of their parts; what confirmed orders have still to ship is put aside for them. `I5`: of
    /// every order 1100 − 2200 = invoiced − credited − paid + refunded, and both accounts hold what the order says. `I6`:
    /// every acknowledged key has one effect, and the feed the events of every write.
    #[schema(example = "I1")]
    pub(crate) code: &'static str,
    pub(crate) status: InvariantStatus,
    /// How often it is broken.
    #[schema(minimum = 0, example = 0)]
    pub(crate) violations: i64,
    /// The first ten.
    pub(crate) offenders: Vec<Offender>,
}

/// Whether an invariant holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvariantStatus {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// It does where that could be seen, but a region could not be asked.
    Unknown,
}

impl InvariantStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// Where an invariant is broken; members that say nothing of it are left out.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Offender {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ber")]
    pub(crate) office: Option<OfficeCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1300")]
    pub(crate) account: Option<AccountCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) currency: Option<CurrencyCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) entry: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) posting: Option<PostingId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) level: Option<LevelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) order: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) line: Option<OrderLineId>,
    /// The request that wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// What of it does not hold.
    #[schema(example = "value_minor")]
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 480_000)]
    pub(crate) expected: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 479_999)]
    pub(crate) found: Option<Figure>,
}

/// A number that may be wrong in any way: beyond ±(2^53 − 1) it is shown as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure(pub(crate) i128);

impl Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match AmountMinor::from_wide(self.0) {
            Ok(amount) => amount.serialize(serializer),
            Err(OutOfRange) => serializer.collect_str(&self.0),
        }
    }
}

impl Tabled for Integrity {
    const COLUMNS: &'static [&'static str] = &["code", "status", "violations"];

    fn write_rows(&self, table: &mut csv::Table) {
        for invariant in &self.invariants {
            table.row(&[
                invariant.code.into(),
                invariant.status.as_str().into(),
                invariant.violations.into(),
            ]);
        }
    }
}
