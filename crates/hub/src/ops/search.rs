//! Finds resources of all systems by what people remember of them.

use accounting::EntryView;
use kernel::{Call, OfficeCode, Offices, OpError, Principal, ReadWant, Scope, id::EntryId};
use platform_db::{Db, Never, ReadSpec, Search, SearchHit, Session};

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

/// What matches, best first. An entry of the journal has no name: it is found by its id, without an index.
pub(crate) async fn search(
    db: &Db,
    call: &Call,
    (principal, want): (&Principal, ReadWant),
    (text, limit): (String, usize),
) -> Result<Vec<SearchHit>, OpError<Never>> {
    let id = text.to_ascii_lowercase().parse::<EntryId>().ok();
    if let Some(id) = id.filter(|_| principal.has(Scope::AccountingRead)) {
        let entry = find_entry(db, call, want, id).await?;
        let shown = entry.filter(|entry| principal.offices.allow(entry.office()));
        return Ok(shown.iter().map(entry_hit).collect());
    }
    let seen = seen(principal);
    let search = Search { text, seen, limit };
    Ok(db.search(call, want, search).await?.value)
}

async fn find_entry(
    db: &Db,
    call: &Call,
    want: ReadWant,
    id: EntryId,
) -> Result<Option<EntryView>, OpError<Never>> {
    let spec = ReadSpec::several("search", want);
    let regions = db.regions().to_vec();
    let read = db
        .read(call, spec, async move |session: &Session| {
            accounting::journal::entries(session, &regions, std::slice::from_ref(&id), None).await
        })
        .await?;
    Ok(read.value.into_iter().next())
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
