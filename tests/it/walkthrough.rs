//! The pages of `docs/` that are meant to be pasted: each block runs, and shows what the page says it shows.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::world::{World, shared};

/// The shell blocks of a page, in order.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line) {
            (None, "```sh") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => {
                let _ = writeln!(block, "{line}");
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Runs all blocks of a page in one shell, in the world's folder, and compares what each printed with its `# → …` lines.
fn run(world: &World, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let mut text = fs::read_to_string(path).unwrap();
    for ((_, url), usual) in world.regions.iter().zip(["8101", "8102", "8103"]) {
        text = text.replace(&format!("http://127.0.0.1:{usual}"), url);
    }
    let blocks = blocks(&text);
    assert!(blocks.len() >= 3, "{page} has no blocks to run");
    let mut script = String::from("set -eu\n");
    for (number, block) in blocks.iter().enumerate() {
        let _ = writeln!(script, "echo '@@ {number}'\n{block}");
    }
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(world.folder().path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{page}: {printed}\n{errors}");
    for (number, block) in blocks.iter().enumerate() {
        let (_, rest) = printed.split_once(&format!("@@ {number}\n")).unwrap();
        let said = rest.split("@@ ").next().unwrap_or(rest);
        for wanted in block.lines().filter_map(|line| line.strip_prefix("# → ")) {
            assert!(
                said.contains(wanted),
                "{page} promises {wanted} here:\n{block}\nbut:\n{said}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walkthrough_of_an_order_shows_what_it_says() {
    run(shared().await, "walkthrough.md");
}
