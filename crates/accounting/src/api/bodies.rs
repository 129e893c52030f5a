//! Request bodies → commands: every broken rule is named by its JSON Pointer, and after this nobody checks again.

use kernel::{
    AccountCode, CurrencyCode, Date, Invalid, OfficeCode, PositiveAmount,
    text::{NAME_MAX, TEXT_MAX},
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    domain::{
        account::{AccountType, Side},
        entry::total,
        manual::{ManualEntry, ManualPosting, POSTINGS_MAX, faults},
    },
    ops::{create_account::CreateAccount, reverse_journal_entry::ReverseEntry},
    views::accounts::{AccountTypeName, SideName},
};

const SERVER_SET: &[&str] = &["version", "created_at", "updated_at", "home_region"];

/// A new journal entry.
#[derive(Debug, ToSchema)]
#[schema(as = NewJournalEntry, example = json!({"office": "ber", "currency": "EUR", "description": "Rent of November",
    "effective_date": "2026-11-01", "postings": [{"debit": "5900", "credit": "1000", "amount_minor": 120_000, "memo": "Depot"}]}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_journal_entry` below reads"
)]
pub(super) struct EntryBody {
    office: String,
    /// The currency of the office.
    currency: String,
    #[schema(min_length = 1, max_length = 2000)]
    description: String,
    /// Their order is kept.
    #[schema(min_items = 1, max_items = 500)]
    postings: Vec<PostingBody>,
    /// The business date, in the time zone of the office; default: today.
    #[schema(format = Date)]
    effective_date: Option<String>,
}

/// An amount to move.
#[derive(Debug, ToSchema)]
#[schema(as = NewPosting)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_journal_entry` below reads"
)]
pub(super) struct PostingBody {
    /// The account debited. Not 1300 or 1350, which only stock and transfers move.
    #[schema(example = "5900")]
    debit: String,
    /// The account credited: another one.
    #[schema(example = "1000")]
    credit: String,
    /// Minor units of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 120_000)]
    amount_minor: i64,
    #[schema(min_length = 1, max_length = 2000)]
    memo: Option<String>,
}

pub(super) fn create_journal_entry(body: &Value) -> Result<ManualEntry, Invalid> {
    let mut fields = Fields::of(body);
    let office = fields.parse::<OfficeCode>("office");
    let currency = fields.parse::<CurrencyCode>("currency");
    let description = fields.text("description", TEXT_MAX);
    // What was read of every posting, also of one that lacks something.
    let mut sides = Vec::new();
    let postings = fields.list("postings", POSTINGS_MAX, |posting| {
        let debit = posting.parse::<AccountCode>("debit");
        let credit = posting.parse::<AccountCode>("credit");
        let amount = posting.amount("amount_minor", 1);
        let memo = posting.opt_text("memo", TEXT_MAX);
        sides.push((debit.clone(), credit.clone()));
        Some(ManualPosting {
            debit: debit?,
            credit: credit?,
            amount: amount?,
            memo,
        })
    });
    if let Some(postings) = &postings {
        check_size(&mut fields, sides.len(), postings);
    }
    let effective_date = fields.opt_parse::<Date>("effective_date");
    fields.read_only(&[
        "id",
        "recorded_at",
        "recorded_by",
        "subject",
        "source",
        "reverses",
        "reversed_by",
    ]);
    fields.read_only(SERVER_SET);
    let entry = fields.finish(|| {
        Some(ManualEntry {
            office: office?,
            currency: currency?,
            description: description?,
            effective_date,
            postings: postings?,
        })
    });
    entry.map_err(|mut invalid| {
        let pairs = sides.iter().enumerate();
        let pairs = pairs.map(|(index, (debit, credit))| (index, debit.as_ref(), credit.as_ref()));
        invalid.errors.extend(faults(pairs));
        invalid
    })
}

/// `sent`: how many postings there are, also of those that could not be read.
fn check_size(fields: &mut Fields<'_>, sent: usize, postings: &[ManualPosting]) {
    if sent == 0 {
        fields.error("postings", "length", "must have at least one element");
    }
    let amounts = postings
        .iter()
        .filter_map(|posting| PositiveAmount::of(posting.amount));
    if total(amounts).is_none() {
        fields.error(
            "postings",
            "amount_out_of_range",
            format!("must not add up to more than {}", kernel::money::AMOUNT_MAX),
        );
    }
}

/// Why an entry is taken back.
#[derive(Debug, ToSchema)]
#[schema(as = Reversal, example = json!({"reason": "Paid twice"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `reverse_journal_entry` below reads"
)]
pub(super) struct ReversalBody {
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// The business date of the reversal, in the time zone of the office; default: today.
    #[schema(format = Date)]
    effective_date: Option<String>,
}

pub(super) fn reverse_journal_entry(body: &Value) -> Result<ReverseEntry, Invalid> {
    let mut fields = Fields::of(body);
    let reason = fields.text("reason", TEXT_MAX);
    let effective_date = fields.opt_parse::<Date>("effective_date");
    fields.finish(|| {
        Some(ReverseEntry {
            reason: reason?,
            effective_date,
        })
    })
}

/// A new account.
#[derive(Debug, ToSchema)]
#[schema(as = NewAccount, example = json!({"code": "6100", "name": "Rent", "type": "expense", "normal": "debit"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_account` below reads"
)]
pub(super) struct AccountBody {
    /// Unique for ever.
    #[schema(pattern = "^[0-9A-Za-z][0-9A-Za-z.-]{0,31}$")]
    code: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    r#type: AccountTypeName,
    normal: SideName,
}

pub(super) fn create_account(body: &Value) -> Result<CreateAccount, Invalid> {
    let mut fields = Fields::of(body);
    let code = fields.parse::<AccountCode>("code");
    let name = fields.text("name", NAME_MAX);
    let kind = fields.parse::<AccountType>("type");
    let normal = fields.parse::<Side>("normal");
    fields.read_only(&["status", "office"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(CreateAccount {
            code: code?,
            name: name?,
            kind: kind?,
            normal: normal?,
        })
    })
}

/// Why a month is opened again.
#[derive(Debug, ToSchema)]
#[schema(as = PeriodReopening, example = json!({"reason": "The landlord's invoice came late."}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `reopen_period` below reads"
)]
pub(super) struct ReopenBody {
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

pub(super) fn reopen_period(body: &Value) -> Result<String, Invalid> {
    let mut fields = Fields::of(body);
    let reason = fields.text("reason", TEXT_MAX);
    fields.finish(|| reason)
}

/// A body that says nothing: absent or `{}`.
pub(super) fn nothing(body: &Value) -> Result<(), Invalid> {
    Fields::of(body).finish(|| Some(()))
}

/// The office that a body names, if it can be one.
pub(super) fn office(body: &Value) -> Option<OfficeCode> {
    body.get("office")?.as_str()?.parse().ok()
}
