//! Finds resources of all systems by what people remember of them.

use std::collections::BTreeSet;

use accounting::EntryView;
use kernel::{
    Call, OfficeCode, Offices, OpError, Principal, ReadWant, RegionTag, Scope, id::EntryId,
};
use platform_db::{Db, Never, Read, ReadOver, Search, SearchHit, Session};

use crate::App;

/// Kind of the search entries of offices.
pub(crate) const OFFICE: &str = "office";

/// What is searched: the kind, the right to read it, and whether it is reference data, which a token sees of every
/// office.
const KINDS: [(&str, Scope, bool); 5] = [
    ("item", Scope::WarehouseRead, true),
    ("location", Scope::WarehouseRead, true),
    (OFFICE, Scope::OfficesRead, true),
    ("customer", Scope::SalesRead, false),
    ("order", Scope::SalesRead, false),
];

/// What of it the principal may see.
fn seen(principal: &Principal) -> Vec<(&'static str, Option<Vec<OfficeCode>>)> {
    let own = match &principal.offices {
        Offices::All => None,
        Offices::Some(offices) => Some(offices.iter().cloned().collect()),
    };
    KINDS
        .into_iter()
        .filter(|(_, scope, _)| principal.has(*scope))
        .map(|(kind, _, reference)| (kind, if reference { None } else { own.clone() }))
        .collect()
}

/// Where what the principal may see is homed: reference data in the primary region, the rest with its office.
async fn homes(
    app: &App,
    (call, principal): (&Call, &Principal),
    seen: &[(&'static str, Option<Vec<OfficeCode>>)],
) -> Result<Vec<RegionTag>, OpError<Never>> {
    let kinds = |reference: bool| {
        KINDS
            .into_iter()
            .filter(move |(_, _, is_reference)| *is_reference == reference)
            .any(|(kind, _, _)| seen.iter().any(|(other, _)| *other == kind))
    };
    let mut regions = BTreeSet::new();
    if kinds(true) {
        regions.insert(app.db.primary().clone());
    }
    if kinds(false) {
        regions.extend(office_homes(app, call, principal).await?);
    }
    Ok(regions.into_iter().collect())
}

/// The regions of the offices that the principal reaches.
async fn office_homes(
    app: &App,
    call: &Call,
    principal: &Principal,
) -> Result<BTreeSet<RegionTag>, OpError<Never>> {
    let offices = app.directory.shown(call, principal, None).await?;
    Ok(offices.into_iter().map(|home| home.region).collect())
}

/// What matches, best first. An entry of the journal has no name: it is found by its id, without an index.
pub(crate) async fn search(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    (text, limit): (String, usize),
) -> Result<Read<Vec<SearchHit>>, OpError<Never>> {
    let id = text.to_ascii_lowercase().parse::<EntryId>().ok();
    if let Some(id) = id.filter(|_| principal.has(Scope::AccountingRead)) {
        let regions = office_homes(app, call, principal).await?;
        let read = find_entry(&app.db, (call, want), regions, id).await?;
        return Ok(read.map(|entry| {
            let shown = entry.filter(|entry| principal.offices.allow(entry.office()));
            shown.iter().map(entry_hit).collect()
        }));
    }
    let seen = seen(principal);
    let search = Search {
        text,
        regions: homes(app, (call, principal), &seen).await?,
        seen,
        limit,
    };
    Ok(app.db.search(call, want, search).await?)
}

async fn find_entry(
    db: &Db,
    (call, want): (&Call, ReadWant),
    regions: BTreeSet<RegionTag>,
    id: EntryId,
) -> Result<Read<Option<EntryView>>, OpError<Never>> {
    let over = ReadOver::new("search", want, None, regions.into_iter().collect());
    let read = db
        .read_over(
            call,
            over,
            async move |session: &Session, regions: &[RegionTag]| {
                let id = std::slice::from_ref(&id);
                let found = accounting::journal::entries(session, regions, id, None).await?;
                Ok(found.into_iter().next())
            },
        )
        .await?;
    Ok(read)
}

fn entry_hit(entry: &EntryView) -> SearchHit {
    SearchHit {
        kind: "journal_entry".into(),
        id: entry.id().to_string(),
        office: Some(entry.office().clone()),
        title: entry.description().to_owned(),
        score: 1000,
    }
}
