//! Who buys of the demo company, and what they bought so far.

use ::sales::{
    App,
    loading::{NewCustomer, NewSale, Step, load_customer, load_sale},
};
use futures_util::future::try_join_all;
use kernel::{Quantity, id::CustomerId};
use platform_db::Db;
use warehouse::stock::Place;

use super::{
    SeedError,
    company::{Good, Site},
    key,
};

/// Names of those who buy at every office.
const BUYERS: [&str; 3] = ["Ada Example", "Kim Example", "Sample & Sons"];

/// The money in which the demo company's catalogue has prices.
const PRICED_IN: &str = "EUR";

/// Orders, one a line: units of each good, and what became of it.
const SALES: [([i64; 3], &[Step]); 7] = [
    ([1, 0, 0], &[]),
    ([2, 1, 0], &[Step::Confirm]),
    ([0, 0, 3], &[Step::Confirm, Step::Pay]),
    ([1, 1, 1], &[Step::Confirm, Step::Pay, Step::Ship]),
    ([4, 0, 0], &[Step::Confirm, Step::ShipOne]),
    (
        [0, 2, 0],
        &[Step::Confirm, Step::Ship, Step::Pay, Step::ReturnOne],
    ),
    ([0, 0, 5], &[Step::Confirm, Step::Cancel]),
];

/// Loads customers of every office, side by side, and orders of those whose money the catalogue has prices in.
pub(super) async fn load_demo(
    db: &Db,
    warehouse: warehouse::App,
    (sites, goods): (&[Site], &[Good]),
) -> Result<(), SeedError> {
    let app = App {
        db: db.clone(),
        directory: warehouse.directory.clone(),
        warehouse,
    };
    let offices = sites.iter().map(|site| load_office(&app, site, goods));
    try_join_all(offices).await.map(drop)
}

async fn load_office(app: &App, site: &Site, goods: &[Good]) -> Result<(), SeedError> {
    let office = &site.office.code;
    let mut customers = Vec::new();
    for (number, name) in (1..).zip(BUYERS) {
        let number: u64 = number;
        let new = NewCustomer {
            name: name.into(),
            email: format!("buyer-{number}@{office}.example"),
        };
        let key = key(&format!("demo:{office}:customer:{number}"));
        customers.push(load_customer(app, &key, &site.home(), new).await?);
    }
    if site.office.currency.as_str() != PRICED_IN {
        return Ok(());
    }
    for ((number, (units, steps)), customer) in (1..).zip(SALES).zip(customers.iter().cycle()) {
        let name = format!("demo:{office}:order:{number}");
        let sale = sale((site, goods), (number, customer), units, steps);
        load_sale(app, &key(&name), &site.home(), sale).await?;
    }
    Ok(())
}

fn sale(
    (site, goods): (&Site, &[Good]),
    (number, customer): (u64, &CustomerId),
    units: [i64; 3],
    steps: &[Step],
) -> NewSale {
    let office = &site.office.code;
    let lines = goods.iter().zip(units);
    let lines = lines.filter_map(|(good, units)| {
        let place = Place {
            location: site.locations[0].clone(),
            item: good.item.clone(),
        };
        Some((
            place,
            Quantity::new(units).filter(|units| !units.is_zero())?,
        ))
    });
    let steps = (1_u64..).zip(steps);
    NewSale {
        customer: customer.clone(),
        reference: format!("SO-{}", 1000 + number),
        lines: lines.collect(),
        steps: steps
            .map(|(step, what)| (key(&format!("demo:{office}:order:{number}:{step}")), *what))
            .collect(),
    }
}
