//! Stories of `tests/stories/*.feature`, told against a whole world.
//!
//! Each scenario has offices, items and customers of its own, so that its books are its own too; its offices lie in the
//! South Atlantic, nearest to nobody. Each step goes to another region than the one before. A step that asks for something
//! must succeed, unless the next one says that it is refused.

mod steps;

use std::{collections::BTreeMap, path::Path};

use gherkin::{Feature, GherkinEnv, Scenario, Step};
use serde_json::Value;

use crate::{
    http::{Answer, Api, fresh_key},
    world::{World, shared},
};

/// What a scenario has made so far.
pub(super) struct Story {
    world: &'static World,
    turn: usize,
    /// Name → what it is.
    offices: BTreeMap<String, Office>,
    items: BTreeMap<String, Item>,
    customers: BTreeMap<String, String>,
    /// Path of the order that the story is about.
    order: Option<String>,
    /// The answer to the last request, until something is said of it.
    last: Option<Answer>,
    /// What the last refusal said.
    refusal: Option<Value>,
}

/// An office of the story.
#[derive(Clone)]
pub(super) struct Office {
    code: String,
    /// `yyyy-mm`, once something was posted there.
    month: String,
}

/// An item of the story.
#[derive(Clone)]
pub(super) struct Item {
    id: String,
    sku: String,
}

impl Story {
    fn new(world: &'static World) -> Self {
        Self {
            world,
            turn: 0,
            offices: BTreeMap::new(),
            items: BTreeMap::new(),
            customers: BTreeMap::new(),
            order: None,
            last: None,
            refusal: None,
        }
    }

    /// The next region, as a manager sees it.
    fn api(&mut self) -> Api {
        self.turn += 1;
        self.world.manager(["eu1", "us1", "ap1"][self.turn % 3])
    }

    /// Asks for something. What it answers is judged by the next step.
    async fn ask(&mut self, path: &str, body: &Value) {
        let answer = self.api().post(path, &fresh_key(), body).await;
        self.last = Some(answer);
    }

    /// Makes something, and tells its id.
    async fn make(&mut self, path: &str, body: &Value) -> String {
        let answer = self.api().post(path, &fresh_key(), body).await;
        answer.expect(201).text_of("id")
    }

    /// What a path shows, through the next region.
    async fn look(&mut self, path: &str) -> Value {
        self.api().get(path).await.expect(200).json()
    }

    fn order_path(&self) -> &str {
        self.order.as_deref().expect("the story has an order")
    }

    /// The last request succeeded, if nothing was said of it yet.
    fn settle(&mut self) {
        if let Some(answer) = self.last.take() {
            assert!(answer.status < 300, "{answer:#?}");
        }
    }

    async fn tell(&mut self, step: &Step) {
        if !step.value.contains("refus") {
            self.settle();
        }
        steps::tell(self, step).await;
    }
}

/// A code or SKU that nobody else has.
pub(crate) fn unique(name: &str) -> String {
    let key = fresh_key();
    let tail: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let start = tail.len().saturating_sub(14);
    format!(
        "{}-{}",
        name.to_lowercase()
            .replace(|c: char| !c.is_ascii_lowercase(), ""),
        &tail[start..]
    )
}

#[expect(
    clippy::print_stdout,
    reason = "shown when the test fails: the last line is where the story ended"
)]
async fn scenario(feature: &Feature, scenario: &Scenario) {
    let mut story = Story::new(shared().await);
    let background = feature
        .background
        .iter()
        .flat_map(|background| &background.steps);
    for step in background.chain(&scenario.steps) {
        println!("{}: {} {}", scenario.name, step.keyword.trim(), step.value);
        story.tell(step).await;
    }
    story.settle();
}

async fn feature(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("stories")
        .join(name);
    let feature = Feature::parse_path(path, GherkinEnv::default()).unwrap();
    assert!(!feature.scenarios.is_empty());
    for told in &feature.scenarios {
        scenario(&feature, told).await;
    }
}

#[tokio::test]
async fn an_order_from_its_draft_to_the_last_refund() {
    feature("order.feature").await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    feature("refusals.feature").await;
}

#[tokio::test]
async fn a_day_in_three_offices() {
    feature("day.feature").await;
}
