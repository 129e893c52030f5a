//! What changed between two OpenAPI documents, from the side of a client that was written for the older one.
//!
//! Breaking: something a client calls, sends or reads is gone or is another thing, or something it does not
//! send became required. Everything else is an addition.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// A client written for the older document may fail.
    Breaking(String),
    /// It will not notice.
    Added(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaking(what) => write!(f, "breaking: {what}"),
            Self::Added(what) => write!(f, "added: {what}"),
        }
    }
}

/// Who makes the value that a schema describes: what is required of one is promised by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

/// All differences that this knows of, breaking ones first.
pub(crate) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut diff = Diff {
        before,
        after,
        found: BTreeSet::new(),
        open: Vec::new(),
    };
    let (old, new) = (operations(before), operations(after));
    for (name, operation) in &old {
        match new.iter().find(|(other, _)| other == name) {
            None => diff.breaking(format!("{name} is gone")),
            Some((_, other)) => diff.operation(name, operation, other),
        }
    }
    for (name, _) in new
        .iter()
        .filter(|(name, _)| !old.iter().any(|(other, _)| other == name))
    {
        diff.added(name.clone());
    }
    diff.found.into_iter().collect()
}

const METHODS: &[&str] = &["get", "put", "post", "delete", "patch", "head", "options"];

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = members(document.get("paths"));
    paths
        .flat_map(|(path, item)| {
            members(Some(item))
                .filter(|(method, _)| METHODS.contains(&method.as_str()))
                .map(move |(method, operation)| {
                    (format!("{} {path}", method.to_uppercase()), operation)
                })
        })
        .collect()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

struct Diff<'a> {
    before: &'a Value,
    after: &'a Value,
    found: BTreeSet<Change>,
    /// The schemas that are being compared: one may hold itself.
    open: Vec<(&'a Value, Side)>,
}

impl<'a> Diff<'a> {
    fn breaking(&mut self, what: String) {
        self.found.insert(Change::Breaking(what));
    }

    fn added(&mut self, what: String) {
        self.found.insert(Change::Added(what));
    }

    fn operation(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        self.parameters(name, old, new);
        let body = |operation: &'a Value| operation.get("requestBody");
        if let Some(new_body) = body(new) {
            let required = |body: &Value| body.get("required") == Some(&Value::Bool(true));
            if required(new_body) && !body(old).is_some_and(required) {
                self.breaking(format!("{name} requires a body"));
            }
        } else if body(old).is_some() {
            self.breaking(format!("{name} takes no body any more"));
        }
        if let (Some(old), Some(new)) = (body(old), body(new)) {
            self.contents(&format!("{name} body"), old, new, Side::Request);
        }
        let responses = |operation: &'a Value| operation.get("responses");
        for (status, old) in members(responses(old)) {
            match responses(new).and_then(|responses| responses.get(status)) {
                Some(new) => self.contents(&format!("{name} {status}"), old, new, Side::Response),
                None => self.breaking(format!("{name} does not answer {status} any more")),
            }
        }
        for (status, _) in members(responses(new)) {
            if responses(old).is_none_or(|responses| responses.get(status).is_none()) {
                self.added(format!("{name} {status}"));
            }
        }
    }

    fn parameters(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        let list = |operation: &'a Value| operation.get("parameters").and_then(Value::as_array);
        let key = |parameter: &Value| {
            let text = |member: &str| {
                parameter
                    .get(member)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            format!("{} {}", text("in"), text("name"))
        };
        let required = |parameter: &Value| parameter.get("required") == Some(&Value::Bool(true));
        for parameter in list(old).into_iter().flatten() {
            let twin = list(new)
                .into_iter()
                .flatten()
                .find(|other| key(other) == key(parameter));
            let Some(twin) = twin else {
                self.breaking(format!(
                    "{name} has no parameter {} any more",
                    key(parameter)
                ));
                continue;
            };
            if required(twin) && !required(parameter) {
                self.breaking(format!("{name} requires parameter {}", key(parameter)));
            }
            if let (Some(old), Some(new)) = (parameter.get("schema"), twin.get("schema")) {
                self.schema(
                    &format!("{name} parameter {}", key(parameter)),
                    old,
                    new,
                    Side::Request,
                );
            }
        }
        for parameter in list(new).into_iter().flatten() {
            if !list(old)
                .into_iter()
                .flatten()
                .any(|other| key(other) == key(parameter))
            {
                let text = format!("{name} parameter {}", key(parameter));
                if required(parameter) {
                    self.breaking(format!("{text} is new and required"))
                } else {
                    self.added(text)
                }
            }
        }
    }

    fn contents(&mut self, place: &str, old: &'a Value, new: &'a Value, side: Side) {
        for (kind, old) in members(old.get("content")) {
            match new.get("content").and_then(|content| content.get(kind)) {
                None => self.breaking(format!("{place} is not {kind} any more")),
                Some(new) => {
                    if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
                        self.schema(place, old, new, side);
                    }
                }
            }
        }
    }

    fn schema(&mut self, place: &str, old: &'a Value, new: &'a Value, side: Side) {
        let (old, new) = (resolve(self.before, old), resolve(self.after, new));
        if self
            .open
            .iter()
            .any(|(open, open_side)| std::ptr::eq(*open, old) && *open_side == side)
        {
            return;
        }
        self.open.push((old, side));
        self.types(place, old, new, side);
        self.values(place, old, new, side);
        self.properties(place, old, new, side);
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.schema(&format!("{place}[]"), old, new, side);
        }
        self.open.pop();
    }

    fn types(&mut self, place: &str, old: &Value, new: &Value, side: Side) {
        let types = |schema: &Value| -> BTreeSet<String> {
            match schema.get("type") {
                Some(Value::String(one)) => BTreeSet::from([one.clone()]),
                several => texts(several).into_iter().map(str::to_owned).collect(),
            }
        };
        let (old, new) = (types(old), types(new));
        // A request may be read more widely, an answer may be promised more narrowly.
        let fits = match side {
            Side::Request => new.is_empty() || (!old.is_empty() && old.is_subset(&new)),
            Side::Response => old.is_empty() || (!new.is_empty() && new.is_subset(&old)),
        };
        if !fits {
            self.breaking(format!("{place} is {new:?}, was {old:?}"));
        }
    }

    fn values(&mut self, place: &str, old: &Value, new: &Value, side: Side) {
        // Clients treat the enums of answers as open; values they send must stay legal.
        let (old, new) = (texts(old.get("enum")), texts(new.get("enum")));
        if side == Side::Request && !new.is_empty() {
            for gone in old.iter().filter(|value| !new.contains(value)) {
                self.breaking(format!("{place} does not take {gone:?} any more"));
            }
        }
    }

    fn properties(&mut self, place: &str, old: &'a Value, new: &'a Value, side: Side) {
        let (was, is) = (texts(old.get("required")), texts(new.get("required")));
        for (name, old_member) in members(old.get("properties")) {
            match new
                .get("properties")
                .and_then(|properties| properties.get(name))
            {
                None => self.breaking(format!("{place} has no {name} any more")),
                Some(new_member) => {
                    self.schema(&format!("{place}.{name}"), old_member, new_member, side)
                }
            }
            let (was, is) = (was.contains(&name.as_str()), is.contains(&name.as_str()));
            match side {
                Side::Request if is && !was => self.breaking(format!("{place} requires {name}")),
                Side::Response if was && !is => {
                    self.breaking(format!("{place} may leave out {name}"))
                }
                Side::Request | Side::Response => {}
            }
        }
        for (name, _) in members(new.get("properties")) {
            if old
                .get("properties")
                .is_none_or(|properties| properties.get(name).is_none())
            {
                if side == Side::Request && is.contains(&name.as_str()) {
                    self.breaking(format!("{place} requires {name}, which is new"));
                } else {
                    self.added(format!("{place}.{name}"));
                }
            }
        }
    }
}

/// Follows `$ref` inside the document.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix('#'));
    target
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": {"/v1/items": {
                "get": {
                    "parameters": [{"in": "query", "name": "limit", "required": false, "schema": {"type": "integer"}}],
                    "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}
                },
                "post": {
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {
                        "type": "object", "required": ["sku"],
                        "properties": {"sku": {"type": "string"}, "unit": {"type": "string", "enum": ["g", "ml"]}}
                    }}}},
                    "responses": {"201": {}}
                }
            }},
            "components": {"schemas": {"Item": {
                "type": "object", "required": ["id"],
                "properties": {"id": {"type": "string"}, "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}
            }}}
        })
    }

    /// The changes after `edit`, as text.
    fn after(edit: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut new = document();
        edit(&mut new);
        changes(&document(), &new)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Map<String, Value> {
        document
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .unwrap()
    }

    const GET: &str = "/paths/~1v1~1items/get";
    const POST: &str = "/paths/~1v1~1items/post";
    const BODY: &str = "/paths/~1v1~1items/post/requestBody/content/application~1json/schema";
    const ITEM: &str = "/components/schemas/Item";

    #[test]
    fn the_same_document_has_no_changes() {
        assert!(after(|_| {}).is_empty());
    }

    #[test]
    fn what_a_client_relies_on_may_not_go() {
        let gone = after(|d| drop(at(d, "/paths/~1v1~1items").remove("get")));
        assert_eq!(gone, ["breaking: GET /v1/items is gone"]);
        let member = after(|d| drop(at(d, &format!("{ITEM}/properties")).remove("id")));
        assert_eq!(member[0], "breaking: GET /v1/items 200 has no id any more");
        let status = after(|d| drop(at(d, &format!("{POST}/responses")).remove("201")));
        assert_eq!(
            status,
            ["breaking: POST /v1/items does not answer 201 any more"]
        );
        let parameter = after(|d| drop(at(d, GET).remove("parameters")));
        assert_eq!(
            parameter,
            ["breaking: GET /v1/items has no parameter query limit any more"]
        );
        let value = after(|d| {
            drop(at(d, &format!("{BODY}/properties/unit")).insert("enum".into(), json!(["g"])))
        });
        assert_eq!(
            value,
            ["breaking: POST /v1/items body.unit does not take \"ml\" any more"]
        );
    }

    #[test]
    fn nothing_new_may_be_required_of_a_client() {
        let member = after(|d| drop(at(d, BODY).insert("required".into(), json!(["sku", "unit"]))));
        assert_eq!(member, ["breaking: POST /v1/items body requires unit"]);
        let parameter = after(|d| {
            at(d, GET)["parameters"]
                .as_array_mut()
                .unwrap()
                .push(json!({"in": "query", "name": "office", "required": true}));
        });
        assert_eq!(
            parameter,
            ["breaking: GET /v1/items parameter query office is new and required"]
        );
    }

    #[test]
    fn types_may_widen_in_requests_and_narrow_in_answers() {
        let both = json!(["string", "null"]);
        let wider_request = after(|d| {
            drop(at(d, &format!("{BODY}/properties/sku")).insert("type".into(), both.clone()))
        });
        assert!(wider_request.is_empty(), "{wider_request:?}");
        let wider_answer =
            after(|d| drop(at(d, &format!("{ITEM}/properties/id")).insert("type".into(), both)));
        assert!(
            wider_answer[0].starts_with("breaking: GET /v1/items 200.id is"),
            "{wider_answer:?}"
        );
        let promise = after(|d| drop(at(d, ITEM).insert("required".into(), json!([]))));
        assert_eq!(promise, ["breaking: GET /v1/items 200 may leave out id"]);
    }

    #[test]
    fn additions_are_named_as_such() {
        let member =
            after(|d| drop(at(d, &format!("{ITEM}/properties")).insert("name".into(), json!({}))));
        assert_eq!(member, ["added: GET /v1/items 200.name"]);
        let operation =
            after(|d| drop(at(d, "/paths").insert("/v1/regions".into(), json!({"get": {}}))));
        assert_eq!(operation, ["added: GET /v1/regions"]);
    }
}
