//! What `up` prints to standard output: first the lines that scripts read, then a page for a newcomer.

use std::{
    env,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use topology::Topology;

use crate::state::WorldFile;

/// What the page is about.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    pub(crate) world: &'a WorldFile,
    pub(crate) topology: &'a Topology,
    /// This binary as the user would type it.
    pub(crate) exe: &'a Path,
    /// The state folder as the user named it.
    pub(crate) state: &'a Path,
}

/// Prints it. A reader that has gone (`up | head -4`) is no reason to stop.
pub(crate) fn print(banner: &Banner<'_>) {
    let text = format!("{}{}", contract(banner.world), page(banner));
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// One line per region with tag and base URL, one line for the database: scripts and drills stand on these.
fn contract(world: &WorldFile) -> String {
    let mut text = String::new();
    for (tag, url) in &world.regions {
        let _ = writeln!(text, "{tag} {url}");
    }
    let _ = writeln!(text, "database {}", world.database);
    text
}

fn page(banner: &Banner<'_>) -> String {
    let mut text =
        String::from("\nMeridian is up. Every region serves the whole API over one database.\n\n");
    let places: Vec<_> = banner
        .topology
        .regions()
        .iter()
        .map(|region| format!("{} ({} {})", region.name, region.cloud, region.cloud_region))
        .collect();
    let width = places
        .iter()
        .map(|place| place.chars().count())
        .max()
        .unwrap_or(0);
    let _ = writeln!(
        text,
        "  {:<8}{:<width$}  {:<23}documentation",
        "region", "place", "base URL"
    );
    for (place, (tag, url)) in places.iter().zip(&banner.world.regions) {
        let _ = writeln!(text, "  {tag:<8}{place:<width$}  {url:<23}{url}/docs");
    }
    let meridian = command(banner.exe, env::current_dir().ok().as_deref());
    let state = match banner.state == Path::new(DEFAULT_STATE) {
        true => String::new(),
        false => format!(" --state {}", quoted(&banner.state.display().to_string())),
    };
    let token = |role: &str| format!("{meridian} token --role {role}{state}");
    let auth = format!("-H \"Authorization: Bearer $({})\"", token("manager"));
    let urls: Vec<_> = banner
        .world
        .regions
        .iter()
        .map(|(_, url)| url.as_str())
        .collect();
    let (Some(first), Some(second), Some(last)) =
        (urls.first(), urls.get(1).or(urls.first()), urls.last())
    else {
        return text;
    };
    let post = |url: &str| {
        format!(
            "curl -sS {auth} -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first-item' \
             -d '{FIRST_ITEM}' {url}/v1/warehouse/items"
        )
    };
    let _ = write!(
        text,
        "\nTry it, in this folder, from another terminal:\n\n\
         the office nearest to Vienna\n  \
           curl -sS {auth} '{first}/v1/offices/nearest?lat=48.2&lon=16.37'\n\
         the items of the demo company\n  \
           curl -sS {auth} {first}/v1/warehouse/items\n\
         a new item\n  \
           {}\n\
         the same request sent to another region: the same answer, and still one item\n  \
           {}\n\
         read it in a third region\n  \
           curl -sS {auth} '{last}/v1/warehouse/items?sku=LAMP-7'\n\
         how the regions are\n  \
           curl -sS {last}/v1/status\n\n\
         A token of another role: {} (or clerk, accountant, operator)\n\
         100000 more items:       {meridian} seed --items 100000{state}\n\
         To see a region fail:    kill -9 its process; the others go on, and it is back after 8 s.\n\
         To stop:                 Ctrl-C. The data stays in {}; `up --fresh` begins anew.\n",
        post(first),
        post(second),
        token("viewer"),
        banner.state.display(),
    );
    text
}

/// The state folder where nobody names another.
pub const DEFAULT_STATE: &str = ".meridian";

const FIRST_ITEM: &str = r#"{"sku":"LAMP-7","name":"Reading lamp","description":"Oak and brass","country_of_origin":"PL","unit":"each","prices":[{"currency":"EUR","amount_minor":10000}]}"#;

/// The binary as a user in `here` would type it.
fn command(exe: &Path, here: Option<&Path>) -> String {
    let short = here
        .and_then(|here| exe.strip_prefix(here).ok())
        .unwrap_or(exe);
    let text = short.display().to_string();
    // A name without a slash would be looked for on the PATH.
    quoted(&if text.contains('/') {
        text
    } else {
        format!("./{text}")
    })
}

/// For a shell, where need be.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> WorldFile {
        WorldFile {
            pid: 1,
            database: "postgres://meridian:secret@127.0.0.1:5433/meridian".into(),
            regions: [("eu1", 8101), ("us1", 8102), ("ap1", 8203)]
                .map(|(tag, port)| (tag.to_owned(), format!("http://127.0.0.1:{port}")))
                .into(),
        }
    }

    #[test]
    fn scripts_find_regions_and_database_before_any_other_address() {
        assert_eq!(
            contract(&world()),
            "eu1 http://127.0.0.1:8101\nus1 http://127.0.0.1:8102\nap1 http://127.0.0.1:8203\n\
             database postgres://meridian:secret@127.0.0.1:5433/meridian\n"
        );
    }

    #[test]
    fn every_curl_line_is_whole_and_mints_its_own_token() {
        let here = env::current_dir().unwrap();
        let exe = here.join("target/release/meridian");
        let (world, topology) = (world(), Topology::embedded());
        let banner = Banner {
            world: &world,
            topology: &topology,
            exe: &exe,
            state: Path::new(DEFAULT_STATE),
        };
        let page = page(&banner);
        let curls: Vec<_> = page
            .lines()
            .filter(|line| line.trim().starts_with("curl "))
            .collect();
        assert!(curls.len() >= 5, "{page}");
        for line in curls.iter().filter(|line| !line.contains("/v1/status")) {
            assert!(
                line.contains("$(target/release/meridian token --role manager)"),
                "{line}"
            );
        }
        serde_json::from_str::<serde_json::Value>(FIRST_ITEM).unwrap();
    }

    #[test]
    fn names_are_fit_for_a_shell() {
        let here = Some(Path::new("/home/ada/meridian"));
        let command = |exe: &str| command(Path::new(exe), here);
        assert_eq!(
            command("/home/ada/meridian/target/release/meridian"),
            "target/release/meridian"
        );
        assert_eq!(command("/home/ada/meridian/meridian"), "./meridian");
        assert_eq!(command("/opt/my apps/meridian"), "'/opt/my apps/meridian'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
