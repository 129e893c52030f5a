//! Resources in place of their ids.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which members an answer shows as what they name, in place of its id: `customer`, `lines.item`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expand(BTreeSet<String>);

impl Expand {
    /// Those of these paths.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self(paths.into_iter().collect())
    }

    /// Whether the member at the path is wanted so.
    #[must_use]
    pub fn wants(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What was read to stand in place of ids: by path, then by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inlined(BTreeMap<&'static str, BTreeMap<String, Value>>);

impl Inlined {
    /// What the ids at the path name.
    pub fn put(&mut self, path: &'static str, found: BTreeMap<String, Value>) {
        self.0.insert(path, found);
    }

    /// Puts what was read in place of the ids of a resource; an id that names nothing stays.
    pub fn apply(&self, resource: &mut Value) {
        for (path, found) in &self.0 {
            let members: Vec<&str> = path.split('.').collect();
            replace(resource, &members, found);
        }
    }
}

fn replace(value: &mut Value, members: &[&str], found: &BTreeMap<String, Value>) {
    if let Value::Array(values) = value {
        for value in values {
            replace(value, members, found);
        }
        return;
    }
    match members.split_first() {
        Some((member, rest)) => {
            if let Some(value) = value.get_mut(*member) {
                replace(value, rest, found);
            }
        }
        None => {
            if let Some(resource) = value.as_str().and_then(|id| found.get(id)) {
                *value = resource.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_replaced_wherever_the_path_leads() {
        let mut inlined = Inlined::default();
        inlined.put("customer", [("c1".to_owned(), json!({"id": "c1"}))].into());
        inlined.put(
            "lines.item",
            [("i1".to_owned(), json!({"id": "i1"}))].into(),
        );
        let mut order = json!({"customer": "c1", "item": "i1",
            "lines": [{"item": "i1"}, {"item": "i2"}, {"item": null}, {}]});
        inlined.apply(&mut order);
        let lines = json!([{"item": {"id": "i1"}}, {"item": "i2"}, {"item": null}, {}]);
        assert_eq!(
            order,
            json!({"customer": {"id": "c1"}, "item": "i1", "lines": lines})
        );
    }
}
