//! "Did you mean": the known name nearest to an unknown one.

/// The known name with the least edit distance, if that is at most a third of the longer name (at least 1).
pub(crate) fn suggest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let unknown = unknown.to_ascii_lowercase();
    if unknown.len() > 64 {
        return None; // nobody meant that, and the distance is quadratic
    }
    known
        .into_iter()
        .map(|name| (distance(&unknown, name), name))
        .filter(|(edits, name)| *edits <= (name.len().max(unknown.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["office", "status", "created_from", "limit"];
        for (unknown, meant) in [
            ("offcie", "office"),
            ("Office", "office"),
            ("created-from", "created_from"),
            ("limits", "limit"),
        ] {
            assert_eq!(suggest(unknown, known), Some(meant), "{unknown}");
        }
        assert_eq!(suggest("colour", known), None);
        assert_eq!(suggest(&"x".repeat(1000), known), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_only_for_equals(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        }
    }
}
