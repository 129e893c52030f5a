//! Shows where tables are to live on CockroachDB, and brings it about.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use platform_db::placement::{Extent, Step};
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
    let steps = runtime()?
        .block_on(setup::placement(url.expose(), &topology))
        .map_err(|error| Failure::of(&error))?;
    print(&if args.json {
        json(steps.as_deref())
    } else if args.sql {
        sql(steps.as_deref())
    } else {
        told(steps.as_deref())
    });
    Ok(())
}

fn apply(args: &ApplyArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    let runtime = runtime()?;
    let steps = runtime
        .block_on(setup::placement(url.expose(), &topology))
        .map_err(|error| Failure::of(&error))?;
    let steps = match steps.as_deref() {
        None | Some([]) => {
            print(&told(steps.as_deref()));
            return Ok(());
        }
        Some(steps) => steps,
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
    let progress = Progress::start();
    let done = runtime
        .block_on(setup::place(url.expose(), &topology, extent, &progress))
        .map_err(|error| Failure::of(&error))?;
    print(&format!("ran {done} statements"));
    Ok(())
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

fn json(steps: Option<&[Step]>) -> String {
    let steps: Vec<_> = steps
        .unwrap_or_default()
        .iter()
        .map(|step| {
            serde_json::json!({
                "statement": step.statement,
                "reason": step.reason,
                "destructive": step.destructive,
            })
        })
        .collect();
    serde_json::json!({"steps": steps}).to_string()
}

fn sql(steps: Option<&[Step]>) -> String {
    match steps {
        None => format!("-- {POSTGRES}"),
        Some([]) => format!("-- {IN_PLACE}"),
        Some(steps) => {
            let lines: Vec<String> = steps
                .iter()
                .map(|step| format!("-- {}{}\n{};", warning(step), step.reason, step.statement))
                .collect();
            lines.join("\n")
        }
    }
}

fn told(steps: Option<&[Step]>) -> String {
    match steps {
        None => POSTGRES.into(),
        Some([]) => IN_PLACE.into(),
        Some(steps) => {
            let lines: Vec<String> = steps
                .iter()
                .enumerate()
                .map(|(index, step)| {
                    format!(
                        "{:>3}  {}\n     {}{}",
                        index + 1,
                        step.statement,
                        warning(step),
                        step.reason
                    )
                })
                .collect();
            lines.join("\n")
        }
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

    fn steps() -> [Step; 2] {
        [
            Step {
                statement: "ALTER TABLE a SET LOCALITY GLOBAL".into(),
                reason: "a is read everywhere".into(),
                destructive: false,
            },
            Step {
                statement: "ALTER DATABASE \"m\" DROP REGION IF EXISTS \"us1\"".into(),
                reason: "us1 is a region no longer".into(),
                destructive: true,
            },
        ]
    }

    #[test]
    fn a_plan_is_read_by_people_databases_and_programs() {
        let plan = told(Some(&steps()));
        assert!(
            plan.contains("  2  ALTER DATABASE \"m\" DROP REGION"),
            "{plan}"
        );
        assert_eq!(plan.matches("DESTRUCTIVE").count(), 1, "{plan}");
        assert_eq!(
            sql(Some(&steps()[..1])),
            "-- a is read everywhere\nALTER TABLE a SET LOCALITY GLOBAL;"
        );
        let json: serde_json::Value = serde_json::from_str(&json(Some(&steps()))).unwrap();
        assert_eq!(json["steps"][1]["destructive"], true);
        assert_eq!(json["steps"][0]["reason"], "a is read everywhere");
    }

    #[test]
    fn nothing_to_do_is_said() {
        assert_eq!(told(None), POSTGRES);
        assert_eq!(told(Some(&[])), IN_PLACE);
        assert_eq!(json(None), "{\"steps\":[]}");
        assert_eq!(sql(None), format!("-- {POSTGRES}"));
    }
}
