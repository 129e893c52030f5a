//! An order whose every step meets a killed process: the region that serves it, or the database. Whoever repeats the
//! same request goes on, and each step has happened once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    failures::assert_exactly_once,
    http::{Answer, Api, fresh_key, send},
    processes,
    stock::assert_integrity,
    stories::unique,
    wait,
    world::{Start, World},
};

const TAGS: [&str; 3] = ["eu1", "us1", "ap1"];

/// Who is killed while a step is on its way.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Region,
    Database,
}

/// The steps of an order behind its creation: what is asked for, and the status of the order then.
fn steps(line: &str) -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("confirm", json!({}), "confirmed"),
        (
            "payments",
            json!({"amount_minor": 5000, "method": "card"}),
            "confirmed",
        ),
        (
            "shipments",
            json!({"lines": [{"line": line, "quantity": 3}]}),
            "confirmed",
        ),
        (
            "cancel",
            json!({"reason": "Less", "lines": [{"line": line, "quantity": 1}]}),
            "confirmed",
        ),
        ("shipments", json!({}), "fulfilled"),
        (
            "returns",
            json!({"lines": [{"line": line, "quantity": 2, "disposition": "restock", "reason": "Back"}]}),
            "fulfilled",
        ),
        (
            "refunds",
            json!({"amount_minor": 2000, "method": "card"}),
            "fulfilled",
        ),
    ]
}

/// One order on its way through a world that breaks.
struct Course {
    world: World,
    apis: Vec<Api>,
    victim: Victim,
    keys: Vec<String>,
}

impl Course {
    /// Kills the victim; a region only while another one serves.
    async fn kill(&self, region: usize) {
        let port = match self.victim {
            Victim::Region => self.world.port(TAGS[region]),
            Victim::Database => self.world.database_port(),
        };
        if let Some(pid) = processes::listener(port) {
            processes::signal(pid, "KILL");
        }
    }

    /// A region that serves, beside another one that does.
    async fn serving(&self) -> usize {
        let look = async || {
            let serving = TAGS
                .iter()
                .map(|tag| processes::listener(self.world.port(tag)).is_some());
            let serving: Vec<usize> = serving
                .enumerate()
                .filter_map(|(at, serves)| serves.then_some(at))
                .collect();
            (serving.len() > 1).then(|| serving[self.keys.len() % serving.len()])
        };
        wait::until("two regions serve", Duration::from_secs(90), look)
            .await
            .0
    }

    /// Sends a write while the victim is killed, and repeats it, region after region, until its answer is certain.
    async fn write(&mut self, path: &str, body: &Value) -> Answer {
        let key = fresh_key();
        let region = self.serving().await;
        let first = attempt(&self.apis[region], path, &key, body);
        let (first, ()) = tokio::join!(first, self.kill(region));
        self.keys.push(key.clone());
        if let Some(answer) = first {
            return answer;
        }
        let (started, mut ticks) = (
            Instant::now(),
            tokio::time::interval(Duration::from_millis(50)),
        );
        for api in self.apis.iter().cycle() {
            ticks.tick().await;
            if let Some(answer) = attempt(api, path, &key, body).await {
                return answer;
            }
            assert!(
                started.elapsed() < Duration::from_secs(90),
                "{path} {key} is not acknowledged"
            );
        }
        unreachable!("regions are asked in a circle")
    }

    /// What a path shows, from whichever region answers.
    async fn look(&self, path: &str) -> Value {
        let look = async || {
            for api in &self.apis {
                if let Ok(answer) = send(api.request("GET", path)).await
                    && answer.status == 200
                {
                    return Some(answer.json());
                }
            }
            None
        };
        wait::until(path, Duration::from_secs(60), look).await.0
    }
}

/// The answer, if it is certain; what is not says what may be concluded.
async fn attempt(api: &Api, path: &str, key: &str, body: &Value) -> Option<Answer> {
    let request = api
        .request("POST", path)
        .header("idempotency-key", key)
        .json(body);
    let answer = send(request).await.ok()?;
    if answer.status < 500 {
        assert!(answer.status < 300, "{answer:#?}");
        return Some(answer);
    }
    let effect = answer.text_of("effect");
    assert!(["none", "unknown"].contains(&&*effect), "{answer:#?}");
    None
}

/// What the order was paid and invoiced, and what is left of its goods, after all steps once each.
async fn assert_money_and_stock(course: &Course, path: &str, item: &str) {
    let order = course.look(path).await;
    let money = [
        "paid_minor",
        "refunded_minor",
        "invoiced_minor",
        "credited_minor",
    ]
    .map(|name| order[name].clone());
    assert_eq!(
        money,
        [5000, 2000, 4 * 1190, 2 * 1190].map(|amount| json!(amount)),
        "{order}"
    );
    let level = course
        .look(&format!(
            "/v1/warehouse/levels?location=ber-main&item={item}"
        ))
        .await;
    let stock = ["on_hand", "reserved", "value_minor"].map(|name| level["data"][0][name].clone());
    assert_eq!(stock, [8, 0, 3200].map(|number| json!(number)), "{level}");
}

async fn run(victim: Victim, ports: [&str; 2]) {
    let world = Start {
        arguments: &["--port", ports[0], "--database-port", ports[1]],
        ..Start::default()
    };
    let world = world.up().await;
    let apis: Vec<Api> = TAGS.map(|tag| world.manager(tag)).into();
    let item = json!({"sku": unique("cup"), "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each",
        "prices": [{"currency": "EUR", "amount_minor": 1000}]});
    let item = apis[0]
        .post("/v1/warehouse/items", &fresh_key(), &item)
        .await
        .expect(201)
        .text_of("id");
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": [{"item": item, "quantity": 10, "unit_cost_minor": 400}]});
    apis[0]
        .post("/v1/warehouse/receipts", &fresh_key(), &receipt)
        .await
        .expect(201);
    let customer = json!({"office": "ber", "name": "Buyer"});
    let customer = apis[0]
        .post("/v1/sales/customers", &fresh_key(), &customer)
        .await
        .expect(201)
        .text_of("id");

    let mut course = Course {
        world,
        apis,
        victim,
        keys: Vec::new(),
    };
    let order = json!({"office": "ber", "customer": customer, "lines": [{"item": item, "location": "ber-main", "quantity": 5}]});
    let order = course
        .write("/v1/sales/orders", &order)
        .await
        .expect(201)
        .json();
    let path = format!("/v1/sales/orders/{}", order["id"].as_str().unwrap());
    for (at, (verb, body, status)) in steps(order["lines"][0]["id"].as_str().unwrap())
        .into_iter()
        .enumerate()
    {
        course.write(&format!("{path}/{verb}"), &body).await;
        let order = course.look(&path).await;
        // One version a step: none is missing, none came twice.
        assert_eq!(
            (&order["status"], &order["version"]),
            (&json!(status), &json!(at + 2)),
            "{order}"
        );
    }
    assert_money_and_stock(&course, &path, &item).await;
    for tag in TAGS {
        let ready = async || {
            crate::lifecycle::answers(&course.world.manager(tag))
                .await
                .then_some(())
        };
        wait::until(&format!("{tag} is back"), Duration::from_secs(90), ready).await;
    }
    assert_exactly_once(&course.world.manager("eu1"), &course.keys).await;
    assert_integrity(&course.world).await;
}

#[tokio::test]
async fn every_step_of_an_order_outlives_the_region_that_serves_it() {
    run(Victim::Region, ["8341", "6341"]).await;
}

#[tokio::test]
async fn every_step_of_an_order_outlives_the_database() {
    run(Victim::Database, ["8351", "6351"]).await;
}
