//! What is wrong with the files.

use std::fmt;

/// One thing wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyError {
    /// The file, as a path below the folder that was loaded: `eu1.yaml`.
    pub file: String,
    /// The field: `latitude`, `offices[2].currency`; `None` where the file as a whole is meant.
    pub field: Option<String>,
    /// What is wrong, as the end of a sentence that begins with the field.
    pub problem: String,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: {field}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

/// Everything wrong in all files, one line each, ordered by file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct TopologyErrors(pub Vec<TopologyError>);

fn lines(errors: &[TopologyError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
