//! What a URL says of its hosts, and of all of them.

use std::time::Duration;

use tokio_postgres::{Config, config::Host as Name};

use super::{At, Host};
use crate::DbError;

/// Sent but unacknowledged bytes for this long mean that the peer is gone; the kernel would wait for minutes.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// Host by host, in the URL's order.
pub(super) fn hosts(driver: &Config) -> Result<Vec<Host>, DbError> {
    let (names, addresses, ports) = (
        driver.get_hosts(),
        driver.get_hostaddrs(),
        driver.get_ports(),
    );
    let count = names.len().max(addresses.len());
    let fits = |given: usize, least: usize| given == count || given <= least;
    if !(fits(names.len(), 0) && fits(addresses.len(), 0) && fits(ports.len(), 1)) {
        return Err(DbError::Config(
            "the URL has another number of hosts than of addresses or ports".into(),
        ));
    }
    let host = |n: usize| {
        let at = match (names.get(n), addresses.get(n)) {
            (Some(Name::Unix(path)), None) => At::Socket(path.clone()),
            (_, Some(address)) => At::Address(*address),
            (Some(Name::Tcp(name)), None) => name.parse().map_or(At::Name, At::Address),
            (None, None) => At::Name, // counted above
        };
        let name = match (names.get(n), addresses.get(n)) {
            (Some(Name::Tcp(name)), _) => name.clone(),
            (_, Some(address)) => address.to_string(),
            (_, None) => String::new(),
        };
        let port = ports.get(n).or_else(|| ports.first()).copied();
        Host {
            name,
            at,
            port: port.unwrap_or(5432),
        }
    };
    Ok((0..count).map(host).collect())
}

/// The driver's configuration: what the URL says of all hosts, and what must never be left to the kernel's defaults.
pub(super) fn without_hosts(driver: &Config, application_name: &str) -> Config {
    let mut config = Config::new();
    if let Some(user) = driver.get_user() {
        config.user(user);
    }
    if let Some(password) = driver.get_password() {
        config.password(password);
    }
    if let Some(database) = driver.get_dbname() {
        config.dbname(database);
    }
    if let Some(options) = driver.get_options() {
        config.options(options);
    }
    config
        .application_name(application_name)
        .ssl_negotiation(driver.get_ssl_negotiation())
        .channel_binding(driver.get_channel_binding())
        .target_session_attrs(driver.get_target_session_attrs())
        .tcp_user_timeout(TCP_USER_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    config
}
