//! Random business over all regions: goods come, orders are taken, confirmed, paid, shipped, brought back and refunded, by
//! clients that know nothing of each other and read while they write.
//!
//! In the end every acknowledged write has exactly one effect, by the server's own count, and stock and books agree.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, seq::IndexedRandom as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    api::Regions,
    table::{head, line, ms, percentile, row},
};

/// Offices of the region files that the load works in: three regions, three currencies.
const OFFICES: [(&str, &str); 3] = [("ber", "EUR"), ("nyc", "USD"), ("tyo", "JPY")];
/// Few enough that clients meet at the same shelves.
const ITEMS: usize = 12;
/// What the contract says a server may answer when it could not (section 13); anything else of the kind is a bug.
const NAMED: [&str; 6] = [
    "contention",
    "outcome_unknown",
    "region_unavailable",
    "overloaded",
    "draining",
    "deadline_exceeded",
];
/// Attempts of one write under one key; what is not answered for certain by then is asked for in the end.
const ATTEMPTS_MAX: usize = 20;

/// What the clients did.
#[derive(Debug, Default)]
struct Done {
    /// What was asked, and how it was answered → how often.
    answers: BTreeMap<(&'static str, String), u64>,
    took: Vec<Duration>,
    acknowledged: Vec<String>,
}

/// What the clients share.
#[derive(Debug)]
struct Company {
    items: Vec<String>,
    /// One of each office.
    customers: Vec<String>,
}

/// One client.
struct Client {
    regions: Regions,
    company: Arc<Company>,
    turn: usize,
    done: Done,
}

/// Works for so long with so many clients; whether everything was as it must be.
pub(crate) async fn run(regions: &Regions, time: Duration, clients: usize) -> anyhow::Result<bool> {
    let company = Arc::new(found(regions).await?);
    let until = Instant::now() + time;
    let mut running = JoinSet::new();
    for turn in 0..clients {
        let mut client = Client {
            regions: regions.clone(),
            company: Arc::clone(&company),
            turn,
            done: Done::default(),
        };
        running.spawn(async move {
            while Instant::now() < until {
                client.work().await;
            }
            client.done
        });
    }
    let mut all = Done::default();
    while let Some(done) = running.join_next().await {
        let done = done?;
        for (what, times) in done.answers {
            *all.answers.entry(what).or_default() += times;
        }
        all.took.extend(done.took);
        all.acknowledged.extend(done.acknowledged);
    }
    report(regions, all).await
}

/// Items with a price in every currency, and a customer of each office.
async fn found(regions: &Regions) -> anyhow::Result<Company> {
    let mut company = Company {
        items: Vec::new(),
        customers: Vec::new(),
    };
    for _ in 0..ITEMS {
        let prices: Vec<Value> = OFFICES
            .iter()
            .map(|(_, currency)| json!({"currency": currency, "amount_minor": 1999}))
            .collect();
        let body = json!({"sku": regions.name(), "name": "Thing", "description": "A thing.", "country_of_origin": "DE",
            "unit": "each", "prices": prices});
        let made = regions.post(0, "/v1/warehouse/items", &body).await?;
        company.items.push(text(&made.json(201)?, "id"));
    }
    for (office, _) in OFFICES {
        let body = json!({"office": office, "name": "Buyer"});
        let made = regions.post(0, "/v1/sales/customers", &body).await?;
        company.customers.push(text(&made.json(201)?, "id"));
    }
    Ok(company)
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

impl Client {
    async fn work(&mut self) {
        let what = rand::rng().random_range(0..10);
        match what {
            0 => self.receive().await,
            1 => self.count().await,
            2 => self.look_around().await,
            _ => self.sell().await,
        }
    }

    fn pick(&self) -> (usize, String) {
        let at = rand::rng().random_range(0..OFFICES.len());
        let item = self.company.items.choose(&mut rand::rng());
        (at, item.cloned().unwrap_or_default())
    }

    async fn receive(&mut self) {
        let (at, item) = self.pick();
        let (quantity, cost) = (
            rand::rng().random_range(5..60),
            rand::rng().random_range(1..900),
        );
        let body = json!({"location": format!("{}-main", OFFICES[at].0), "reference": "load",
            "lines": [{"item": item, "quantity": quantity, "unit_cost_minor": cost}]});
        self.write("receipt", "/v1/warehouse/receipts", &body).await;
    }

    async fn count(&mut self) {
        let (at, item) = self.pick();
        let delta = *[-2, -1, 1, 2].choose(&mut rand::rng()).unwrap_or(&1);
        let reason = if delta < 0 { "theft" } else { "found" };
        let body = json!({"location": format!("{}-main", OFFICES[at].0), "item": item, "delta": delta, "reason": reason});
        self.write("adjustment", "/v1/warehouse/adjustments", &body)
            .await;
    }

    async fn look_around(&mut self) {
        let office = self.pick().0;
        let paths: [(&'static str, String); 6] = [
            ("list orders", "/v1/sales/orders?limit=50".into()),
            ("list levels", "/v1/warehouse/levels?limit=100".into()),
            (
                "overview",
                format!("/v1/offices/{}/overview", OFFICES[office].0),
            ),
            (
                "sold items",
                format!("/v1/reports/sold-items?office={}", OFFICES[office].0),
            ),
            ("search", "/v1/search?q=thign".into()),
            ("events", "/v1/events?types=sales.*&limit=100".into()),
        ];
        let chosen = paths.choose(&mut rand::rng());
        if let Some((what, path)) = chosen {
            self.read(what, path).await;
        }
    }

    /// An order, and whatever becomes of it.
    async fn sell(&mut self) {
        let at = self.pick().0;
        let lines: Vec<Value> = (0..rand::rng().random_range(1..4))
            .map(|_| {
                json!({"item": self.pick().1, "location": format!("{}-main", OFFICES[at].0),
                "quantity": rand::rng().random_range(1..5)})
            })
            .collect();
        let mut body = json!({"office": OFFICES[at].0, "customer": self.company.customers[at], "lines": lines});
        if rand::rng().random_bool(0.3) {
            body["hold_seconds"] = json!(rand::rng().random_range(1..20));
        }
        let Some(order) = self.write("order", "/v1/sales/orders", &body).await else {
            return;
        };
        let path = format!("/v1/sales/orders/{}", text(&order, "id"));
        let lines: Vec<String> = order["lines"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| text(line, "id"))
            .collect();
        let steps = rand::rng().random_range(1..8);
        for _ in 0..steps {
            self.step(&path, &lines).await;
        }
        self.read("timeline", &format!("{path}/timeline")).await;
    }

    async fn step(&mut self, path: &str, lines: &[String]) {
        let line = lines.choose(&mut rand::rng()).cloned().unwrap_or_default();
        let units = json!({"line": line, "quantity": rand::rng().random_range(1..4)});
        let money = json!({"amount_minor": rand::rng().random_range(1..9000), "method": "card"});
        let (what, verb, body) = match rand::rng().random_range(0..10) {
            0..3 => ("confirm", "confirm", json!({})),
            3 => ("payment", "payments", money),
            4 => ("refund", "refunds", money),
            5 => ("shipment", "shipments", json!({})),
            6 => ("shipment", "shipments", json!({"lines": [units]})),
            7 => (
                "cancel",
                "cancel",
                json!({"reason": "load", "lines": [units]}),
            ),
            8 => {
                let mut back = units;
                back["disposition"] = json!("restock");
                back["reason"] = json!("load");
                ("return", "returns", json!({"lines": [back]}))
            }
            _ => ("cancel", "cancel", json!({"reason": "load"})),
        };
        self.write(what, &format!("{path}/{verb}"), &body).await;
    }

    /// One write under one key, repeated at the next region until its answer is certain; its body if it was done.
    async fn write(&mut self, what: &'static str, path: &str, body: &Value) -> Option<Value> {
        let key = self.regions.name();
        for _ in 0..ATTEMPTS_MAX {
            self.turn += 1;
            let Ok(answer) = self.regions.post_as(self.turn, path, &key, body).await else {
                self.note(what, "no answer".into());
                continue;
            };
            self.done.took.push(answer.took);
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if answer.status < 300 {
                self.note(what, answer.status.to_string());
                self.done.acknowledged.push(key);
                return Some(said);
            }
            self.note(what, format!("{} {}", answer.status, text(&said, "code")));
            if answer.status < 500 && answer.status != 429 {
                return None;
            }
        }
        None
    }

    async fn read(&mut self, what: &'static str, path: &str) {
        self.turn += 1;
        let how = match self.regions.get_from(self.turn, path).await {
            Ok(answer) => {
                self.done.took.push(answer.took);
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                format!("{} {}", answer.status, text(&said, "code"))
                    .trim_end()
                    .to_owned()
            }
            Err(_) => "no answer".into(),
        };
        self.note(what, how);
    }

    fn note(&mut self, what: &'static str, how: String) {
        *self.done.answers.entry((what, how)).or_default() += 1;
    }
}

/// Prints what happened, and judges it.
async fn report(regions: &Regions, mut all: Done) -> anyhow::Result<bool> {
    head(&["what", "answer", "times"]);
    for ((what, how), times) in &all.answers {
        row(&[(*what).into(), how.clone(), times.to_string()]);
    }
    all.took.sort_unstable();
    line(&format!(
        "\n{} answers, median {} ms, 99 of 100 within {} ms; {} writes acknowledged",
        all.took.len(),
        ms(percentile(&all.took, 50)),
        ms(percentile(&all.took, 99)),
        all.acknowledged.len()
    ));
    let unnamed: u64 = all
        .answers
        .iter()
        .filter(|((_, how), _)| {
            how.starts_with('5') && !NAMED.iter().any(|code| how.ends_with(code))
        })
        .map(|(_, times)| times)
        .sum();
    let (mut lost, mut doubled) = (0, 0);
    for keys in all.acknowledged.chunks(1000) {
        let verified = regions
            .post(0, "/v1/writes/verify", &json!({"keys": keys}))
            .await?;
        let summary = &verified.json(200)?["summary"];
        lost += summary["lost"].as_u64().unwrap_or(u64::MAX);
        doubled += summary["doubled"].as_u64().unwrap_or(u64::MAX);
    }
    let mut agree = true;
    // One office at a time: hours of load are more than one report adds up within its deadline.
    for (office, _) in OFFICES {
        let path = format!("/v1/reports/integrity?office={office}");
        let integrity = regions.get(&path).await?.json(200)?;
        let invariants = integrity["invariants"].as_array();
        if !invariants.is_some_and(|all| all.iter().all(|one| one["status"] == "pass")) {
            agree = false;
            line(&format!("{office}: {integrity}"));
        }
    }
    line(&format!(
        "lost {lost}, doubled {doubled}, failures that the contract does not name {unnamed}, integrity {}",
        if agree { "passes" } else { "FAILS" }
    ));
    Ok(agree && lost == 0 && doubled == 0 && unnamed == 0)
}
