//! The story of an order, told by all three systems.

use accounting::{ledger::Subject, reports::EntryFact};
use futures_util::try_join;
use kernel::{Call, Common, OfficeCode, OpError, ReadWant, Timestamp, id::OrderId};
use platform_db::{DbError, Never, ReadSpec, Session, offices::OfficeHome};
use uuid::Uuid;
use warehouse::reports::{MovementFact, ReservationFact};

use crate::{
    App,
    domain::order::OrderStatus,
    storage::timeline::{self, Cancellation, GoodsFact, PaymentFact, Steps},
    views::timeline::{Fact, Timeline},
};

/// Everything that is told of an order.
struct Story {
    steps: Steps,
    cancellations: Vec<Cancellation>,
    payments: Vec<PaymentFact>,
    shipments: Vec<GoodsFact>,
    returns: Vec<GoodsFact>,
    reservations: Vec<ReservationFact>,
    movements: Vec<MovementFact>,
    entries: Vec<EntryFact>,
}

/// What happened to the order, of one moment, and the office that it belongs to.
pub(crate) async fn get_order_timeline(
    app: &App,
    call: &Call,
    want: ReadWant,
    id: OrderId,
) -> Result<(OfficeCode, Timeline), OpError<Never>> {
    let spec = ReadSpec {
        operation: "get_order_timeline",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let what = format!("order {id}");
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read_snapshot(
            call,
            spec,
            async move |session: &Session| match timeline::steps(session, &regions, &id).await? {
                Some(steps) => story(session, steps).await.map(Some),
                None => Ok(None),
            },
        )
        .await?;
    let story = read.value.ok_or(Common::NotFound { what })?;
    let office = story.steps.office.clone();
    Ok((office, told(story, call.received_at())))
}

async fn story(session: &Session, steps: Steps) -> Result<Story, DbError> {
    let (order, region) = (&steps.order, steps.order.region());
    let home = OfficeHome {
        region: region.clone(),
        office: steps.office.clone(),
    };
    let subject = Subject {
        kind: "order".into(),
        id: order.to_string(),
    };
    let (cancellations, payments, shipments, returns, reservations, entries) = try_join!(
        timeline::cancellations(session, order),
        timeline::payments(session, order),
        timeline::shipments(session, order),
        timeline::returns(session, order),
        warehouse::reports::reservations(session, region, &steps.lines),
        accounting::reports::entries_about(session, &home, &subject),
    )?;
    let moved: Vec<Uuid> = [&shipments, &returns]
        .into_iter()
        .flatten()
        .flat_map(|goods| &goods.movements)
        .map(kernel::Id::uuid)
        .collect();
    let movements = warehouse::reports::movements(session, region, &moved).await?;
    Ok(Story {
        steps,
        cancellations,
        payments,
        shipments,
        returns,
        reservations,
        movements,
        entries,
    })
}

/// Oldest first. What one transaction recorded has one time: the order of systems and tables below decides then.
fn told(story: Story, now: Timestamp) -> Timeline {
    let (steps, order) = (&story.steps, &story.steps.order);
    let mut data = vec![Fact::step(steps.created_at, "created", order)];
    data.extend(steps.placed_at.map(|at| Fact::step(at, "confirmed", order)));
    data.extend(story.payments.into_iter().map(Fact::payment));
    let shipments = story.shipments.into_iter();
    data.extend(shipments.map(|goods| Fact::goods("shipment", goods)));
    let returns = story.returns.into_iter();
    data.extend(returns.map(|goods| Fact::goods("return", goods)));
    let together = story
        .cancellations
        .chunk_by(|one, other| one.at == other.at);
    data.extend(together.filter_map(|units| {
        let at = units.first()?.at;
        Some(Fact::cancelled(at, order, units))
    }));
    data.extend(end(steps, now).map(|(at, kind)| Fact::step(at, kind, order)));
    data.extend(story.reservations.iter().flat_map(Fact::reservation));
    data.extend(story.movements.into_iter().map(Fact::movement));
    data.extend(story.entries.into_iter().map(Fact::entry));
    data.sort_by_key(|fact| fact.at);
    Timeline { data }
}

/// How the order ended, unless its last units were cancelled, which is told already. A draft ends by its own time, swept
/// or not.
fn end(steps: &Steps, now: Timestamp) -> Option<(Timestamp, &'static str)> {
    match steps.status {
        OrderStatus::Fulfilled => Some((steps.ended_at?, "fulfilled")),
        OrderStatus::Expired => Some((steps.expires_at, "expired")),
        OrderStatus::Draft => (steps.expires_at <= now).then_some((steps.expires_at, "expired")),
        OrderStatus::Confirmed | OrderStatus::Cancelled => None,
    }
}
