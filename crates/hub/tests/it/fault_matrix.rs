//! Every write of every system under every class of failure, over the wire: exactly one effect each, and an answer that
//! tells the truth about itself.
//!
//! Operations come from the OpenAPI document, SQLSTATEs from the table of verdicts: what is new there and has no row here
//! fails, and so does a code that `docs/failures.md` does not tell of. Each case is a request of its own: it meets the fault at a process behind a proxy, and is then repeated with the
//! same key in other regions. All operations meet a class at once, each in a place of its own; what the books of all
//! tables have come to then must be what the same requests come to without any fault.

mod classes;
mod judge;
mod reads;
mod scenarios;
mod world;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::Method;
use futures_util::future::join;
use serde_json::Value;
use testkit::{Answer, TestApp};
use tokio::{
    sync::{Barrier, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use self::{
    classes::Class,
    judge::{Says, done, shown},
    scenarios::{Kind, SCENARIOS, Scenario, Write},
    world::{Books, Desk, World, add, less},
};
use crate::{Company, systems};

/// Cases at work at once, where they do not wait: enough to keep two cores busy.
const AT_ONCE: usize = 6;

/// What a write comes to without any fault.
struct Faultless {
    shown: Value,
    effects: i64,
    events: Vec<String>,
    books: Books,
}

/// The company, and what each operation comes to there.
struct Matrix {
    world: World,
    faultless: BTreeMap<&'static str, Faultless>,
}

/// How one case went.
struct Told {
    operation: &'static str,
    struck: bool,
    took: Duration,
}

/// One operation under one class.
struct Case {
    scenario: &'static Scenario,
    class: Class,
    nth: u32,
}

/// Where cases stand in line, so that no more than a few are at work at once.
struct Line {
    places: Arc<Semaphore>,
    /// All wait for each other before and behind what makes them wait.
    together: Option<Barrier>,
}

type InLine = Option<OwnedSemaphorePermit>;

impl Line {
    fn new(cases: usize, together: bool) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            together: together.then(|| Barrier::new(cases)),
        })
    }

    async fn enter(&self) -> InLine {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    async fn begin(&self, place: InLine) -> InLine {
        match &self.together {
            Some(together) => {
                drop(place);
                together.wait().await;
                None
            }
            None => place,
        }
    }

    async fn end(&self, place: InLine) -> InLine {
        match &self.together {
            Some(together) => {
                together.wait().await;
                self.enter().await
            }
            None => place,
        }
    }
}

/// A case has failed, and said so on stderr: the others go on, so that one run shows all there is.
struct Failed;

impl Matrix {
    async fn new(company: Company) -> Arc<Self> {
        let world = World::new(company).await;
        let mut faultless = BTreeMap::new();
        // The first time a month begins, a level is made; what counts is the second time.
        for _ in 0..2 {
            for scenario in SCENARIOS {
                let before = world.books().await;
                let write = (scenario.prepare)(&world, &world.places[scenario.operation]).await;
                let answer = write.send(scenario.kind, &world.apps[0]).await;
                assert!(
                    answer.status.is_success(),
                    "{}: {}",
                    scenario.operation,
                    answer.text
                );
                let (effects, events) = world.effects(scenario.kind, &write).await;
                let come_to = Faultless {
                    shown: shown(&write.names, &answer),
                    effects,
                    events,
                    books: less(&world.books().await, &before),
                };
                faultless.insert(scenario.operation, come_to);
            }
        }
        Arc::new(Self { world, faultless })
    }

    /// All operations meet the class, at the statement whose turn it is. Where they do nothing but wait, they do it
    /// together, and what comes before and behind it waits for all of them: a transaction that is left open for seconds
    /// makes others fail that only look at rows beside its own.
    async fn volley(self: &Arc<Self>, class: &Class, nth: u32) -> Result<Vec<Told>, Failed> {
        let before = self.world.books().await;
        let met = SCENARIOS
            .iter()
            .filter(|scenario| class.meets(scenario.kind));
        let line = Line::new(met.clone().count(), class.waits());
        let mut cases = JoinSet::new();
        for scenario in met {
            let case = Case {
                scenario,
                class: class.clone(),
                nth,
            };
            cases.spawn(Arc::clone(self).case(case, Arc::clone(&line)));
        }
        let (mut told, mut failed) = (Vec::new(), false);
        while let Some(case) = cases.join_next().await {
            match case {
                Ok(case) => told.push(case),
                Err(_) => {
                    failed = true;
                    if class.waits() {
                        cases.abort_all(); // they would wait for the one that failed
                    }
                }
            }
        }
        if failed {
            return Err(Failed);
        }
        let writes_each = if class.warms_up() { 2 } else { 1 };
        let mut expected = Books::new();
        for case in &told {
            for _ in 0..writes_each {
                add(&mut expected, &self.faultless[case.operation].books);
            }
        }
        let come_to = less(&self.world.books().await, &before);
        let struck = told.iter().filter(|case| case.struck).count();
        if come_to != expected || (nth == 0 && 2 * struck < told.len()) {
            eprintln!(
                "{} ({nth}) struck {struck} times; books {come_to:?}, and not {expected:?}",
                class.name()
            );
            return Err(Failed);
        }
        Ok(told)
    }

    async fn case(self: Arc<Self>, case: Case, line: Arc<Line>) -> Told {
        let (kind, operation, class) = (case.scenario.kind, case.scenario.operation, &case.class);
        let what = format!("{operation} under {} ({})", class.name(), case.nth);
        let world = &self.world;
        let place = line.enter().await;
        let desk = if class.connects() {
            world.new_desk().await
        } else {
            world.desk().await
        };
        if class.warms_up() {
            let known = self
                .prepare(case.scenario)
                .await
                .send_patiently(kind, &desk.app)
                .await;
            assert!(known.status.is_success(), "{what}: {}", known.text);
        }
        let app = match class.deadline {
            Some(deadline) => world.app_of(&desk, deadline),
            None => desk.app.clone(),
        };
        let write = self.prepare(case.scenario).await;
        for rule in class.rules(kind, case.nth) {
            desk.proxy.arm(rule);
        }
        let place = line.begin(place).await;
        let started = Instant::now();
        let first = self.first(&case, &write, (&desk, &app)).await;
        let (took, struck) = (started.elapsed(), desk.proxy.hits() > 0);
        let place = line.end(place).await;
        let says = Says::of(kind, &first);
        // On a machine that is busy enough the time may be over before a statement is struck.
        let late = class.waits() && matches!(says, Says::Late | Says::Contention);
        let allowed = if struck {
            class.allows(kind, says)
        } else {
            says == Says::Done || late
        };
        assert!(
            allowed,
            "{what}: {says:?}, struck: {struck}: {}",
            first.text
        );
        assert!(struck || case.nth > 0 || late, "{what}: it never struck");
        self.tells_the_truth(case.scenario, &write, &first, (says, &what))
            .await;
        if class.waits() || class.connects() {
            drop(desk); // its connections may wait for answers that never come, or nobody else needs them
        } else {
            world.leave(desk);
        }
        self.ends_well(case.scenario, &write, (says, &what)).await;
        drop(place);
        Told {
            operation,
            struck,
            took,
        }
    }

    /// The answer of the process that meets the fault.
    async fn first(&self, case: &Case, write: &Write, (desk, app): (&Desk, &TestApp)) -> Answer {
        let kind = case.scenario.kind;
        if !case.class.twin {
            return write.send(kind, app).await;
        }
        let overtaking = async {
            desk.proxy.struck().await;
            write.send(kind, &self.world.apps[1]).await
        };
        let (first, twin) = join(write.send(kind, app), overtaking).await;
        assert_eq!(
            twin.text, first.text,
            "{} and its twin",
            case.scenario.operation
        );
        first
    }

    async fn prepare(&self, scenario: &Scenario) -> Write {
        (scenario.prepare)(&self.world, &self.world.places[scenario.operation]).await
    }

    /// What the first answer says of its effect is so.
    async fn tells_the_truth(
        &self,
        scenario: &Scenario,
        write: &Write,
        first: &Answer,
        (says, what): (Says, &str),
    ) {
        let faultless = &self.faultless[scenario.operation];
        let (landed, _) = self.world.effects(scenario.kind, write).await;
        let lines = scenario.kind == Kind::Import && first.status == 200;
        let told = if lines { done(first) } else { 0 };
        match says {
            Says::Done => {
                assert_eq!(landed, faultless.effects, "{what}: {}", first.text);
                assert_eq!(shown(&write.names, first), faultless.shown, "{what}");
            }
            Says::Unknown => {
                assert!(
                    told <= landed && landed <= faultless.effects,
                    "{what}: {}",
                    first.text
                );
                if let Some(receipt) = first.body["receipt"].as_str() {
                    let receipt = self.world.apps[1].get(receipt).await;
                    assert_eq!(receipt.status, 200, "{what}: {}", receipt.text);
                    let (later, _) = self.world.effects(scenario.kind, write).await;
                    let committed = i64::from(receipt.body["status"] != "unknown");
                    assert!(
                        landed <= committed && committed <= later,
                        "{what}: {}",
                        receipt.text
                    );
                }
            }
            Says::Contention | Says::Unavailable | Says::Late | Says::Bug => {
                assert_eq!(landed, told, "{what}: {}", first.text);
            }
        }
    }

    /// Whoever repeats it in other regions gets the one effect, and the answer of a write that met no fault.
    async fn ends_well(&self, scenario: &Scenario, write: &Write, (says, what): (Says, &str)) {
        let (kind, faultless) = (scenario.kind, &self.faultless[scenario.operation]);
        let repeated = write.send(kind, &self.world.apps[1]).await;
        let ended = write.send_patiently(kind, &self.world.apps[2]).await;
        assert!(ended.status.is_success(), "{what}, again: {}", ended.text);
        assert_eq!(shown(&write.names, &ended), faultless.shown, "{what}");
        if repeated.status.is_success() && kind != Kind::Import {
            assert_eq!(
                (repeated.status, &repeated.text),
                (ended.status, &ended.text),
                "{what}"
            );
            // What was denied has not landed in the meantime either.
            let replayed = repeated.header("idempotent-replayed") == "true";
            let certain = kind == Kind::Transaction && says != Says::Unknown;
            assert!(
                !certain || replayed == (says == Says::Done),
                "{what}: {}",
                repeated.text
            );
        }
        let effects = self.world.effects(kind, write).await;
        assert_eq!(
            effects,
            (faultless.effects, faultless.events.clone()),
            "{what}"
        );
    }

    /// Every class in its turn, and the table of how it went.
    async fn run(self: &Arc<Self>, classes: &[Class]) {
        let started = Instant::now();
        let (mut cases, mut failed) = (0, Vec::new());
        eprintln!("{:<72} {:>6} {:>8}", "class", "cases", "longest");
        for class in classes {
            let mut struck = Vec::new();
            for nth in 0.. {
                let Ok(told) = self.volley(class, nth).await else {
                    failed.push(format!("{} ({nth})", class.name()));
                    break;
                };
                let before = struck.len();
                struck.extend(
                    told.iter()
                        .filter(|case| case.struck)
                        .map(|case| (case.took, case.operation)),
                );
                if struck.len() == before || !class.goes_on(nth) {
                    break;
                }
            }
            cases += struck.len();
            let (longest, operation) = struck.iter().max().copied().unwrap_or_default();
            eprintln!(
                "{:<72} {:>6} {:>5} ms  {operation}",
                class.name(),
                struck.len(),
                longest.as_millis()
            );
        }
        eprintln!("{cases} cases in {:.1} s", started.elapsed().as_secs_f64());
        assert!(failed.is_empty(), "{failed:#?}");
        let report = self.world.apps[2].request(Method::GET, "/v1/reports/integrity");
        let report = report
            .header("read-consistency", "strong")
            .send()
            .await
            .body;
        let invariants = report["invariants"].as_array().unwrap();
        let pass = invariants.iter().all(|one| one["status"] == "pass");
        assert!(pass && invariants.len() >= 6, "{report}");
    }
}

/// Below `/v1`, the operations of the contract with one of these methods, in order.
fn operations(company: &Company, methods: &[&str]) -> Vec<String> {
    let document = platform_http::document(systems(&company.db.db(), &company.topology));
    let paths = document["paths"].as_object().unwrap();
    let mut operations: Vec<String> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/v1/"))
        .flat_map(|(_, path)| path.as_object().unwrap())
        .filter(|(method, _)| methods.contains(&method.as_str()))
        .map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    operations.sort_unstable();
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_the_contract_has_a_scenario() {
    let company = Company::new().await;
    let operations = operations(&company, &["post", "put", "patch", "delete"]);
    let mut known: Vec<&str> = SCENARIOS
        .iter()
        .map(|scenario| scenario.operation)
        .collect();
    known.sort_unstable();
    assert_eq!(known, operations);
}

#[test]
fn every_code_that_means_something_is_a_class() {
    let classes = [classes::quick(), classes::slow()].concat();
    for (code, verdict) in platform_db::verdicts() {
        let known = classes.iter().any(|class| class.code.starts_with(code));
        assert!(known, "no class of {code}, which means {verdict}");
    }
    // The document has a row for each, and for nothing else.
    let document = include_str!("../../../../docs/failures.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut told: Vec<&str> = rows
        .flat_map(|row| row.split('|').next().unwrap().split('`'))
        .collect();
    told.retain(|word| {
        word.len() == 5
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    });
    let mut known: Vec<&str> = classes
        .iter()
        .map(|class| class.code)
        .filter(|code| !code.is_empty())
        .collect();
    told.sort_unstable();
    known.sort_unstable();
    known.dedup();
    assert_eq!(told, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_08_every_write_has_one_effect_under_every_class_of_failure() {
    let company = Company::new().await;
    Matrix::new(company).await.run(&classes::quick()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_02_every_write_has_one_effect_under_what_makes_it_wait() {
    let company = Company::new().await;
    Matrix::new(company).await.run(&classes::slow()).await;
}

/// No queues of hot rows there, COMMIT with the question for its time behind it, other openings.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_08_every_write_has_one_effect_where_the_database_speaks_cockroach() {
    if let Some(company) = Company::speaking_cockroach().await {
        Matrix::new(company).await.run(&classes::cockroach()).await;
    }
}
