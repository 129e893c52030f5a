//! The document and the plan → a collection of Postman (v2.1).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::plan::Step;

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const METHODS: &[&str] = &["get", "put", "post", "delete", "patch"];

const DESCRIPTION: &str = "One request per operation of the API. Run it from top to bottom: requests keep the ids that later \
ones need. Set `baseUrl` to a region and `token` to what `meridian token --role manager` prints. Every write has a fresh \
Idempotency-Key; to repeat one as a client would, put a key of your own in its place.";

/// Before every request, unless an earlier one did it: what differs from run to run.
const PREPARE: &[&str] = &[
    "if (!pm.collectionVariables.get('run')) {",
    "    const now = Date.now();",
    "    pm.collectionVariables.set('run', now.toString(36));",
    "    pm.collectionVariables.set('newAccount', String(10000000 + now % 90000000));",
    "}",
];

/// The collection.
///
/// # Errors
/// When the plan leaves an operation out, names one that is not there, or uses what no earlier step keeps.
pub(crate) fn of(document: &Value, plan: &[Step]) -> Result<Value> {
    let operations = operations(document);
    let missing: Vec<&str> = operations
        .keys()
        .filter(|id| plan.iter().all(|step| step.operation != **id))
        .copied()
        .collect();
    if !missing.is_empty() {
        bail!(
            "crates/xtask/src/postman/plan.rs has no step for {}",
            missing.join(", ")
        );
    }
    let mut folders: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut known = vec!["baseUrl", "token", "run", "newAccount", "key"];
    for (index, step) in plan.iter().enumerate() {
        if plan
            .iter()
            .take(index)
            .any(|other| other.operation == step.operation)
        {
            bail!("the plan has {} twice", step.operation);
        }
        let operation = operations
            .get(step.operation)
            .with_context(|| format!("{} is not in the document", step.operation))?;
        let request = operation.request(document, step)?;
        check_variables(&request.to_string(), &known).with_context(|| step.operation.to_owned())?;
        known.extend(step.keeps.iter().map(|(name, _)| name));
        let tag = operation.what["tags"][0].as_str().unwrap_or("others");
        let last = folders.len().saturating_sub(1);
        match folders.iter().position(|(name, _)| *name == tag) {
            Some(place) if place == last => folders[place].1.push(request),
            Some(_) => bail!("{} is not among the other steps of {tag}", step.operation),
            None => folders.push((tag, vec![request])),
        }
    }
    let folders: Vec<Value> = folders
        .into_iter()
        .map(|(tag, requests)| json!({"name": tag, "item": requests}))
        .collect();
    let mut variables = vec![
        json!({"key": "baseUrl", "value": "http://127.0.0.1:8101"}),
        json!({"key": "token", "value": ""}),
    ];
    let others = known.iter().skip(2);
    variables.extend(others.map(|name| json!({"key": name, "value": ""})));
    Ok(json!({
        "info": {"name": "Meridian", "description": DESCRIPTION, "schema": SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "event": [{"listen": "prerequest", "script": {"type": "text/javascript", "exec": PREPARE}}],
        "variable": variables,
        "item": folders,
    }))
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    what: &'a Value,
}

fn operations(document: &Value) -> BTreeMap<&str, Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let what = item.get(method)?;
            let id = what["operationId"].as_str()?;
            Some((id, Operation { method, path, what }))
        })
    });
    all.collect()
}

impl Operation<'_> {
    fn request(&self, document: &Value, step: &Step) -> Result<Value> {
        let mut headers = Vec::new();
        let mut query = Vec::new();
        for parameter in self.what["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(document, parameter);
            let name = parameter["name"].as_str().unwrap_or_default();
            let described = |value: String, sent: bool| json!({"key": name, "value": value, "disabled": !sent, "description": parameter["description"]});
            match parameter["in"].as_str() {
                Some("header") => {
                    let (value, sent) = header(name);
                    headers.push(described(value.to_owned(), sent));
                }
                Some("query") => {
                    let given = step.query.iter().find(|(other, _)| *other == name);
                    let value = given.map_or_else(
                        || text(&example_of_parameter(document, parameter)),
                        |(_, value)| (*value).to_owned(),
                    );
                    let sent = given.is_some() || parameter["required"] == true;
                    query.push(described(value, sent));
                }
                _ => {}
            }
        }
        for (name, _) in step.query {
            if query.iter().all(|parameter| parameter["key"] != *name) {
                bail!("{} has no parameter {name}", step.operation);
            }
        }
        let (kind, body) = self.body(document, step)?;
        if let Some(kind) = &kind {
            headers.push(json!({"key": "Content-Type", "value": kind}));
        }
        let mut request = json!({
            "method": self.method.to_uppercase(),
            "header": headers,
            "url": self.url(step, &query)?,
            "description": self.what["description"].as_str().or(self.what["summary"].as_str()),
        });
        if let Some(body) = body {
            let language = if kind.as_deref() == Some("text/csv") {
                "text"
            } else {
                "json"
            };
            request["body"] =
                json!({"mode": "raw", "raw": body, "options": {"raw": {"language": language}}});
        }
        if self.what["security"] == json!([]) {
            request["auth"] = json!({"type": "noauth"});
        }
        Ok(json!({
            "name": self.what["summary"].as_str().unwrap_or(step.operation).trim_end_matches('.'),
            "request": request,
            "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": self.tests(step)}}],
        }))
    }

    fn url(&self, step: &Step, query: &[Value]) -> Result<Value> {
        let parts: Vec<String> = self
            .path
            .trim_start_matches('/')
            .split('/')
            .map(|part| {
                match part
                    .strip_prefix('{')
                    .and_then(|part| part.strip_suffix('}'))
                {
                    Some(name) => format!(":{name}"),
                    None => part.to_owned(),
                }
            })
            .collect();
        let mut variables = Vec::new();
        for parameter in self.what["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "path" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap_or_default();
            let given = step.path.iter().find(|(other, _)| *other == name);
            let value = match (given, parameter.get("example")) {
                (Some((_, value)), _) => (*value).to_owned(),
                (None, Some(example)) => text(example),
                (None, None) => bail!("{} needs a value for {name} in its path", step.operation),
            };
            variables.push(
                json!({"key": name, "value": value, "description": parameter["description"]}),
            );
        }
        let sent: Vec<String> = query
            .iter()
            .filter(|parameter| parameter["disabled"] != true)
            .map(|parameter| format!("{}={}", text(&parameter["key"]), text(&parameter["value"])))
            .collect();
        let mut raw = format!("{{{{baseUrl}}}}/{}", parts.join("/"));
        if !sent.is_empty() {
            raw += &format!("?{}", sent.join("&"));
        }
        Ok(
            json!({"raw": raw, "host": ["{{baseUrl}}"], "path": parts, "query": query, "variable": variables}),
        )
    }

    /// Type and text of the body.
    fn body(&self, document: &Value, step: &Step) -> Result<(Option<String>, Option<String>)> {
        let content = &self.what["requestBody"]["content"];
        if let Some(json) = content.get("application/json") {
            let mut body = example_of_content(document, json);
            if !step.body.is_empty() {
                let change = serde_json::from_str(step.body)
                    .with_context(|| format!("the body of {}", step.operation))?;
                merge(&mut body, change);
            }
            let text = serde_json::to_string_pretty(&body)?;
            return Ok((Some("application/json".into()), Some(text)));
        }
        let Some(kind) = ["text/csv", "application/x-ndjson"]
            .into_iter()
            .find(|kind| content.get(kind).is_some())
        else {
            return Ok((None, None));
        };
        let text = match step.body {
            "" => text(&content[kind]["example"]),
            body => body.to_owned(),
        };
        Ok((Some(kind.into()), Some(text)))
    }

    /// That the answer is as documented, and what is kept of it.
    fn tests(&self, step: &Step) -> Vec<String> {
        let responses = self.what["responses"].as_object();
        let status = responses
            .into_iter()
            .flat_map(Map::keys)
            .find(|status| status.starts_with('2'));
        let status = status.map_or("200", String::as_str);
        let mut lines = vec![
            format!("pm.test('answers {status}', () => pm.response.to.have.status({status}));"),
            "pm.test('says who served it', () => pm.response.to.have.header('Served-By'));".into(),
        ];
        if self.method != "get" {
            let key = "pm.request.headers.get('Idempotency-Key')";
            lines.push(format!(
                "if ({key}) pm.collectionVariables.set('key', {key});"
            ));
        }
        if !step.keeps.is_empty() {
            // The first line of an answer of lines.
            lines.push("const body = JSON.parse(pm.response.headers.get('Content-Type').startsWith('application/x-ndjson')".into());
            lines.push("    ? pm.response.text().split('\\n')[0] : pm.response.text());".into());
        }
        lines.extend(
            step.keeps
                .iter()
                .map(|(name, from)| format!("pm.collectionVariables.set('{name}', body{from});")),
        );
        lines
    }
}

/// What a header is sent with, and whether it is.
fn header(name: &str) -> (&'static str, bool) {
    match name {
        "Idempotency-Key" => ("{{$guid}}", true),
        "If-Match" => ("*", true),
        "Read-Consistency" => ("strong", false),
        "Prefer" => ("return=minimal", false),
        _ => ("", false),
    }
}

/// Every name between double braces must be known, or one of Postman's own (`$guid`).
fn check_variables(text: &str, known: &[&str]) -> Result<()> {
    for part in text.split("{{").skip(1) {
        let name = part.split("}}").next().unwrap_or_default();
        if !name.starts_with('$') && !known.contains(&name) {
            bail!("no earlier step keeps {name}");
        }
    }
    Ok(())
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'));
    target
        .and_then(|path| document.pointer(path))
        .unwrap_or(value)
}

fn example_of_parameter(document: &Value, parameter: &Value) -> Value {
    match parameter.get("example") {
        Some(example) => example.clone(),
        None => example_of(document, &parameter["schema"]),
    }
}

fn example_of_content(document: &Value, content: &Value) -> Value {
    match content.get("example") {
        Some(example) => example.clone(),
        None => example_of(document, &content["schema"]),
    }
}

/// A value that the schema describes: its own example, or one put together from its parts.
fn example_of(document: &Value, schema: &Value) -> Value {
    let schema = resolve(document, schema);
    if let Some(example) = schema.get("example").or_else(|| schema.get("default")) {
        return example.clone();
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        let parts = schema[several].as_array().into_iter().flatten();
        if let Some(part) = parts.into_iter().find(|part| part["type"] != "null") {
            return example_of(document, part);
        }
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let members = properties.iter();
        return members
            .map(|(name, member)| (name.clone(), example_of(document, member)))
            .collect::<Map<_, _>>()
            .into();
    }
    if schema.get("items").is_some() {
        return json!([example_of(document, &schema["items"])]);
    }
    let is = |kind: &str| schema["type"] == kind || schema["type"][0] == kind;
    if is("integer") {
        1.into()
    } else if is("boolean") {
        false.into()
    } else {
        "".into()
    }
}

/// RFC 7396.
fn merge(target: &mut Value, change: Value) {
    let (Value::Object(target), Value::Object(change)) = (&mut *target, &change) else {
        *target = change;
        return;
    };
    for (name, value) in change.clone() {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postman::plan::Step;

    fn document() -> Value {
        json!({"paths": {
            "/v1/items": {"post": {"operationId": "create_item", "tags": ["warehouse"], "summary": "Makes an item.",
                "parameters": [{"$ref": "#/components/parameters/Key"}], "responses": {"201": {}, "409": {}},
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}},
            "/v1/items/{id}": {"get": {"operationId": "get_item", "tags": ["warehouse"], "responses": {"200": {}},
                "parameters": [{"in": "path", "name": "id"}]}}},
            "components": {
                "parameters": {"Key": {"in": "header", "name": "Idempotency-Key"}},
                "schemas": {"Item": {"properties": {"sku": {"type": "string", "example": "LAMP-7"}, "unit": {"enum": ["each"]}}}}}})
    }

    const CREATE: Step = Step {
        operation: "create_item",
        path: &[],
        query: &[],
        body: r#"{"sku": "PM-{{run}}"}"#,
        keeps: &[("item", ".id")],
    };
    const GET: Step = Step {
        operation: "get_item",
        path: &[("id", "{{item}}")],
        body: "",
        keeps: &[],
        ..CREATE
    };

    #[test]
    fn bodies_come_from_examples_and_ids_from_earlier_answers() {
        let made = of(&document(), &[CREATE, GET]).unwrap();
        let requests = &made["item"][0]["item"];
        let body: Value =
            serde_json::from_str(requests[0]["request"]["body"]["raw"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({"sku": "PM-{{run}}", "unit": "each"}));
        assert_eq!(requests[0]["request"]["header"][0]["value"], "{{$guid}}");
        let tests = requests[0]["event"][0]["script"]["exec"].to_string();
        assert!(
            tests.contains("status(201)") && tests.contains("set('item', body.id)"),
            "{tests}"
        );
        assert_eq!(
            requests[1]["request"]["url"]["raw"],
            "{{baseUrl}}/v1/items/:id"
        );
        assert_eq!(
            requests[1]["request"]["url"]["variable"][0]["value"],
            "{{item}}"
        );
    }

    #[test]
    fn a_plan_has_every_operation_once_and_in_order() {
        let fault = |plan: &[Step]| format!("{:#}", of(&document(), plan).unwrap_err());
        assert!(fault(&[CREATE]).contains("no step for get_item"));
        assert!(fault(&[GET, CREATE]).contains("no earlier step keeps item"));
        assert!(fault(&[CREATE, GET, GET]).contains("get_item twice"));
    }
}
