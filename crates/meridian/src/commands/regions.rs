//! Shows where tables are to live on CockroachDB, and brings it about.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use platform_db::placement::{Extent, Hindrance, Plan, Step};
use world::{Progress, setup};

use super::{choose_tls, runtime};
use crate::{
    cli::{ApplyArgs, PlanArgs, RegionsAction, RegionsArgs},
    database::{regions, url_or_world},
    failure::{FAILED, Failure},
    print,
};

const POSTGRES: &str = "nothing to place: this is PostgreSQL, which has no regions";
const IN_PLACE: &str = "nothing to do: every table is in its place";

pub(crate) fn run(args: RegionsArgs) -> Result<(), Failure> {
    choose_tls();
    match args.action {
        RegionsAction::Plan(args) => plan(&args),
        RegionsAction::Apply(args) => apply(&args),
    }
}

fn plan(args: &PlanArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    let plan = runtime()?
        .block_on(setup::placement(url.expose(), &topology))
        .map_err(|error| Failure::of(&error))?;
    print(&if args.json {
        json(plan.as_ref())
    } else if args.sql {
        sql(plan.as_ref())
    } else {
        told(plan.as_ref())
    });
    Ok(())
}

fn apply(args: &ApplyArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    let runtime = runtime()?;
    let plan = runtime
        .block_on(setup::placement(url.expose(), &topology))
        .map_err(|error| Failure::of(&error))?;
    let Some(Plan { steps, hindrance }) = plan else {
        print(POSTGRES);
        return Ok(());
    };
    let taken: Vec<&Step> = steps.iter().filter(|step| step.destructive).collect();
    if !taken.is_empty() && !args.yes {
        agree(&taken)?;
    }
    // What was not shown as taking something away does not, even if the plan is another by now.
    let extent = if taken.is_empty() {
        Extent::Grow
    } else {
        Extent::Whole
    };
    if !steps.is_empty() {
        let progress = Progress::start();
        let applied = runtime
            .block_on(setup::place(url.expose(), &topology, extent, &progress))
            .map_err(|error| Failure::of(&error))?;
        print(&format!("ran {} statements", applied.statements));
    }
    match hindrance {
        // A cluster for tests: it does everything else.
        Some(hindrance @ Hindrance::NoRegions) => {
            print(&hindrance.to_string());
            Ok(())
        }
        Some(hindrance) => Err(Failure::new(FAILED, hindrance.to_string())),
        None if steps.is_empty() => {
            print(IN_PLACE);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Asks a person; where there is none, nothing is done.
fn agree(taken: &[&Step]) -> Result<(), Failure> {
    let list: Vec<&str> = taken.iter().map(|step| step.reason.as_str()).collect();
    let refused = format!(
        "nothing was done: {} statements take something away ({}); say --yes to run them",
        list.len(),
        list.join("; ")
    );
    if !io::stdin().is_terminal() {
        return Err(Failure::new(FAILED, refused));
    }
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "These statements take something away:");
    for step in taken {
        let _ = writeln!(stderr, "  {} ({})", step.statement, step.reason);
    }
    let _ = write!(stderr, "Run the plan? [y/N] ").and_then(|()| stderr.flush());
    drop(stderr);
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(FAILED, refused)),
    }
}

fn json(plan: Option<&Plan>) -> String {
    let steps: Vec<_> = steps(plan)
        .iter()
        .map(|step| {
            serde_json::json!({
                "statement": step.statement,
                "reason": step.reason,
                "destructive": step.destructive,
            })
        })
        .collect();
    serde_json::json!({"steps": steps, "hindrance": hindrance(plan)}).to_string()
}

fn sql(plan: Option<&Plan>) -> String {
    let lines = steps(plan)
        .iter()
        .map(|step| format!("-- {}{}\n{};", warning(step), step.reason, step.statement));
    let said = remark(plan).map(|remark| format!("-- {remark}"));
    said.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn told(plan: Option<&Plan>) -> String {
    let lines = steps(plan).iter().enumerate().map(|(index, step)| {
        format!(
            "{:>3}  {}\n     {}{}",
            index + 1,
            step.statement,
            warning(step),
            step.reason
        )
    });
    let lines: Vec<String> = remark(plan).into_iter().chain(lines).collect();
    lines.join("\n")
}

fn steps(plan: Option<&Plan>) -> &[Step] {
    plan.map_or(&[], |plan| &plan.steps)
}

fn hindrance(plan: Option<&Plan>) -> Option<String> {
    Some(plan?.hindrance.as_ref()?.to_string())
}

/// What is to be said beside the statements.
fn remark(plan: Option<&Plan>) -> Option<String> {
    match plan {
        None => Some(POSTGRES.into()),
        Some(Plan {
            hindrance: None,
            steps,
        }) => steps.is_empty().then(|| IN_PLACE.into()),
        Some(_) => hindrance(plan),
    }
}

fn warning(step: &Step) -> &'static str {
    if step.destructive {
        "DESTRUCTIVE: "
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Plan {
        let step = |statement: &str, reason: &str, destructive| Step {
            statement: statement.into(),
            reason: reason.into(),
            destructive,
            optional: false,
        };
        Plan {
            steps: vec![
                step(
                    "ALTER TABLE a SET LOCALITY GLOBAL",
                    "a is read everywhere",
                    false,
                ),
                step(
                    "ALTER DATABASE \"m\" DROP REGION IF EXISTS \"us1\"",
                    "us1 is a region no longer",
                    true,
                ),
            ],
            hindrance: None,
        }
    }

    #[test]
    fn a_plan_is_read_by_people_databases_and_programs() {
        let mut plan = whole();
        let text = told(Some(&plan));
        assert!(
            text.contains("  2  ALTER DATABASE \"m\" DROP REGION"),
            "{text}"
        );
        assert_eq!(text.matches("DESTRUCTIVE").count(), 1, "{text}");
        let json: serde_json::Value = serde_json::from_str(&json(Some(&plan))).unwrap();
        assert_eq!(json["steps"][1]["destructive"], true);
        assert_eq!(json["steps"][0]["reason"], "a is read everywhere");
        plan.steps.pop();
        assert_eq!(
            sql(Some(&plan)),
            "-- a is read everywhere\nALTER TABLE a SET LOCALITY GLOBAL;"
        );
    }

    #[test]
    fn nothing_to_do_is_said_and_so_is_what_is_in_the_way() {
        assert_eq!(told(None), POSTGRES);
        assert_eq!(told(Some(&Plan::default())), IN_PLACE);
        assert_eq!(json(None), "{\"hindrance\":null,\"steps\":[]}");
        assert_eq!(sql(None), format!("-- {POSTGRES}"));
        let hindered = Plan {
            hindrance: Some(Hindrance::NoRegions),
            ..whole()
        };
        for said in [
            told(Some(&hindered)),
            sql(Some(&hindered)),
            json(Some(&hindered)),
        ] {
            assert!(said.contains("no node of the cluster says"), "{said}");
            assert!(said.contains("SET LOCALITY GLOBAL"), "{said}");
        }
    }
}
