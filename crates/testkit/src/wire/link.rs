//! One connection through the proxy: request by request, each with its answer.

use std::{collections::HashMap, io, sync::Arc};

use platform_db::Wire;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf,
    },
    net::TcpStream,
};

use super::{Act, Did, Rules, When, dialect::Translation, message::Message};

/// What no server understands: it fails by it, and with it the transaction that is open, by the server's own rules.
const NONSENSE: &str = "injected fault";

/// One side of the connection.
struct Side {
    from: BufReader<ReadHalf<Box<dyn Wire>>>,
    to: WriteHalf<Box<dyn Wire>>,
}

/// A connection of a client and the server's that stands behind it.
pub(super) struct Link {
    client: Side,
    server: Side,
    rules: Arc<Rules>,
    number: u64,
    /// The server's word in its last ReadyForQuery: idle, in a transaction, in a failed one.
    status: u8,
    /// The transaction shows a moment before every table.
    younger: bool,
    /// Texts of the statements and portals there are, by name.
    statements: HashMap<String, String>,
    portals: HashMap<String, String>,
}

/// What the client says down to where it waits for ReadyForQuery.
struct Request {
    messages: Vec<Message>,
    /// Text of what is run.
    runs: Option<String>,
    /// Text of what is prepared.
    prepares: Option<String>,
}

/// Why a connection ends: never of interest but to close it.
fn over<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

impl Side {
    fn new(stream: Box<dyn Wire>) -> Self {
        let (from, to) = tokio::io::split(stream);
        Self {
            from: BufReader::new(from),
            to,
        }
    }

    async fn send(&mut self, messages: &[Message]) -> io::Result<()> {
        self.to.write_all(&bytes(messages)).await
    }

    /// Sends the first half of it only.
    async fn send_half(&mut self, messages: &[Message]) -> io::Result<()> {
        let all = bytes(messages);
        self.to.write_all(&all[..all.len() / 2]).await
    }
}

fn bytes(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        message.write(&mut bytes);
    }
    bytes
}

impl Link {
    pub(super) fn new(client: TcpStream, server: Box<dyn Wire>, rules: Arc<Rules>) -> Self {
        let number = rules.next_connection();
        Self {
            client: Side::new(Box::new(client)),
            server: Side::new(server),
            rules,
            number,
            status: b'I',
            younger: false,
            statements: HashMap::new(),
            portals: HashMap::new(),
        }
    }

    /// Ends with an error always: it is how a connection ends.
    pub(super) async fn run(mut self) -> io::Result<()> {
        self.open().await?;
        loop {
            let request = self.request().await?;
            match self.struck(&request) {
                Some(act) => self.act(act, &request).await?,
                None => self.pass(&request).await?,
            }
        }
    }

    /// From the first byte to the first ReadyForQuery.
    async fn open(&mut self) -> io::Result<()> {
        let opening = loop {
            let opening = Message::read_opening(&mut self.client.from).await?;
            if !opening.asks_for_encryption() {
                break opening;
            }
            self.client.to.write_all(b"N").await?;
        };
        match self.rules.strike(self.number, |when| when == When::Connect) {
            Some(Act::Answer(code, _) | Act::Die(code, _)) => {
                self.client.send(&[fatal(code)]).await?;
                return over();
            }
            Some(Act::Cut(_) | Act::CutInRequest | Act::CutInAnswer) => return over(),
            Some(Act::Silence(_)) => return self.silence().await,
            Some(Act::Delay(wait)) => tokio::time::sleep(wait).await,
            Some(Act::Notice(_)) | None => {}
        }
        self.server.send(&[opening]).await?;
        loop {
            let said = Message::read(&mut self.server.from).await?;
            self.client.send(std::slice::from_ref(&said)).await?;
            if said.is(b'Z') {
                return Ok(());
            }
            if said.wants_an_answer() {
                let answer = Message::read(&mut self.client.from).await?;
                self.server.send(&[answer]).await?;
            }
        }
    }

    /// The client's next request. What the server says unasked meanwhile is passed on.
    async fn request(&mut self) -> io::Result<Request> {
        loop {
            tokio::select! {
                asked = self.client.from.fill_buf() => {
                    asked?;
                    break;
                }
                unasked = self.server.from.fill_buf() => {
                    unasked?;
                    let said = Message::read(&mut self.server.from).await?;
                    self.client.send(&[said]).await?;
                }
            }
        }
        let mut request = Request {
            messages: Vec::new(),
            runs: None,
            prepares: None,
        };
        loop {
            let said = Message::read(&mut self.client.from).await?;
            let ends = said.is(b'Q') || said.is(b'S');
            self.note(&said, &mut request);
            // Terminate ends the connection; COPY and Flush are not spoken.
            if !ends
                && ![b'P', b'B', b'D', b'E', b'C']
                    .into_iter()
                    .any(|tag| said.is(tag))
            {
                self.server.send(&[said]).await?;
                return over();
            }
            request.messages.push(said);
            if ends {
                return Ok(request);
            }
        }
    }

    /// Which texts go by which names, and which of them is run.
    fn note(&mut self, said: &Message, request: &mut Request) {
        let mut strings = said.strings(0);
        let mut next = || strings.next().unwrap_or_default();
        match said.tag {
            Some(b'Q') => request.runs = Some(next()),
            Some(b'P') => {
                let (name, text) = (next(), next());
                request.prepares = Some(text.clone());
                self.statements.insert(name, text);
            }
            Some(b'B') => {
                let (portal, statement) = (next(), next());
                let text = self.statements.get(&statement).cloned();
                self.portals.insert(portal, text.unwrap_or_default());
            }
            Some(b'E') => request.runs = self.portals.get(&next()).cloned(),
            _ => {}
        }
    }

    /// A transaction that has failed is left to the server: it answers 25P02 until ROLLBACK.
    fn struck(&self, request: &Request) -> Option<Act> {
        if self.status == b'E' {
            return None;
        }
        let in_transaction = self.status == b'T';
        let runs = request.runs.as_deref();
        let ends = runs.is_some_and(|text| is(text, "COMMIT") || is(text, "ROLLBACK"));
        self.rules.strike(self.number, |when| match when {
            When::Connect => false,
            When::Any => runs.is_some(),
            When::OfRequest => runs.is_some_and(|text| !platform_db::makes_ready(text)),
            When::InTransaction => in_transaction && runs.is_some() && !ends,
            When::Text(part) => runs.is_some_and(|text| text.contains(part)),
            When::Prepare(part) => {
                let prepares = request.prepares.as_deref();
                runs.is_none() && prepares.is_some_and(|text| text.contains(part))
            }
            When::Commit => runs.is_some_and(|text| is(text, "COMMIT")),
        })
    }

    async fn act(&mut self, act: Act, request: &Request) -> io::Result<()> {
        match act {
            Act::Answer(code, did) => {
                self.did(did, request).await?;
                let answer = self.failure(code, text_of(code)).await?;
                self.client.send(&answer).await
            }
            Act::Die(code, did) => {
                self.did(did, request).await?;
                self.client.send(&[fatal(code)]).await?;
                over()
            }
            Act::Cut(did) => {
                self.did(did, request).await?;
                over()
            }
            Act::CutInRequest => {
                self.server.send_half(&request.messages).await?;
                over()
            }
            Act::CutInAnswer => {
                let answer = self.run_request(request).await?;
                self.client.send_half(&answer).await?;
                over()
            }
            Act::Delay(wait) => {
                tokio::time::sleep(wait).await;
                self.pass(request).await
            }
            Act::Silence(did) => {
                if did == Did::All {
                    self.run_request(request).await?;
                }
                self.silence().await
            }
            Act::Notice(text) => {
                let notice = Message::report("NOTICE", "00000", text);
                self.client.send(&[notice]).await?;
                self.pass(request).await
            }
        }
    }

    /// What the server does of a request before the fault. A COMMIT that fails ends its transaction all the same.
    async fn did(&mut self, did: Did, request: &Request) -> io::Result<()> {
        let commits = request
            .runs
            .as_deref()
            .is_some_and(|text| is(text, "COMMIT"));
        if did == Did::All {
            self.run_request(request).await?;
        } else if commits {
            self.ask(&[Message::query("ROLLBACK")]).await?;
        }
        Ok(())
    }

    /// Makes the server fail, and gives that another code.
    async fn failure(&mut self, code: &str, text: &str) -> io::Result<Vec<Message>> {
        let mut answer = self.ask(&[Message::query(NONSENSE)]).await?;
        for said in &mut answer {
            if said.is(b'E') {
                *said = Message::report("ERROR", code, text);
            }
        }
        Ok(answer)
    }

    async fn pass(&mut self, request: &Request) -> io::Result<()> {
        let answer = self.run_request(request).await?;
        self.client.send(&answer).await
    }

    /// The server's answer, in whichever dialect is spoken.
    async fn run_request(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        let rules = Arc::clone(&self.rules);
        let Some(dialect) = &rules.dialect else {
            return self.ask(&request.messages).await;
        };
        if let Some(text) = &request.runs {
            dialect.note(text);
        }
        let runs = request.runs.as_deref().unwrap_or_default();
        self.younger &= self.status != b'I';
        if self.younger && runs.contains("FROM ") {
            return self.failure("42P01", "relation does not exist").await;
        }
        // A text is sent once, where it is prepared or asked for simply; a Bind has nothing to translate.
        let simple = request.messages.iter().any(|said| said.is(b'Q'));
        let text = if simple {
            request.runs.clone()
        } else {
            request.prepares.clone()
        };
        let Some(text) = text else {
            return self.ask(&request.messages).await;
        };
        match dialect.translate(&text, self.status != b'I') {
            Translation::Text(new) => self.ask(&translated(request, &text, &new)).await,
            Translation::Refused { code, text } => self.failure(code, &text).await,
            Translation::Younger(new) => {
                let answer = self.ask(&translated(request, &text, &new)).await?;
                self.younger = true;
                Ok(answer)
            }
            Translation::Within { begin, text: new } => {
                let begun = self.ask(&[Message::query(&begin)]).await?;
                if begun.iter().any(|said| said.is(b'E')) {
                    return Ok(begun);
                }
                let mut answer = self.ask(&translated(request, &text, &new)).await?;
                self.ask(&[Message::query("COMMIT")]).await?;
                // To the client it was a statement on its own.
                if let Some(ready) = answer.last_mut() {
                    ready.body = vec![b'I'];
                }
                Ok(answer)
            }
        }
    }

    /// The server's answer, down to ReadyForQuery. If the server leaves before, the client hears its last words.
    async fn ask(&mut self, request: &[Message]) -> io::Result<Vec<Message>> {
        self.server.send(request).await?;
        let mut answer = Vec::new();
        loop {
            match Message::read(&mut self.server.from).await {
                Ok(said) => answer.push(said),
                Err(gone) => {
                    self.client.send(&answer).await?;
                    return Err(gone);
                }
            }
            if let Some(ready) = answer.last().filter(|said| said.is(b'Z')) {
                self.status = ready.body.first().copied().unwrap_or(b'I');
                return Ok(answer);
            }
        }
    }

    /// Reads what the client says until it leaves.
    async fn silence(&mut self) -> io::Result<()> {
        let mut unheard = [0; 4096];
        while self.client.from.read(&mut unheard).await? > 0 {}
        over()
    }
}

/// The messages with another text in place of this one.
fn translated(request: &Request, old: &str, new: &str) -> Vec<Message> {
    if old == new {
        return request.messages.clone();
    }
    let messages = request.messages.iter().map(|said| {
        if said.is(b'Q') || said.is(b'P') {
            said.with_text(old, new)
        } else {
            said.clone()
        }
    });
    messages.collect()
}

/// Whether a statement begins with this word.
fn is(text: &str, word: &str) -> bool {
    let first = text.trim_start().get(..word.len());
    first.is_some_and(|first| first.eq_ignore_ascii_case(word))
}

fn fatal(code: &str) -> Message {
    Message::report("FATAL", code, text_of(code))
}

/// The words that come with a code.
fn text_of(code: &str) -> &'static str {
    match code {
        "40001" => "restart transaction: injected by the proxy",
        "40003" => "result is ambiguous: injected by the proxy",
        "0A000" => "cached plan must not change result type",
        "57P01" => "server is shutting down",
        "XCUBS" => {
            "bounded staleness read with minimum timestamp bound of 1795000001.000000000,0 could not be satisfied by a \
             local resolved timestamp of 1795000000.123456789,0"
        }
        "53300" => "sorry, too many clients already",
        _ => "injected by the proxy",
    }
}
