//! Rules for text that clients send: kept as sent, lengths in Unicode scalar values.

/// What is wrong with a text, as the end of a sentence that begins with the member's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing, or nothing but white space, where text is required.
    #[error("must not be empty or white space alone")]
    Blank,
    /// More than `max` Unicode scalar values.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// U+0000, which PostgreSQL cannot store.
    #[error("must not contain the character U+0000")]
    Nul,
}

/// Checks a required text of at most `max` characters.
///
/// # Errors
/// The first rule that the text breaks.
pub fn check(text: &str, max: usize) -> Result<(), TextError> {
    if text.contains('\0') {
        Err(TextError::Nul)
    } else if text.chars().count() > max {
        Err(TextError::TooLong { max })
    } else if text.trim().is_empty() {
        Err(TextError::Blank)
    } else {
        Ok(())
    }
}

/// Names: at most 200 characters.
pub const NAME_MAX: usize = 200;
/// References and SKUs: at most 128 characters.
pub const REFERENCE_MAX: usize = 128;
/// Descriptions, notes, reasons: at most 2000 characters.
pub const TEXT_MAX: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_scalar_values() {
        assert_eq!(check(&"😀".repeat(5), 5), Ok(()));
        assert_eq!(
            check(&"😀".repeat(6), 5),
            Err(TextError::TooLong { max: 5 })
        );
        assert_eq!(check(" \u{a0}\t", 5), Err(TextError::Blank));
        assert_eq!(check("a\0b", 5), Err(TextError::Nul));
    }
}
