//! What a receipt or an adjustment did.

use accounting::EntryView;
use kernel::{Reply, id::EntryId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{json_text, level::MovementView};
use crate::domain::movement::Movement;

/// The movements that a document made, and the journal entry of what they were worth.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockRecorded)]
pub(crate) struct RecordedView {
    /// One per line of a receipt; none where a count found what was expected.
    movements: Vec<MovementView>,
    /// Null where nothing that moved was worth anything.
    journal_entry: Option<EntryView>,
}

impl RecordedView {
    /// Of nothing yet.
    pub(crate) fn new(journal_entry: Option<EntryView>) -> Self {
        Self {
            movements: Vec::new(),
            journal_entry,
        }
    }

    pub(crate) fn entry_id(&self) -> Option<&EntryId> {
        self.journal_entry.as_ref().map(EntryView::id)
    }

    pub(crate) fn push(&mut self, movement: &Movement) {
        self.movements.push(MovementView::from(movement));
    }

    /// The answer to the document: the first movement stands for it, since it has no id of its own.
    pub(crate) fn reply(&self) -> Reply {
        let movements = self
            .movements
            .iter()
            .map(|movement| movement.id.to_string());
        let location = self
            .movements
            .first()
            .map(|first| format!("/v1/warehouse/movements/{}", first.id));
        Reply {
            status: 201,
            location,
            version: None,
            body: Some(json_text(self)),
            effect_ids: movements
                .chain(self.entry_id().map(ToString::to_string))
                .collect(),
        }
    }
}
