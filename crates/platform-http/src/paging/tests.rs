use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn read(query: &str) -> Result<Paging, Problem> {
    Paging::read("/v1/things", &query::decode(Some(query)).unwrap(), NOW)
}

fn code(query: &str) -> &'static str {
    read(query).unwrap_err().kind().code
}

#[test]
fn limits_are_coerced_or_refused() {
    for (query, limit) in [
        ("", 50),
        ("limit=1", 1),
        ("limit=200", 200),
        ("limit=201", 200),
        ("limit=99999999999999999999", 200),
    ] {
        assert_eq!(read(query).unwrap().request.limit, limit, "{query}");
    }
    for bad in [
        "limit=0",
        "limit=-1",
        "limit=",
        "limit=x",
        "limit=1.5",
        "limit=1&limit=2",
        "order=up",
        "allow_partial=no",
        "cursor=",
        "cursor=!",
        "cursor=AAAA",
    ] {
        assert_eq!(code(bad), "invalid_parameter", "{bad}");
    }
    let errors = &read("limit=0&order=up&cursor=x").unwrap_err().0.members["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 3);
}

fn seen<R>(value: Vec<R>, at: Timestamp) -> Read<Vec<R>> {
    Read {
        value,
        at,
        unreachable: Vec::new(),
    }
}

/// Walks `count` rows and returns what was seen, page by page.
fn walk(count: u16, limit: u16, order: &str) -> Vec<Vec<u16>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let paging = read(&format!("limit={limit}&order={order}{cursor}")).unwrap();
        let after = paging
            .request
            .after
            .as_ref()
            .map(|after| after.id.parse::<u16>().unwrap());
        let rows: Vec<u16> = (after.map_or(0, |id| id + 1)..count)
            .take(usize::from(paging.request.limit) + 1)
            .collect();
        let at = NOW.minus(Duration::from_secs(u64::from(count))); // only the first page's counts
        let page = paging.page(
            seen(rows, at),
            |row| Position {
                created_at: NOW,
                id: row.to_string(),
            },
            |row| row,
        );
        if after.is_some() {
            assert_eq!(paging.request.snapshot, Some(at));
        }
        pages.push(page.data);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

#[test]
fn a_cursor_is_good_for_its_list_only() {
    let first = read("office=ber").unwrap();
    let page = first.page(
        seen(vec![0; 51], NOW),
        |_| Position {
            created_at: NOW,
            id: "x".into(),
        },
        |row| row,
    );
    let cursor = page.next_cursor.unwrap();
    assert!(read(&format!("office=ber&cursor={cursor}")).is_ok());
    assert!(read(&format!("cursor={cursor}&limit=7&office=ber&order=desc")).is_ok());
    assert_eq!(
        code(&format!("office=nyc&cursor={cursor}")),
        "cursor_mismatch"
    );
    assert_eq!(
        code(&format!("office=ber&order=asc&cursor={cursor}")),
        "cursor_mismatch"
    );
    let other = Paging::read(
        "/v1/others",
        &query::decode(Some(&format!("office=ber&cursor={cursor}"))).unwrap(),
        NOW,
    );
    assert_eq!(other.unwrap_err().kind().code, "cursor_mismatch");
}

#[test]
fn a_cursor_expires_after_an_hour() {
    let read_at = |age: Duration| {
        let paging = read("").unwrap();
        let at = NOW.minus(age);
        let page = paging.page(
            seen(vec![0; 51], at),
            |_| Position {
                created_at: NOW,
                id: "x".into(),
            },
            |row| row,
        );
        read(&format!("cursor={}", page.next_cursor.unwrap()))
    };
    assert!(read_at(Duration::from_secs(3600)).is_ok());
    let late = read_at(Duration::from_millis(3_600_001)).unwrap_err();
    assert_eq!(
        (late.kind().code, late.kind().status),
        ("cursor_expired", 410)
    );
}

#[test]
fn gaps_are_named() {
    let page = |unreachable: &[&str]| {
        let found = Read {
            unreachable: unreachable
                .iter()
                .map(|region| region.parse().unwrap())
                .collect(),
            ..seen(vec![1], NOW)
        };
        let position = |row: &i32| Position {
            created_at: NOW,
            id: row.to_string(),
        };
        read("").unwrap().page(found, position, |row| row)
    };
    assert_eq!(page(&[]).unreachable, Vec::<String>::new());
    assert_eq!(page(&["ap1"]).unreachable, ["regions/ap1"]);
}

#[test]
fn only_false_asks_for_all_or_nothing() {
    assert!(AllowPartial::is_refused(Some(
        "office=ber&allow_partial=false"
    )));
    for other in [None, Some("allow_partial=true"), Some("allow_partial=no")] {
        assert!(!AllowPartial::is_refused(other), "{other:?}");
    }
}

proptest! {
    #[test]
    fn a_walk_skips_and_repeats_nothing(count in 0_u16..60, limit in 1_u16..25, asc: bool) {
        let pages = walk(count, limit, if asc { "asc" } else { "desc" });
        let seen: Vec<u16> = pages.iter().flatten().copied().collect();
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        let full = pages[..pages.len() - 1].iter().all(|page| page.len() == usize::from(limit));
        prop_assert!(full);
    }

    #[test]
    fn cursors_round_trip(filters: [u8; 8], snapshot in 0_i64..253_402_300_799_999, created in 0_i64..253_402_300_799_999,
        id in "[a-z0-9_-]{1,40}") {
        let cursor = Cursor { filters, snapshot: Timestamp::from_millis(snapshot),
            after: Position { created_at: Timestamp::from_millis(created), id } };
        prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }

    #[test]
    fn no_text_makes_a_cursor_panic(text in "[A-Za-z0-9_-]{0,60}") {
        let _ = Cursor::decode(&text);
    }
}
