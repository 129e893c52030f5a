//! Loopback ports: the default one, or a free one where something else listens on it.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

/// No port is free.
#[derive(Debug, thiserror::Error)]
#[error(
    "no free port between {from} and {to} on 127.0.0.1: end what listens there, or choose another base with --{option}"
)]
pub struct NoFreePort {
    from: u16,
    to: u16,
    option: &'static str,
}

/// A port kept from others until it is handed to the process that will listen on it.
#[derive(Debug)]
pub struct Reserved {
    listener: TcpListener,
    port: u16,
}

impl Reserved {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Frees the port for the process that is about to listen.
    pub fn release(self) -> u16 {
        drop(self.listener);
        self.port
    }
}

/// Which ports a world asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// The first choice.
    pub default: u16,
    /// The option by which a user names another, for the message.
    pub option: &'static str,
}

/// How far from the default a replacement is looked for: below the ports that systems hand to clients
/// (32768 and up), which could take a server's port while it restarts.
const SPAN: u16 = 900;

/// Reserves the wished port, else a free one nearby.
///
/// Replacements begin at a place of their own per state folder, so that two worlds which start at the same
/// moment do not reach for the same port.
///
/// # Errors
/// [`NoFreePort`].
pub fn reserve(wish: Wish, state: &Path) -> Result<Reserved, NoFreePort> {
    bind(wish.default).map_or_else(|_| replace(wish, state), Ok)
}

/// As [`reserve`], for several: nobody's replacement is another one's wish.
///
/// # Errors
/// [`NoFreePort`].
pub fn reserve_all(wishes: &[Wish], state: &Path) -> Result<Vec<Reserved>, NoFreePort> {
    let as_wished: Vec<_> = wishes.iter().map(|wish| bind(wish.default).ok()).collect();
    let kept = wishes.iter().zip(as_wished);
    kept.map(|(wish, reserved)| reserved.map_or_else(|| replace(*wish, state), Ok))
        .collect()
}

fn replace(wish: Wish, state: &Path) -> Result<Reserved, NoFreePort> {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    let spread = u16::try_from(hasher.finish() % u64::from(SPAN)).unwrap_or(0);
    let from = wish.default.min(u16::MAX - SPAN - 1);
    (0..SPAN)
        .map(|step| from + 1 + (spread + step) % SPAN)
        .find_map(|port| bind(port).ok())
        .ok_or(NoFreePort {
            from,
            to: from + SPAN,
            option: wish.option,
        })
}

/// Whether nobody listens on the port now.
pub(crate) fn is_free(port: u16) -> bool {
    bind(port).is_ok()
}

fn bind(port: u16) -> io::Result<Reserved> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let port = listener.local_addr()?.port();
    Ok(Reserved { listener, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_port() -> u16 {
        bind(0).unwrap().port()
    }

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        // Between asking for a free port and taking it another process may have it: then ask again.
        let (taken, wish) = (0..20)
            .find_map(|_| {
                let wish = Wish {
                    default: free_port(),
                    option: "port",
                };
                reserve(wish, Path::new("/a"))
                    .ok()
                    .filter(|r| r.port() == wish.default)
                    .map(|r| (r, wish))
            })
            .expect("a free port is reserved as wished");
        let other = reserve(wish, Path::new("/a")).unwrap();
        assert_ne!(other.port(), taken.port());
        let port = other.release();
        assert!(bind(port).is_ok());
    }

    #[test]
    fn nobodys_replacement_is_another_ones_wish() {
        let taken = bind(0).unwrap();
        let wishes = [taken.port(), taken.port().wrapping_add(1)].map(|default| Wish {
            default,
            option: "port",
        });
        let all = reserve_all(&wishes, Path::new("/a")).unwrap();
        assert_ne!(all[0].port(), all[1].port());
        assert!(all.iter().all(|reserved| reserved.port() != taken.port()));
    }

    #[test]
    fn the_end_of_the_range_is_no_trouble() {
        let wish = Wish {
            default: u16::MAX,
            option: "port",
        };
        let first = reserve(wish, Path::new("/a")).unwrap();
        let second = reserve(wish, Path::new("/a")).unwrap();
        assert_ne!(first.port(), second.port());
    }
}
