//! Rows of several systems, of one moment.

use std::str::FromStr;

use accounting::export::Entries;
use kernel::{Call, Date, OpError, Order, PageRequest, ReadWant, Timestamp};
use platform_db::{AsOf, Db, DbError, Never, ReadOver, Session, Snapshot, offices::OfficeHome};
use platform_http::{Export, ExportRow, ExportSink, ExportStopped};

/// Rows read at once. An order or an entry has hundreds of lines at most, a movement has one.
const ROWS: u16 = 1000;
/// Documents with lines read at once.
const DOCUMENTS: u16 = 100;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Orders,
    Movements,
    JournalEntries,
    Customers,
    Items,
}

impl Resource {
    const ALL: &[Self] = &[
        Self::Orders,
        Self::Movements,
        Self::JournalEntries,
        Self::Customers,
        Self::Items,
    ];

    /// As in the path and in the rows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Movements => "movements",
            Self::JournalEntries => "journal-entries",
            Self::Customers => "customers",
            Self::Items => "items",
        }
    }

    /// Whether its rows are only ever added, so that a past moment can be told from them.
    pub(crate) fn is_append_only(self) -> bool {
        match self {
            Self::Movements | Self::JournalEntries => true,
            Self::Orders | Self::Customers | Self::Items => false,
        }
    }
}

/// What a path names: at least one resource, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resources(pub(crate) Vec<Resource>);

/// Why a path does not name resources.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResourcesError {
    #[error("must be a comma list of orders, movements, journal-entries, customers, items")]
    Unknown,
    #[error("names {0} twice")]
    Twice(&'static str),
}

impl FromStr for Resources {
    type Err = ResourcesError;

    fn from_str(text: &str) -> Result<Self, ResourcesError> {
        let mut found = Vec::new();
        for name in text.split(',') {
            let known = Resource::ALL.iter().find(|known| known.as_str() == name);
            let resource = *known.ok_or(ResourcesError::Unknown)?;
            if found.contains(&resource) {
                return Err(ResourcesError::Twice(resource.as_str()));
            }
            found.push(resource);
        }
        Ok(Self(found))
    }
}

/// What is exported.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) resources: Resources,
    pub(crate) offices: Vec<OfficeHome>,
    pub(crate) effective_from: Option<Date>,
    pub(crate) effective_to: Option<Date>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
    pub(crate) as_of: Option<AsOf>,
}

/// An export of a moment that is held.
#[derive(Debug)]
pub(crate) struct Rows {
    snapshot: Snapshot,
    wanted: Wanted,
    now: Timestamp,
}

/// Holds the moment that the export shows.
pub(crate) async fn export_rows(
    db: &Db,
    call: &Call,
    want: ReadWant,
    wanted: Wanted,
) -> Result<Rows, OpError<Never>> {
    let over = ReadOver::new("export_rows", want, None, wanted.offices.clone());
    let now = call.received_at();
    let looked_at = wanted.clone();
    let look = async move |session: &Session| look(session, &looked_at, now).await;
    Ok(Rows {
        snapshot: db.hold_snapshot(call, &over, look).await?,
        wanted,
        now,
    })
}

/// Reads a row of everything that is going to be exported.
async fn look(session: &Session, wanted: &Wanted, now: Timestamp) -> Result<(), DbError> {
    let created = (wanted.created_from, wanted.created_to);
    for resource in &wanted.resources.0 {
        let page = Walk::of(*resource, 1).next;
        let (Some(page), office) = (page, wanted.offices.first()) else {
            continue;
        };
        match (resource, office) {
            (Resource::Items, _) => {
                let items = warehouse::export::Items::new(session, now).await?;
                items.next(session, created, &page).await?;
            }
            (Resource::Orders, Some(office)) => {
                sales::export::orders(session, office, (created, now), &page).await?;
            }
            (Resource::Movements, Some(office)) => {
                warehouse::export::movements(session, office, created, &page).await?;
            }
            (Resource::JournalEntries, Some(office)) => {
                let entries = entries(wanted);
                accounting::export::journal_entries(session, office, entries, &page).await?;
            }
            (Resource::Customers, Some(office)) => {
                sales::export::customers(session, office, created, &page).await?;
            }
            (
                Resource::Orders
                | Resource::Movements
                | Resource::JournalEntries
                | Resource::Customers,
                None,
            ) => {}
        }
    }
    Ok(())
}

/// Which entries are exported.
fn entries(wanted: &Wanted) -> Entries {
    Entries {
        effective_from: wanted.effective_from,
        effective_to: wanted.effective_to,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
        as_of: wanted.as_of.map(|as_of| as_of.at),
    }
}

impl Export for Rows {
    async fn send(self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        for resource in &self.wanted.resources.0 {
            match resource {
                Resource::Orders => self.orders(sink).await?,
                Resource::Movements => self.movements(sink).await?,
                Resource::JournalEntries => self.journal_entries(sink).await?,
                Resource::Customers => self.customers(sink).await?,
                Resource::Items => self.items(sink).await?,
            }
        }
        self.snapshot.close().await;
        Ok(())
    }
}

impl Rows {
    async fn orders(&self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        sink.columns(sales::export::ORDER_COLUMNS).await?;
        for office in &self.wanted.offices {
            let mut walk = Walk::of(Resource::Orders, DOCUMENTS);
            while let Some(page) = walk.next() {
                let times = (self.created(), self.now);
                let rows = sales::export::orders(self.snapshot.session(), office, times, &page);
                self.pass_on(&mut walk, sink, rows).await?;
            }
        }
        Ok(())
    }

    async fn customers(&self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        sink.columns(sales::export::CUSTOMER_COLUMNS).await?;
        let created = self.created();
        for office in &self.wanted.offices {
            let mut walk = Walk::of(Resource::Customers, ROWS);
            while let Some(page) = walk.next() {
                let session = self.snapshot.session();
                let rows = sales::export::customers(session, office, created, &page);
                self.pass_on(&mut walk, sink, rows).await?;
            }
        }
        Ok(())
    }

    async fn movements(&self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        sink.columns(warehouse::export::MOVEMENT_COLUMNS).await?;
        let created = self.created();
        for office in &self.wanted.offices {
            let mut walk = Walk::of(Resource::Movements, ROWS);
            while let Some(page) = walk.next() {
                let session = self.snapshot.session();
                let rows = warehouse::export::movements(session, office, created, &page);
                self.pass_on(&mut walk, sink, rows).await?;
            }
        }
        Ok(())
    }

    async fn journal_entries(&self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        sink.columns(accounting::export::ENTRY_COLUMNS).await?;
        let wanted = entries(&self.wanted);
        for office in &self.wanted.offices {
            let mut walk = Walk::of(Resource::JournalEntries, DOCUMENTS);
            while let Some(page) = walk.next() {
                let session = self.snapshot.session();
                let rows = accounting::export::journal_entries(session, office, wanted, &page);
                self.pass_on(&mut walk, sink, rows).await?;
            }
        }
        Ok(())
    }

    async fn items(&self, sink: &mut ExportSink) -> Result<(), ExportStopped> {
        let session = self.snapshot.session();
        let items = warehouse::export::Items::new(session, self.now);
        let items = self.snapshot.ask(items).await?;
        let columns = items.columns();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        sink.columns(&columns).await?;
        let mut walk = Walk::of(Resource::Items, ROWS);
        while let Some(page) = walk.next() {
            let rows = items.next(session, self.created(), &page);
            self.pass_on(&mut walk, sink, rows).await?;
        }
        Ok(())
    }

    /// When what is exported was made.
    fn created(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let as_of = self.wanted.as_of.map(|as_of| as_of.at);
        let latest = [self.wanted.created_to, as_of].into_iter().flatten().min();
        (self.wanted.created_from, latest)
    }

    /// Sends the rows of a page, and has the walk go on behind the last one.
    async fn pass_on<R: ExportRow>(
        &self,
        walk: &mut Walk,
        sink: &mut ExportSink,
        rows: impl Future<Output = Result<Vec<R>, DbError>>,
    ) -> Result<(), ExportStopped> {
        let rows = self.snapshot.ask(rows).await?;
        let several = self.wanted.resources.0.len() > 1;
        let resource = several.then(|| walk.resource.as_str());
        let is_final = self.wanted.as_of.map(|as_of| as_of.is_final);
        for row in &rows {
            sink.row(resource, is_final, row).await?;
        }
        walk.go_on(&rows);
        Ok(())
    }
}

/// A walk from the oldest row to the newest.
#[derive(Debug)]
struct Walk {
    resource: Resource,
    /// `None` behind the last page.
    next: Option<PageRequest>,
}

impl Walk {
    fn of(resource: Resource, rows: u16) -> Self {
        Self {
            resource,
            next: Some(PageRequest::begin(rows, Order::Asc)),
        }
    }

    fn next(&self) -> Option<PageRequest> {
        self.next.clone()
    }

    fn go_on<R: ExportRow>(&mut self, rows: &[R]) {
        let Some(page) = &mut self.next else { return };
        let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == page.fetch());
        page.after = rows.last().map(ExportRow::position);
        if !full {
            self.next = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_each_resource_once() {
        let parse = |text: &str| text.parse::<Resources>();
        assert_eq!(
            parse("journal-entries,movements"),
            Ok(Resources(vec![
                Resource::JournalEntries,
                Resource::Movements
            ]))
        );
        for bad in ["", "levels", "movements,", "Movements", "movements, items"] {
            assert_eq!(parse(bad), Err(ResourcesError::Unknown), "{bad}");
        }
        assert_eq!(parse("items,items"), Err(ResourcesError::Twice("items")));
    }
}
