//! Reads of what belongs to one order: payments, shipments, returns.

use std::future::Future;

use kernel::{
    Call, Common, Id, Kind, OpError, PageRequest, ReadWant, Timestamp,
    id::{self, OrderId},
};
use platform_db::{DbError, Never, Read, ReadSpec, Session};
use uuid::Uuid;

use crate::{
    App,
    domain::{
        delivery::{Return, Shipment},
        payment::Payment,
    },
    storage::{DocumentFilter, payments, returns, shipments},
};

/// One document of an order. They never change.
pub(crate) trait Document: Sized + Send + 'static {
    /// Of its id.
    type Kind: Kind;
    /// What it is called.
    const NAME: &'static str;
    /// The operation that reads one.
    const GET: &'static str;
    /// The operation that lists them.
    const LIST: &'static str;
    /// Whether it is one row, without lines.
    const IS_ROW: bool;

    /// The document, if it is one of this order.
    fn get(
        session: &Session,
        order: &OrderId,
        id: Uuid,
    ) -> impl Future<Output = Result<Option<Self>, DbError>> + Send;

    /// Documents of one order.
    fn page(
        session: &Session,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> impl Future<Output = Result<Vec<Self>, DbError>> + Send;

    /// When it was made, and its id: the keys of a list.
    fn position(&self) -> (Timestamp, Uuid);
}

macro_rules! document {
    ($document:ty, $kind:ty, $storage:ident, $is_row:literal, [$name:literal, $get:literal, $list:literal], $position:expr) => {
        impl Document for $document {
            type Kind = $kind;
            const NAME: &'static str = $name;
            const GET: &'static str = $get;
            const LIST: &'static str = $list;
            const IS_ROW: bool = $is_row;

            async fn get(
                session: &Session,
                order: &OrderId,
                id: Uuid,
            ) -> Result<Option<Self>, DbError> {
                $storage::get(session, order, id).await
            }

            async fn page(
                session: &Session,
                filter: &DocumentFilter,
                page: &PageRequest,
            ) -> Result<Vec<Self>, DbError> {
                $storage::page(session, filter, page).await
            }

            fn position(&self) -> (Timestamp, Uuid) {
                let position: fn(&Self) -> (Timestamp, Uuid) = $position;
                position(self)
            }
        }
    };
}

document!(
    Payment,
    id::Payment,
    payments,
    true,
    ["payment", "get_payment", "list_payments"],
    |payment| (payment.created_at, payment.id.uuid())
);
document!(
    Shipment,
    id::Shipment,
    shipments,
    false,
    ["shipment", "get_shipment", "list_shipments"],
    |shipment| (shipment.goods.created_at, shipment.goods.id.uuid())
);
document!(
    Return,
    id::Return,
    returns,
    false,
    ["return", "get_return", "list_returns"],
    |back| (back.created_at, back.id.uuid())
);

pub(crate) async fn get_document<D: Document>(
    app: &App,
    (call, want): (&Call, ReadWant),
    order: OrderId,
    id: Id<D::Kind>,
) -> Result<D, OpError<Never>> {
    let what = format!("{} {id} of order {order}", D::NAME);
    let spec = ReadSpec {
        operation: D::GET,
        want,
        home: order.region().clone(),
        snapshot: None,
    };
    let work = async move |session: &Session| D::get(session, &order, id.uuid()).await;
    let read = if D::IS_ROW {
        app.db.read_row(call, spec, work).await?
    } else {
        app.db.read(call, spec, work).await?
    };
    read.value.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_documents<D: Document>(
    app: &App,
    (call, want): (&Call, ReadWant),
    filter: DocumentFilter,
    page: PageRequest,
) -> Result<Read<Vec<D>>, OpError<Never>> {
    let spec = ReadSpec {
        operation: D::LIST,
        want,
        home: filter.order.region().clone(),
        snapshot: page.snapshot,
    };
    let read = app
        .db
        .read_page(call, spec, async move |session: &Session| {
            D::page(session, &filter, &page).await
        })
        .await?;
    Ok(read)
}
