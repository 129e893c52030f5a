//! Messages of the frontend/backend protocol, version 3: a tag, a length, a body.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One message; that which opens a connection has no tag.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) tag: Option<u8>,
    pub(super) body: Vec<u8>,
}

/// What opens a connection asks for encryption: TLS, GSSAPI.
const ENCRYPT: [u32; 2] = [80_877_103, 80_877_104];

impl Message {
    /// The next message with a tag.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let tag = from.read_u8().await?;
        let body = body(from).await?;
        Ok(Self {
            tag: Some(tag),
            body,
        })
    }

    /// The message that opens a connection.
    pub(super) async fn read_opening(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let body = body(from).await?;
        Ok(Self { tag: None, body })
    }

    /// A simple query.
    pub(super) fn query(sql: &str) -> Self {
        Self {
            tag: Some(b'Q'),
            body: [sql.as_bytes(), &[0]].concat(),
        }
    }

    /// The same simple query or Parse, of another text.
    pub(super) fn with_text(&self, old: &str, new: &str) -> Self {
        let at = self
            .body
            .windows(old.len())
            .position(|part| part == old.as_bytes())
            .expect("the text was read from it");
        let rest = &self.body[at + old.len()..];
        Self {
            tag: self.tag,
            body: [&self.body[..at], new.as_bytes(), rest].concat(),
        }
    }

    /// An error or, with severity `NOTICE`, a notice.
    pub(super) fn report(severity: &str, code: &str, text: &str) -> Self {
        let mut body = Vec::new();
        for (field, value) in [
            (b'S', severity),
            (b'V', severity),
            (b'C', code),
            (b'M', text),
        ] {
            body.push(field);
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        let tag = if severity == "NOTICE" { b'N' } else { b'E' };
        Self {
            tag: Some(tag),
            body,
        }
    }

    pub(super) fn is(&self, tag: u8) -> bool {
        self.tag == Some(tag)
    }

    /// Appends the message as it goes over the wire.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.tag);
        let length = u32::try_from(self.body.len() + 4).expect("it was read with such a length");
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(&self.body);
    }

    /// The body's zero-ended strings, after `skip` bytes.
    pub(super) fn strings(&self, skip: usize) -> impl Iterator<Item = String> {
        let rest = self.body.get(skip..).unwrap_or_default();
        rest.split(|byte| *byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// Whether it opens a connection by asking for encryption.
    pub(super) fn asks_for_encryption(&self) -> bool {
        self.number().is_some_and(|code| ENCRYPT.contains(&code))
    }

    /// Whether the server's request for authentication wants an answer: neither Ok (0) nor the end of SASL (12).
    pub(super) fn wants_an_answer(&self) -> bool {
        self.is(b'R') && self.number().is_some_and(|kind| ![0, 12].contains(&kind))
    }

    /// The number that the body begins with.
    fn number(&self) -> Option<u32> {
        let bytes = self.body.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }
}

async fn body(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(body)
}
