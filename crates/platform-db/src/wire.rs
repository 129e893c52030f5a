//! A connection's bytes before anything is said on it: for proxies of tests, which speak the protocol themselves.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_postgres::{
    config::{Host, SslNegotiation},
    tls::{MakeTlsConnect, TlsConnect as _},
};

use crate::{DatabaseUrl, DbError};

/// What goes both ways.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// The first word of who wants TLS: its length, and a number that is no version of the protocol.
const TLS_PLEASE: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Opens a connection to the first host that answers, with TLS where the URL wants it.
///
/// # Errors
/// What the last host said, or what is wrong with the URL.
pub async fn open_wire(url: &DatabaseUrl) -> io::Result<Box<dyn Wire>> {
    let told = |error: DbError| io::Error::other(error);
    let driver = url.driver().map_err(told)?;
    let negotiation = driver.get_ssl_negotiation();
    let mut tls = url.tls().connector(negotiation).map_err(told)?;
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (n, host) in driver.get_hosts().iter().enumerate() {
        let Host::Tcp(host) = host else { continue };
        let ports = driver.get_ports();
        let port = ports.get(n).or_else(|| ports.first()).copied();
        let mut server = match TcpStream::connect((host.as_str(), port.unwrap_or(5432))).await {
            Ok(server) => server,
            Err(error) => {
                refused = error;
                continue;
            }
        };
        server.set_nodelay(true)?;
        let Some(tls) = &mut tls else {
            return Ok(Box::new(server));
        };
        if negotiation == SslNegotiation::Postgres {
            server.write_all(&TLS_PLEASE).await?;
            if server.read_u8().await? != b'S' {
                return Err(io::Error::other("the server does not offer TLS"));
            }
        }
        let connector = MakeTlsConnect::<TcpStream>::make_tls_connect(tls, host);
        let connector = connector.map_err(io::Error::other)?;
        let server = connector.connect(server).await.map_err(io::Error::other)?;
        return Ok(Box::new(server));
    }
    Err(refused)
}
