//! What a write's closure works with.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{Id, Intent, Kind, OfficeCode, RegionTag, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::{DbError, SearchEntry, Session, keys};

/// A serializable transaction. What it emits is stored with its effect, in one statement before COMMIT.
#[derive(Debug)]
pub struct Txn<'c> {
    session: &'c Session,
    intent: &'c Intent,
    notes: Mutex<Notes>,
}

/// What the closure left for the runner.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) now: Timestamp,
    pub(crate) office: Option<OfficeCode>,
    pub(crate) events: Vec<Event>,
    /// Kinds and subjects of the events of rows, which are stored before COMMIT.
    pub(crate) of_rows: Vec<(&'static str, String)>,
    pub(crate) entries: Vec<SearchEntry>,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    /// How many ids of each kind the closure has taken.
    ids: BTreeMap<&'static str, u32>,
}

/// Something happened to a resource. Its id and time are the runner's.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `warehouse.item.created`
    pub kind: &'static str,
    /// Id of the resource.
    pub subject: String,
    /// Office of the resource; `None` for what belongs to none.
    pub office: Option<OfficeCode>,
    /// Version of the resource after it.
    pub resource_version: i64,
    /// What the resource is now; ids instead of personal data.
    pub data: Value,
}

impl<'c> Txn<'c> {
    pub(crate) fn new(session: &'c Session, intent: &'c Intent) -> Self {
        Self::at(session, intent, intent.call.received_at())
    }

    pub(crate) fn at(session: &'c Session, intent: &'c Intent, now: Timestamp) -> Self {
        let notes = Notes {
            now,
            office: intent.office.clone(),
            events: Vec::new(),
            of_rows: Vec::new(),
            entries: Vec::new(),
            before: None,
            after: None,
            ids: BTreeMap::new(),
        };
        Self {
            session,
            intent,
            notes: Mutex::new(notes),
        }
    }

    pub(crate) fn into_notes(self) -> Notes {
        self.notes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The write.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        self.intent
    }

    /// Tells of a time found on a locked row (`created_at`, `updated_at`, `recorded_at`), so that what this
    /// transaction writes is younger.
    pub fn observe(&self, found: Timestamp) {
        let mut notes = self.notes();
        notes.now = notes.now.max(found.plus(Duration::from_millis(1)));
    }

    /// The time to stamp rows with: the request's, or 1 ms after the newest time observed. Ask after observing.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.notes().now
    }

    /// The id of the next new resource of kind `K`, homed in `region`: it derives from the write's key and from how
    /// many of its kind were made before, so that every attempt of the write names the same ones.
    #[must_use]
    pub fn new_id<K: Kind>(&self, region: &RegionTag) -> Id<K> {
        let mut notes = self.notes();
        let taken = notes.ids.entry(K::PREFIX).or_default();
        let index = *taken;
        *taken += 1;
        drop(notes);
        self.intent.new_id(region.clone(), index)
    }

    /// Names the office written to, where only the row told it: whoever loses it sees no replay.
    pub fn belongs_to(&self, office: &OfficeCode) {
        self.notes().office = Some(office.clone());
    }

    /// Stores an event with the effect.
    pub fn emit(&self, event: Event) {
        self.notes().events.push(event);
    }

    /// Remembers what the events of a row were of.
    pub(crate) fn emitted(&self, row: &Notes) {
        let events = row.events.iter();
        let of_row = events.map(|event| (event.kind, event.subject.clone()));
        self.notes().of_rows.extend(of_row);
    }

    pub(crate) fn found_by(&self, entry: SearchEntry) {
        self.notes().entries.push(entry);
    }

    /// Names this write for [`scrub`](Self::scrub): where its stored answer holds personal data, keep it beside them.
    #[must_use]
    pub fn write_id(&self) -> Uuid {
        keys::write_id(&self.intent.principal, &self.intent.key)
    }

    /// Takes the bodies out of the stored answers of those writes to this write's home region. What is left of an answer
    /// (status, path, version) is what a repeat gets; whoever needs a body renders it anew (hard case 38).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn scrub(&self, writes: &[Uuid]) -> Result<(), DbError> {
        self.execute(keys::SCRUB, &[&self.intent.home, &writes])
            .await
            .map(drop)
    }

    /// What the audit row says of the resource before and after. Personal data masked by the caller.
    pub fn audit(&self, before: Option<Value>, after: Option<Value>) {
        let mut notes = self.notes();
        notes.before = before;
        notes.after = after;
    }
}

impl Deref for Txn<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}
