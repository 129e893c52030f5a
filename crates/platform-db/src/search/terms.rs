//! What a text is found by: whole numbers, since those are small, compare fast, and sort alike in every database.
//!
//! - A **trigram** is three characters in a row of a word that has two spaces before it and one behind it, packed
//!   into 63 bits. Two swapped letters change at most four trigrams in a row, a missing one at most three.
//! - A trigram of the **start** has the mark [`START`] in place of the spaces: it is had by titles that begin so.
//! - What is found **exactly** (ids, SKUs, references), and what says **who may see** an entry, is a number below
//!   zero: 63 bits of a hash, so that an entry tells nobody the e-mail address that it is found by.
//!
//! Texts are compared folded: every character in upper case, then in lower case. So `Straße` is `STRASSE` and `ΟΔΟΣ`
//! is `οδός` but for its accent. Nothing else is normalised: `é` and `e` with a combining accent are two texts.

use kernel::OfficeCode;

/// Stands for the spaces before the first word of a title. No character has this number.
const START: u64 = 0x11_0000;

/// At most this many ways to leave a slip out.
const SLIPS_MAX: usize = 6;

/// Trigrams in a row that one slip changes.
const SLIP: usize = 4;

/// The text as it is compared.
pub(crate) fn fold(text: &str) -> String {
    text.trim()
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The trigrams of a folded text, word by word, in their order.
pub(crate) fn trigrams(folded: &str) -> Vec<i64> {
    let space = u64::from(u32::from(' '));
    words(folded)
        .flat_map(|word| {
            let mut padded = vec![space, space];
            padded.extend(word.chars().map(|c| u64::from(u32::from(c))));
            padded.push(space);
            padded.windows(3).map(pack).collect::<Vec<_>>()
        })
        .collect()
}

/// The trigrams of the first two characters of a folded title.
pub(crate) fn starts(folded: &str) -> Vec<i64> {
    let first: Vec<u64> = words(folded)
        .next()
        .into_iter()
        .flat_map(str::chars)
        .take(2)
        .map(|c| u64::from(u32::from(c)))
        .collect();
    let padded = [&[START, START], first.as_slice()].concat();
    padded.windows(3).map(pack).collect()
}

/// The term of a folded text that is found as a whole.
pub(crate) fn exact(folded: &str) -> i64 {
    hashed(&[b"exact", folded.as_bytes()])
}

/// The term of every entry of a kind or, with an office, of those that belong to it.
pub(crate) fn seen(kind: &str, office: Option<&OfficeCode>) -> i64 {
    let office = office.map(OfficeCode::as_str).unwrap_or_default();
    hashed(&[b"seen", kind.as_bytes(), office.as_bytes()])
}

/// Whether a term is a trigram, and not one of the start.
pub(crate) fn is_trigram(term: i64) -> bool {
    u64::try_from(term).is_ok_and(|term| term >> 42 != START)
}

/// What must be there if the last word is not finished: all but the trigram of its end.
pub(crate) fn unfinished(trigrams: &[i64]) -> &[i64] {
    trigrams.split_last().map_or(trigrams, |(_, rest)| rest)
}

/// What is left of the trigrams when the place of one slip is left out, for every place where it may be: wherever it
/// is, one of the lists has none of the trigrams that it changed.
pub(crate) fn without_a_slip(trigrams: &[i64]) -> Vec<Vec<i64>> {
    let count = trigrams.len();
    if count < SLIP + 1 {
        return Vec::new();
    }
    let places = count - SLIP + 1;
    let stride = places.div_ceil(SLIPS_MAX);
    (0..places)
        .step_by(stride)
        .map(|from| {
            let until = (from + stride + SLIP - 1).min(count);
            [&trigrams[..from], &trigrams[until..]].concat()
        })
        .filter(|left| !left.is_empty())
        .collect()
}

/// Words end at white space and at punctuation of ASCII; other signs are letters, so that they can be searched for.
fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|c: char| c.is_whitespace() || c.is_ascii_punctuation() || c.is_ascii_control())
        .filter(|word| !word.is_empty())
}

/// Three numbers of 21 bits each.
fn pack(three: &[u64]) -> i64 {
    let packed = three.iter().fold(0, |packed, c| packed << 21 | c);
    i64::try_from(packed).unwrap_or(i64::MAX) // 63 bits always fit
}

/// A number below zero.
fn hashed(parts: &[&[u8]]) -> i64 {
    let bits = kernel::id::derive_bits(parts).as_u64_pair().0;
    !i64::try_from(bits >> 1).unwrap_or(i64::MAX) // 63 bits always fit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Whether one of the lists that a slip leaves is had by the title.
    fn finds(title: &str, typed: &str) -> bool {
        let has: BTreeSet<i64> = trigrams(&fold(title)).into_iter().collect();
        let lists = without_a_slip(&trigrams(&fold(typed)));
        lists
            .iter()
            .any(|list| list.iter().all(|term| has.contains(term)))
    }

    #[test]
    fn texts_are_compared_without_case() {
        assert_eq!(fold(" Straße "), "strasse");
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
        assert_eq!(fold("οδος"), fold("οδοσ"));
        assert_ne!(fold("é"), fold("e\u{301}"));
    }

    #[test]
    fn terms_of_different_purposes_never_meet() {
        let text = "lamp";
        assert!(trigrams(text).into_iter().all(is_trigram));
        assert_eq!(trigrams(text).len(), 5);
        let others = [starts(text), vec![exact(text), seen(text, None)]].concat();
        assert_eq!(others.len(), 4);
        assert!(!others.into_iter().any(is_trigram));
        assert_ne!(exact(text), seen(text, None));
        assert!(trigrams(" -?- ").is_empty());
        assert!(starts("").is_empty());
    }

    #[test]
    fn the_ways_to_leave_a_slip_out_are_few() {
        for count in 0..400 {
            let trigrams: Vec<i64> = (0..count).collect();
            assert!(without_a_slip(&trigrams).len() <= SLIPS_MAX, "{count}");
        }
    }

    proptest! {
        /// One word of five letters at least, then whatever.
        #[test]
        fn one_slip_leaves_enough(
            title in "[a-zA-Zäöéñжπ漢字0-9]{5,12}([ -]{1,2}[a-zäж0-9]{1,9}){0,4}",
            place in any::<prop::sample::Index>(),
        ) {
            let letters: Vec<char> = title.chars().collect();
            let at = place.index(letters.len() - 1);
            let mut swapped = letters.clone();
            swapped.swap(at, at + 1);
            let mut missing = letters.clone();
            missing.remove(at);
            for typed in [swapped, missing] {
                let typed: String = typed.into_iter().collect();
                prop_assert!(finds(&title, &typed), "{title} by {typed}");
            }
        }
    }
}
