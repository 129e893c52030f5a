//! Journal entries.

use kernel::{
    AccountCode, CurrencyCode, Date, OfficeCode, PositiveAmount, RegionTag, Reply, Timestamp,
    id::{EntryId, PostingId},
};
use platform_db::AsOf;
use platform_http::Listed;
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::entry::{Entry, Posting, Source, Subject};

/// A journal entry. Nothing of it changes once it is recorded; a second entry may reverse it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct EntryView {
    #[schema(value_type = String, example = "jrn_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    pub(crate) id: EntryId,
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    pub(crate) home_region: RegionTag,
    /// ISO 4217; the currency of the office.
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// The business date, in the time zone of the office.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    pub(crate) effective_date: Date,
    /// When we learned of it.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) recorded_at: Timestamp,
    /// Subject of the token that recorded it.
    #[schema(example = "ada")]
    pub(crate) recorded_by: String,
    #[schema(example = "Rent of November")]
    pub(crate) description: String,
    /// The order or transfer that it is about.
    pub(crate) subject: Option<SubjectView>,
    /// Which rule made it, of what; null for manual entries and reversals.
    pub(crate) source: Option<SourceView>,
    /// The entry that it takes back.
    #[schema(value_type = Option<String>)]
    pub(crate) reverses: Option<EntryId>,
    /// The entry that takes it back.
    #[schema(value_type = Option<String>)]
    pub(crate) reversed_by: Option<EntryId>,
    /// In the order given.
    pub(crate) postings: Vec<PostingView>,
    /// 1; 2 once it is reversed.
    #[schema(minimum = 1, example = 1)]
    pub(crate) version: i64,
    /// The same as `recorded_at`.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// When it was recorded, or reversed.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// One page of journal entries.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = JournalEntryPage)]
pub(crate) struct EntryPage {
    #[serde(flatten)]
    pub(crate) listed: Listed<EntryView>,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// An amount that moves from one account to another.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Posting)]
pub(crate) struct PostingView {
    #[schema(value_type = String, example = "pst_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    pub(crate) id: PostingId,
    /// The account debited.
    #[schema(value_type = String, example = "5900")]
    pub(crate) debit: AccountCode,
    /// The account credited.
    #[schema(value_type = String, example = "1000")]
    pub(crate) credit: AccountCode,
    /// Minor units of the entry's currency.
    #[schema(value_type = i64, minimum = 1, example = 120_000)]
    pub(crate) amount_minor: PositiveAmount,
    #[schema(example = "November")]
    pub(crate) memo: Option<String>,
}

/// What an entry is about.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EntrySubject)]
pub(crate) struct SubjectView {
    /// `order`, `transfer`.
    #[serde(rename = "type")]
    #[schema(example = "order")]
    pub(crate) kind: String,
    /// Its id.
    pub(crate) id: String,
}

/// What made an entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EntrySource)]
pub(crate) struct SourceView {
    /// Kind of what it was made of.
    #[serde(rename = "type")]
    #[schema(example = "receipt")]
    pub(crate) kind: String,
    /// Its id.
    pub(crate) id: String,
    /// Name of the rule.
    #[schema(example = "receipt")]
    pub(crate) rule: String,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id.clone(),
            office: entry.office.clone(),
            home_region: entry.id.region().clone(),
            currency: entry.currency.clone(),
            effective_date: entry.effective_date,
            recorded_at: entry.recorded_at,
            recorded_by: entry.recorded_by.clone(),
            description: entry.description.clone(),
            subject: entry.subject.as_ref().map(SubjectView::from),
            source: entry.source.as_ref().map(SourceView::from),
            reverses: entry.reverses.clone(),
            reversed_by: entry.reversed.as_ref().map(|reversed| reversed.by.clone()),
            postings: entry.postings.iter().map(PostingView::from).collect(),
            version: entry.version(),
            created_at: entry.recorded_at,
            updated_at: entry.updated_at(),
            is_final: None,
        }
    }
}

impl From<&Posting> for PostingView {
    fn from(posting: &Posting) -> Self {
        Self {
            id: posting.id.clone(),
            debit: posting.debit.clone(),
            credit: posting.credit.clone(),
            amount_minor: posting.amount,
            memo: posting.memo.clone(),
        }
    }
}

impl From<&Subject> for SubjectView {
    fn from(subject: &Subject) -> Self {
        Self {
            kind: subject.kind.clone(),
            id: subject.id.clone(),
        }
    }
}

impl From<&Source> for SourceView {
    fn from(source: &Source) -> Self {
        Self {
            kind: source.kind.clone(),
            id: source.id.clone(),
            rule: source.rule.clone(),
        }
    }
}

impl EntryView {
    /// The entry's id.
    #[must_use]
    pub fn id(&self) -> &EntryId {
        &self.id
    }

    /// Path of the entry.
    /// The office whose books it is in.
    #[must_use]
    pub fn office(&self) -> &OfficeCode {
        &self.office
    }

    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/accounting/journal-entries/{}", self.id)
    }

    /// The answer that shows a new entry.
    pub(crate) fn created(&self) -> Reply {
        let effects = [&self.id].into_iter().chain(&self.reverses);
        Reply {
            status: 201,
            location: Some(self.path()),
            version: Some(self.version),
            body: Some(json_text(self)),
            effect_ids: effects.map(EntryId::to_string).collect(),
        }
    }

    /// The entry as a past moment shows it.
    pub(crate) fn at(mut self, as_of: Option<AsOf>) -> Self {
        self.is_final = as_of.map(|as_of| as_of.is_final);
        self
    }
}
