//! Entries of the search: stored with the resource that they lead to, and found in spite of slips.
//!
//! One row per resource, one inverted index over its [`terms`]. Every look-up asks for rows that have all of a list
//! of terms, at most [`CANDIDATES`] for each thing the caller may see, so that its work does not grow with what
//! matches. Nothing reads entries in a serializable transaction: a predicate lock on the index would make every two
//! writes that share a trigram fail each other.

mod terms;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use kernel::{
    Call, IdempotencyKey, OfficeCode, OpError, ReadWant, RegionTag, Reply, Scope, SystemError,
};

use crate::{
    Db, DbError, Never, Read, ReadOver, ReadSpec, Row, Session, TxError, Txn, engine::Engine,
    read_over::SEVERAL_OFFICES,
};

/// A resource that can be searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchEntry {
    /// What it is, as hits show it: `item`.
    pub kind: &'static str,
    /// Its id or code: found exactly.
    pub id: String,
    /// The office it belongs to; hits show it, and whoever sees only some offices sees it if this is one of them.
    pub office: Option<OfficeCode>,
    /// What hits show: found by its beginning, and with a slip.
    pub title: String,
    /// What else it is found by, exactly or with a slip: SKU, reference, e-mail address. Only hashes of it are kept.
    /// Many entries with one key hide each other.
    pub exact: Vec<String>,
}

/// What to search for, and what the caller may see.
#[derive(Debug, Clone)]
pub struct Search {
    /// As typed.
    pub text: String,
    /// The homes of what is shown.
    pub regions: Vec<RegionTag>,
    /// Kinds, each with the offices whose entries are shown; `None`: all of the kind.
    pub seen: Vec<(&'static str, Option<Vec<OfficeCode>>)>,
    /// At most so many hits.
    pub limit: usize,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// What it is.
    pub kind: String,
    /// Its id or code.
    pub id: String,
    /// The office it belongs to.
    pub office: Option<OfficeCode>,
    /// Name, or what stands for it.
    pub title: String,
    /// From 1 to 1000: 1000 for what was named exactly, from 900 on for what begins so.
    pub score: u16,
}

/// Stores entries, in place of older ones.
pub(crate) const PUT: &str = "
    INSERT INTO platform.search_entries (region, kind, id, office, title, terms)
    SELECT e.region, e.kind, e.id, e.office, e.title, string_to_array(e.terms, ',')::INT8[]
    FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[])
        AS e (region, kind, id, office, title, terms)
    ON CONFLICT (region, kind, id)
    DO UPDATE SET office = excluded.office, title = excluded.title, terms = excluded.terms";

const REMOVE: &str =
    "DELETE FROM platform.search_entries WHERE region = $1 AND kind = $2 AND id = $3";

const MISSING: &str = "
    SELECT i.id FROM unnest($3::TEXT[]) AS i (id)
    WHERE NOT EXISTS
        (SELECT 1 FROM platform.search_entries AS s WHERE s.region = $1 AND s.kind = $2 AND s.id = i.id)";

/// For each thing that may be seen, some of the entries that have every one of the terms.
const WITH_TERMS: &str = concat!(
    "SELECT e.kind, e.id, e.office, e.title, e.terms FROM unnest($2::INT8[]) AS s (term)",
    first_of_each!(
        "x.kind, x.id, x.office, x.title, x.terms FROM platform.search_entries AS x",
        "x.terms @> array_append($1::INT8[], s.term) AND x.region = ANY($4::TEXT[]) LIMIT $3",
        "x.region = ANY($4::TEXT[]) AND x.kind = '' AND x.id = '' AND s.term IS NULL"
    ),
    " AS e"
);

/// An inverted index is scanned by bitmap or not at all, and connections are told to do without bitmaps.
const WITH_BITMAPS: &str = "SET LOCAL enable_bitmapscan = on";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[PUT, REMOVE, MISSING, WITH_TERMS];

/// So many entries of each thing that may be seen are looked at for one list of terms. One list is some trigrams of
/// what was typed: of 100,000 names made of three words, each from fifty, a list that leaves one word out has 50.
const CANDIDATES: i64 = 300;

impl Txn<'_> {
    /// Makes the resource findable, or findable as it is now: stored with the effect, in the home region of the write.
    pub fn index(&self, entry: SearchEntry) {
        self.found_by(entry);
    }

    /// Makes a resource that is gone, or must not be found any more, unfindable.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn unindex(&self, kind: &'static str, id: &str) -> Result<(), DbError> {
        self.execute(REMOVE, &[&self.intent().home, &kind, &id])
            .await
            .map(drop)
    }
}

impl Db {
    /// Indexes those of the resources of a kind, homed in the primary region, that have no entry: what was written
    /// before there were entries, or by a release that knew of none. `work` reads the missing ones again, in its
    /// transaction, and calls [`Txn::index`]. How many there were.
    ///
    /// # Errors
    /// [`OpError`]; then none was indexed, or perhaps all.
    pub async fn index_missing<W>(
        &self,
        kind: &'static str,
        scope: Scope,
        ids: Vec<String>,
        work: W,
    ) -> Result<usize, OpError<Never>>
    where
        W: AsyncFn(&Txn<'_>, &BTreeSet<String>) -> Result<(), TxError<Never>>,
    {
        let call = self.worker_call();
        let spec = ReadSpec::reference("find_missing_entries", ReadWant::default(), None);
        let home = self.primary().clone();
        let look = async move |session: &Session| missing(session, &home, kind, &ids).await;
        let missing = self.read(&call, spec, look).await?.value;
        let count = missing.len();
        if count > 0 {
            let key = IdempotencyKey::auto(call.id());
            let intent = self.worker_intent("migrate", "index_entries", scope, key);
            self.write(intent, async move |txn: &Txn<'_>| {
                work(txn, &missing).await?;
                Ok(Reply {
                    status: 200,
                    location: None,
                    version: None,
                    body: None,
                    effect_ids: Vec::new(),
                })
            })
            .await?;
        }
        Ok(count)
    }
}

/// Which of the resources of a kind have no entry in the region.
async fn missing(
    session: &Session,
    region: &RegionTag,
    kind: &'static str,
    ids: &[String],
) -> Result<BTreeSet<String>, DbError> {
    let rows = session.rows(MISSING, &[region, &kind, &ids]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

impl Db {
    /// What matches in the regions that can be reached, best first.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn search(
        &self,
        call: &Call,
        mut want: ReadWant,
        search: Search,
    ) -> Result<Read<Vec<SearchHit>>, SystemError> {
        want.mode.get_or_insert(SEVERAL_OFFICES);
        let over = ReadOver::new("search", want, None, search.regions.clone());
        let db = self.clone();
        self.read_snapshot_over(
            call,
            over,
            async move |session: &Session, regions: &[RegionTag]| {
                if db.engine() == Some(Engine::Postgres) {
                    session.batch(WITH_BITMAPS).await?;
                }
                find(session, &search, regions).await
            },
        )
        .await
    }
}

async fn find(
    session: &Session,
    search: &Search,
    regions: &[RegionTag],
) -> Result<Vec<SearchHit>, DbError> {
    let typed = Typed::of(&search.text);
    let seen = search.seen_terms();
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let lists = typed.lists();
    let look_ups = lists
        .iter()
        .map(|list| look_up(session, list, (&seen, regions)));
    let found = try_join_all(look_ups).await?;
    let mut hits = BTreeMap::new();
    for (entry, terms) in found.into_iter().flatten() {
        hits.entry((entry.kind.clone(), entry.id.clone()))
            .or_insert_with(|| SearchHit {
                score: typed.score(&entry.title, &terms),
                ..entry
            });
    }
    let mut hits: Vec<SearchHit> = hits.into_values().collect();
    hits.sort_by(|a, b| {
        (b.score.cmp(&a.score))
            .then_with(|| a.title.cmp(&b.title))
            .then_with(|| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)))
    });
    hits.truncate(search.limit);
    Ok(hits)
}

impl Search {
    fn seen_terms(&self) -> Vec<i64> {
        self.seen
            .iter()
            .flat_map(|(kind, offices)| match offices {
                None => vec![terms::seen(kind, None)],
                Some(offices) => offices
                    .iter()
                    .map(|office| terms::seen(kind, Some(office)))
                    .collect(),
            })
            .collect()
    }
}

async fn look_up(
    session: &Session,
    list: &[i64],
    (seen, regions): (&[i64], &[RegionTag]),
) -> Result<Vec<(SearchHit, Vec<i64>)>, DbError> {
    let rows = session
        .rows(WITH_TERMS, &[&list, &seen, &CANDIDATES, &regions])
        .await?;
    rows.iter().map(candidate).collect()
}

fn candidate(row: &Row) -> Result<(SearchHit, Vec<i64>), DbError> {
    let hit = SearchHit {
        kind: row.get("kind")?,
        id: row.get("id")?,
        office: row.get("office")?,
        title: row.get("title")?,
        score: 0,
    };
    Ok((hit, row.get("terms")?))
}

/// What somebody typed.
struct Typed {
    folded: String,
    trigrams: Vec<i64>,
}

impl Typed {
    fn of(text: &str) -> Self {
        let folded = terms::fold(text);
        let trigrams = terms::trigrams(&folded);
        Self { folded, trigrams }
    }

    /// Lists of terms; whatever has all the terms of one of them may be meant.
    fn lists(&self) -> Vec<Vec<i64>> {
        let words = terms::unfinished(&self.trigrams);
        let mut lists = vec![vec![terms::exact(&self.folded)]];
        if !words.is_empty() {
            lists.push([&terms::starts(&self.folded), words].concat());
            lists.push(words.to_vec());
        }
        lists.extend(terms::without_a_slip(&self.trigrams));
        lists
    }

    /// In thousandths: 1000 for an exact key, from 900 for a title that begins so, by its part of the title; else two
    /// parts in three by how much of what was typed is there, one by how much of what is there was typed.
    fn score(&self, title: &str, terms: &[i64]) -> u16 {
        if terms.contains(&terms::exact(&self.folded)) {
            return 1000;
        }
        let title = terms::fold(title);
        let score = if title.starts_with(&self.folded) {
            900 + 99 * self.folded.len() / title.len().max(1)
        } else {
            let typed: BTreeSet<i64> = self.trigrams.iter().copied().collect();
            let shared = terms.iter().filter(|term| typed.contains(term)).count();
            let there = terms
                .iter()
                .filter(|term| terms::is_trigram(**term))
                .count();
            600 * shared / typed.len().max(1) + 299 * shared / there.max(1)
        };
        u16::try_from(score).unwrap_or(u16::MAX).max(1)
    }
}

/// Entries by column, sorted so that no two writers wait for each other; of two entries of one resource the later
/// counts.
#[derive(Debug, Default)]
pub(crate) struct EntryColumns {
    regions: Vec<RegionTag>,
    kinds: Vec<&'static str>,
    ids: Vec<String>,
    offices: Vec<Option<OfficeCode>>,
    titles: Vec<String>,
    terms: Vec<String>,
}

impl EntryColumns {
    pub(crate) fn of<'a>(entries: impl Iterator<Item = (&'a RegionTag, &'a SearchEntry)>) -> Self {
        let entries: BTreeMap<_, _> = entries
            .map(|(region, entry)| ((region, entry.kind, entry.id.as_str()), entry))
            .collect();
        let mut columns = Self::default();
        for ((region, _, _), entry) in entries {
            columns.regions.push(region.clone());
            columns.kinds.push(entry.kind);
            columns.ids.push(entry.id.clone());
            columns.offices.push(entry.office.clone());
            columns.titles.push(entry.title.clone());
            columns.terms.push(terms_of(entry));
        }
        columns
    }
}

/// Sends [`PUT`], if there is anything to put.
pub(crate) async fn put(session: &Session, entries: &EntryColumns) -> Result<(), DbError> {
    if entries.ids.is_empty() {
        return Ok(());
    }
    session
        .execute(
            PUT,
            &[
                &entries.regions,
                &entries.kinds,
                &entries.ids,
                &entries.offices,
                &entries.titles,
                &entries.terms,
            ],
        )
        .await
        .map(drop)
}

/// Every term that the entry is found by, with commas, since an array of arrays has no `unnest` by rows.
fn terms_of(entry: &SearchEntry) -> String {
    let title = terms::fold(&entry.title);
    let keys = entry.exact.iter().map(|key| terms::fold(key));
    let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
    let mut all = BTreeSet::from([
        terms::seen(entry.kind, None),
        terms::exact(&terms::fold(&entry.id)),
    ]);
    all.extend(
        entry
            .office
            .as_ref()
            .map(|office| terms::seen(entry.kind, Some(office))),
    );
    all.extend(keys.iter().map(|key| terms::exact(key)));
    all.extend(keys.iter().flat_map(|key| terms::trigrams(key)));
    all.extend(terms::trigrams(&title));
    all.extend(terms::starts(&title));
    let all: Vec<String> = all.iter().map(i64::to_string).collect();
    all.join(",")
}
