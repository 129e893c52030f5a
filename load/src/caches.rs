//! Reference data that a process may answer from memory: from memory, past it, and while it is being changed.
//!
//! The three ways take turns, so that whatever else the machine does falls on all of them alike. All readers and the
//! writer are at one region: what a process writes itself leaves its memory at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    api::Regions,
    table::{head, line, ms, percentile, ratio, row},
};

/// Turns that each way has.
const TURNS: u32 = 6;
/// Prices of a long list: as many as an item may have, nearly.
const PRICES: usize = 240;
const OFFICE: &str = "/v1/offices/ber";

/// How something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    NoCache,
    Memory,
    BesideWriter,
}

/// Something that is read.
#[derive(Debug)]
struct Subject {
    name: &'static str,
    path: String,
    change: Option<Change>,
}

/// What changes it: a text that gets a number, and is put back in the end.
#[derive(Debug, Clone)]
struct Change {
    path: String,
    member: &'static str,
    text: String,
}

/// What the readers of one way were answered, and what was written meanwhile.
#[derive(Debug, Default)]
struct Done {
    took: Vec<Duration>,
    statements: u64,
    from_memory: u64,
    writes: u64,
}

/// Measures every subject in every way for so long, with so many readers at once, and prints a table.
pub(crate) async fn measure(
    regions: &Regions,
    time: Duration,
    clients: usize,
) -> anyhow::Result<()> {
    line(&format!(
        "{clients} clients of one region, {} s each in {TURNS} turns; \"×\" is reads over reads past the memory.\n",
        time.as_secs()
    ));
    head(&[
        "read",
        "how",
        "reads/s",
        "×",
        "median ms",
        "p99 ms",
        "statements per read",
        "from memory",
        "writes/s",
    ]);
    for subject in subjects(regions).await? {
        let mut ways = vec![
            (Way::NoCache, Done::default()),
            (Way::Memory, Done::default()),
        ];
        if subject.change.is_some() {
            ways.push((Way::BesideWriter, Done::default()));
        }
        for _ in 0..TURNS {
            for (way, done) in &mut ways {
                turn(regions, (&subject, *way), (time / TURNS, clients), done).await?;
            }
        }
        if let Some(change) = &subject.change {
            change.write(regions, change.text.clone()).await?;
        }
        report(subject.name, time, &mut ways);
    }
    Ok(())
}

async fn turn(
    regions: &Regions,
    (subject, way): (&Subject, Way),
    (time, clients): (Duration, usize),
    all: &mut Done,
) -> anyhow::Result<()> {
    let until = Instant::now() + time;
    let mut readers = JoinSet::new();
    for _ in 0..clients {
        let (regions, path) = (regions.clone(), subject.path.clone());
        readers.spawn(async move {
            let mut done = Done::default();
            while Instant::now() < until {
                let answer = match way {
                    Way::NoCache => regions.get_anew(&path).await?,
                    Way::Memory | Way::BesideWriter => regions.get(&path).await?,
                };
                anyhow::ensure!(answer.status == 200, "{path} answered {}", answer.status);
                done.took.push(answer.took);
                done.statements += answer.statements;
                done.from_memory += u64::from(answer.from_memory);
            }
            Ok(done)
        });
    }
    if let Some(change) = subject.change.as_ref().filter(|_| way == Way::BesideWriter) {
        while Instant::now() < until {
            all.writes += 1;
            let text = format!("{} {}", change.text, all.writes);
            change.write(regions, text).await?;
        }
    }
    while let Some(done) = readers.join_next().await {
        let done = done??;
        all.took.extend(done.took);
        all.statements += done.statements;
        all.from_memory += done.from_memory;
    }
    Ok(())
}

fn report(name: &str, time: Duration, ways: &mut [(Way, Done)]) {
    let past = ways.first().map_or(0, |(_, done)| done.took.len() as u64);
    let per_second = |count: u64| (count / time.as_secs().max(1)).to_string();
    for (way, done) in ways {
        done.took.sort_unstable();
        let reads = done.took.len() as u64;
        row(&[
            name.into(),
            way.as_str().into(),
            per_second(reads),
            ratio(reads, past),
            ms(percentile(&done.took, 50)),
            ms(percentile(&done.took, 99)),
            ratio(done.statements, reads),
            format!("{} %", done.from_memory * 100 / reads.max(1)),
            per_second(done.writes),
        ]);
    }
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::NoCache => "`no-cache`",
            Self::Memory => "plain",
            Self::BesideWriter => "beside a writer",
        }
    }
}

impl Change {
    async fn write(&self, regions: &Regions, text: String) -> anyhow::Result<()> {
        let body = json!({self.member: text});
        regions.patch(&self.path, &body).await?.json(200).map(drop)
    }
}

async fn subjects(regions: &Regions) -> anyhow::Result<Vec<Subject>> {
    let office = regions.get_anew(OFFICE).await?.json(200)?;
    let city = Change {
        path: OFFICE.into(),
        member: "city",
        text: office["city"].as_str().unwrap_or_default().into(),
    };
    let of_office = |name, path: &str| Subject {
        name,
        path: path.into(),
        change: Some(city.clone()),
    };
    let of_chart = |name, path: &str| Subject {
        name,
        path: path.into(),
        change: None,
    };
    Ok(vec![
        item(regions, "item, 1 price", 1).await?,
        item(regions, "item, 240 prices", PRICES).await?,
        of_office("office", OFFICE),
        of_office("offices, first page", "/v1/offices"),
        of_chart("account", "/v1/accounting/accounts/1300"),
        of_chart("chart, first page", "/v1/accounting/accounts"),
    ])
}

/// A new item with so many prices: one now, and another every year from 2100 on.
async fn item(regions: &Regions, name: &'static str, prices: usize) -> anyhow::Result<Subject> {
    let later = (2100..).take(prices.saturating_sub(1));
    let later = later.map(|year| {
        json!({"currency": "EUR", "amount_minor": 1999, "valid_from": format!("{year}-01-01T00:00:00Z")})
    });
    let mut prices = vec![json!({"currency": "EUR", "amount_minor": 1999})];
    prices.extend(later);
    let text = "A thing.";
    let body = json!({"sku": regions.name(), "name": "Thing", "description": text, "country_of_origin": "DE",
        "unit": "each", "prices": prices});
    let made: Value = regions
        .post(0, "/v1/warehouse/items", &body)
        .await?
        .json(201)?;
    let path = format!(
        "/v1/warehouse/items/{}",
        made["id"].as_str().unwrap_or_default()
    );
    Ok(Subject {
        name,
        change: Some(Change {
            path: path.clone(),
            member: "description",
            text: text.into(),
        }),
        path,
    })
}
