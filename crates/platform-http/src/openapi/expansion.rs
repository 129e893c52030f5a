//! What `expand` does to answers: a member that can be shown as what it names is either its id or that resource.

use serde_json::{Value, json};

use super::{JSON, expandable};

/// Says of every such member of the document that it may be the resource, whose schema is called as the member is: `item`
/// names an `Item`, `journal_entry` a `JournalEntry`. What no system of the document describes stays an id.
pub(super) fn describe(document: &mut Value) {
    let mut members = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for expandable in expandable(&item["get"]["parameters"]) {
            let path = [path.as_str(), "get", "responses", "200", "content", JSON].map(escaped);
            let answer = format!("/paths/{}/schema", path.join("/"));
            members.push((answer, expandable.path));
        }
    }
    for (answer, path) in members {
        let named = path.rsplit('.').next().unwrap_or_default();
        let schema = format!("/components/schemas/{}", pascal_case(named));
        if document.pointer(&schema).is_none() {
            continue;
        }
        let resource = json!({"$ref": format!("#{schema}")});
        let at = rows(document, answer);
        let at = path
            .split('.')
            .fold(at, |at, name| member(document, at, name));
        if let Some(id) = document.pointer_mut(&at) {
            let is_said = id["anyOf"]
                .as_array()
                .is_some_and(|all| all.contains(&resource));
            if !is_said {
                *id = json!({"anyOf": [id.take(), resource]});
            }
        }
    }
}

/// Where the schema of a row is, if the answer is a page of them, with more beside them or not; else that of the answer.
fn rows(document: &Value, answer: String) -> String {
    let answer = followed(document, answer);
    let parts = (0..)
        .map(|index| format!("{answer}/allOf/{index}"))
        .take_while(|part| document.pointer(part).is_some())
        .map(|part| followed(document, part));
    let row = std::iter::once(answer.clone())
        .chain(parts)
        .map(|page| format!("{page}/properties/data/items"))
        .find(|row| document.pointer(row).is_some());
    row.map_or(answer, |row| followed(document, row))
}

/// Where the schema of a member is; if it is a list, that of its elements.
fn member(document: &Value, at: String, name: &str) -> String {
    let at = format!("{}/properties/{name}", followed(document, at));
    let element = format!("{at}/items");
    if document.pointer(&element).is_some() {
        element
    } else {
        at
    }
}

/// Where a schema is that may be a reference.
fn followed(document: &Value, at: String) -> String {
    let reference = document
        .pointer(&at)
        .and_then(|schema| schema["$ref"].as_str());
    let target = reference.and_then(|reference| reference.strip_prefix('#'));
    target.map_or(at, str::to_owned)
}

/// As one step of a JSON Pointer.
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn pascal_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}
