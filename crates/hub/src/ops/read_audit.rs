//! Reads the audit log.

use kernel::{Call, OfficeCode, OpError, PageRequest, Principal, ReadWant, Timestamp};
use platform_db::{AuditFilter, AuditRow, Never, Read};

use super::shown_offices;
use crate::App;

/// Which rows are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct AuditWanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
    pub(crate) key: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) who: Option<String>,
}

pub(crate) async fn list_audit(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: AuditWanted,
    page: PageRequest,
) -> Result<Read<Vec<AuditRow>>, OpError<Never>> {
    let shown = shown_offices(app, call, principal, wanted.offices).await?;
    let filter = AuditFilter {
        offices: shown.offices,
        of_no_office: shown.of_no_office,
        from: wanted.created_from,
        to: wanted.created_to,
        key: wanted.key,
        action: wanted.action,
        request_id: wanted.request_id,
        who: wanted.who,
    };
    Ok(app.db.audit_page((call, want), filter, page).await?)
}
