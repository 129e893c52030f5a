//! In which order the requests run, and what they take from each other.
//!
//! To add an operation: a line where its ids are known, with the members of its example that have to be others (merged as
//! by RFC 7396), and what later requests need of its answer.

/// One request. Names in `{{…}}` are variables: `{{run}}` differs from run to run, `{{today}}` is a date, others were
/// kept by an earlier step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    /// Its id in the document.
    pub(crate) operation: &'static str,
    /// Values of its path parameters.
    pub(crate) path: &'static [(&'static str, &'static str)],
    /// Values of its query parameters that are sent; the others are shown, switched off.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// Of a JSON body what differs from the example; of any other the whole of it.
    pub(crate) body: &'static str,
    /// Variable and where the answer has its value: a path of JavaScript behind `body`.
    pub(crate) keeps: &'static [(&'static str, &'static str)],
}

const fn step(operation: &'static str) -> Step {
    Step {
        operation,
        path: &[],
        query: &[],
        body: "",
        keeps: &[],
    }
}

impl Step {
    const fn path(self, path: &'static [(&'static str, &'static str)]) -> Self {
        Self { path, ..self }
    }

    const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    const fn keeps(self, keeps: &'static [(&'static str, &'static str)]) -> Self {
        Self { keeps, ..self }
    }
}

/// Every operation, in order. A folder per tag, in the order in which tags come up here: keep the steps of a tag together.
#[rustfmt::skip]
pub(crate) const PLAN: &[Step] = &[
    step("list_regions"),
    step("get_status"),

    step("list_offices"),
    step("create_office").body(r#"{"code": "pm-{{run}}", "name": "Vienna {{run}}"}"#).keeps(&[("office", ".code")]),
    step("get_office").path(&[("code", "{{office}}")]),
    step("update_office").path(&[("code", "{{office}}")]),
    step("nearest_offices"),
    step("get_office_overview").path(&[("code", "ber")]),

    step("create_item").body(r#"{"sku": "PM-{{run}}"}"#).keeps(&[("item", ".id"), ("sku", ".sku")]),
    step("get_item").path(&[("id", "{{item}}")]),
    step("list_items"),
    step("update_item").path(&[("id", "{{item}}")]),
    step("set_item_price").path(&[("id", "{{item}}"), ("currency", "EUR")]),
    step("import_items")
        .body("sku,name,description,country_of_origin,unit,barcode,price_EUR\nPMI-{{run}},Desk lamp,A lamp for a desk.,DE,each,4006381333931,10000\n")
        .keeps(&[("importedItem", ".id")]),
    step("delete_item").path(&[("id", "{{importedItem}}")]),
    step("create_location").body(r#"{"code": "pm-{{run}}-shop", "office": "{{office}}"}"#).keeps(&[("location", ".code")]),
    step("get_location").path(&[("code", "{{location}}")]),
    step("list_locations"),
    step("update_location").path(&[("code", "{{location}}")]),
    step("receive_stock")
        .body(r#"{"location": "ber-main", "reference": "PM-{{run}}", "lines": [{"item": "{{item}}", "quantity": 40, "unit_cost_minor": 6000}]}"#)
        .keeps(&[("movement", ".movements[0].id")]),
    step("import_receipts").body("location,reference,item,quantity,unit_cost_minor\nber-main,PMI-{{run}},{{item}},5,6000\n"),
    step("list_levels").query(&[("item", "{{item}}")]).keeps(&[("level", ".data[0].id")]),
    step("get_level").path(&[("id", "{{level}}")]),
    step("list_movements").query(&[("item", "{{item}}")]),
    step("get_movement").path(&[("id", "{{movement}}")]),
    step("adjust_stock").body(r#"{"item": "{{item}}", "counted": 44, "expected_on_hand": 45}"#),
    step("find_availability").query(&[("sku", "{{sku}}")]),
    step("reserve_stock").body(r#"{"item": "{{item}}"}"#).keeps(&[("reservation", ".id")]),
    step("get_reservation").path(&[("id", "{{reservation}}")]),
    step("list_reservations"),
    step("release_reservation").path(&[("id", "{{reservation}}")]),

    step("create_customer").body(r#"{"email": "{{run}}@example.com"}"#).keeps(&[("customer", ".id")]),
    step("get_customer").path(&[("id", "{{customer}}")]),
    step("list_customers").query(&[("office", "ber")]),
    step("update_customer").path(&[("id", "{{customer}}")]),
    step("import_customers")
        .body("office,name,email\nber,Kim Example,i{{run}}@example.com\n")
        .keeps(&[("importedCustomer", ".id")]),
    step("anonymise_customer").path(&[("id", "{{importedCustomer}}")]),
    step("create_order")
        .body(r#"{"customer": "{{customer}}", "reference": "PM-{{run}}", "lines": [{"item": "{{item}}", "location": "ber-main", "quantity": 2}]}"#)
        .keeps(&[("order", ".id"), ("line", ".lines[0].id")]),
    step("get_order").path(&[("id", "{{order}}")]),
    step("list_orders").query(&[("customer", "{{customer}}")]),
    step("update_order").path(&[("id", "{{order}}")]).body(r#"{"lines": null, "customer": null, "reference": null}"#),
    step("confirm_order").path(&[("id", "{{order}}")]),
    step("record_payment")
        .path(&[("id", "{{order}}")])
        .body(r#"{"amount_minor": 20000, "external_reference": "PM-{{run}}"}"#)
        .keeps(&[("payment", ".id")]),
    step("ship_order")
        .path(&[("id", "{{order}}")])
        .body(r#"{"lines": [{"line": "{{line}}", "quantity": 1}]}"#)
        .keeps(&[("shipment", ".id")]),
    step("cancel_order").path(&[("id", "{{order}}")]).body(r#"{"lines": [{"line": "{{line}}", "quantity": 1}]}"#),
    step("return_goods")
        .path(&[("id", "{{order}}")])
        .body(r#"{"lines": [{"line": "{{line}}", "quantity": 1, "disposition": "restock", "reason": "Wrong colour"}]}"#)
        .keeps(&[("return", ".id")]),
    step("record_refund").path(&[("id", "{{order}}")]).body(r#"{"amount_minor": 20000, "external_reference": null}"#),
    step("list_payments").path(&[("id", "{{order}}")]),
    step("get_payment").path(&[("id", "{{order}}"), ("payment", "{{payment}}")]),
    step("list_shipments").path(&[("id", "{{order}}")]),
    step("get_shipment").path(&[("id", "{{order}}"), ("shipment", "{{shipment}}")]),
    step("list_returns").path(&[("id", "{{order}}")]),
    step("get_return").path(&[("id", "{{order}}"), ("return", "{{return}}")]),
    step("get_order_timeline").path(&[("id", "{{order}}")]),
    step("import_orders").body("office,customer,reference,item,location,quantity\nber,{{customer}},PMI-{{run}},{{item}},ber-main,1\n"),

    step("list_accounts"),
    step("create_account").body(r#"{"code": "{{newAccount}}"}"#).keeps(&[("account", ".code")]),
    step("get_account").path(&[("code", "{{account}}")]),
    step("create_journal_entry").body(r#"{"effective_date": null}"#).keeps(&[("entry", ".id")]),
    step("get_journal_entry").path(&[("id", "{{entry}}")]),
    step("list_journal_entries").query(&[("office", "ber")]),
    step("reverse_journal_entry").path(&[("id", "{{entry}}")]),
    step("import_journal_entries")
        .body("office,currency,description,reference,debit,credit,amount_minor\nber,EUR,Rent,R-{{run}},5900,1000,120000\n"),
    step("get_account_statement").path(&[("code", "1000")]).query(&[("office", "ber")]),
    step("list_periods"),
    step("close_period").path(&[("office", "{{office}}"), ("period", "2020-01")]),
    step("reopen_period").path(&[("office", "{{office}}"), ("period", "2020-01")]),

    step("get_trial_balance"),
    step("get_stock_valuation"),
    step("get_sold_items"),
    step("get_sales_by_office_day"),
    step("get_receivables"),
    step("check_integrity"),
    step("export_rows"),

    step("search").query(&[("q", "PM-{{run}}")]),

    step("list_events"),
    step("list_audit"),

    step("verify_writes").body(r#"{"keys": ["{{key}}"]}"#),
    step("get_write").path(&[("key", "{{key}}")]),
    step("void_write").path(&[("key", "{{$guid}}")]),
];
