//! Whether a server can serve, for containers and scripts.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use world::http;

use super::runtime;
use crate::{
    cli::HealthcheckArgs,
    failure::{FAILED, Failure},
    print,
};

/// Readiness asks the database, which may take a second.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &HealthcheckArgs) -> Result<(), Failure> {
    let address = args
        .url
        .clone()
        .unwrap_or_else(|| reachable(args.listen).to_string());
    let path = if args.live { "/healthz" } else { "/readyz" };
    let answer = runtime()?.block_on(http::get(&address, path, PATIENCE));
    let (ok, status, reason) = match &answer {
        Ok(answer) if answer.status == 200 => (true, Some(answer.status), None),
        Ok(answer) => (
            false,
            Some(answer.status),
            Some(answer.body.trim().to_owned()),
        ),
        Err(error) => (false, None, Some(error.to_string())),
    };
    if args.json {
        let answer = serde_json::json!({"ok": ok, "status": status, "reason": reason});
        print(&answer.to_string());
    } else if ok {
        print("ok");
    }
    if ok {
        return Ok(());
    }
    let status = status.map_or_else(|| "no answer".into(), |status| format!("status {status}"));
    let reason = reason.unwrap_or_default();
    Err(Failure::new(
        FAILED,
        format!("{address}{path}: {status}: {reason}; see the log of that server"),
    ))
}

/// A server listens on 0.0.0.0 but is not asked there.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let here = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(here, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_asked_here() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(asked("[::]:8080"), "[::1]:8080");
        assert_eq!(asked("10.0.0.1:80"), "10.0.0.1:80");
    }
}
