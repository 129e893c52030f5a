//! A process between `up` and the database server, so that the server ends with `up` even when `up` is killed
//! in a way that leaves it no word to say.
//!
//! `up` holds the writing end of the guard's standard input. The system closes it when `up` ends, however it
//! ends; the guard reads the end of its input and stops the server. The first line of the input says what to
//! run, so that the command line of a guard shows neither the server's name nor its data folder to those who
//! look processes up by name.

use std::{
    io::{self, BufRead as _, Read as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// What a guard runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Guarded {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working folder.
    pub folder: PathBuf,
    /// The user and group that it runs as, if not the guard's.
    pub account: Option<(u32, u32)>,
    /// How it is told to end.
    pub ending: Ending,
}

/// How a server is told to end. What does not end in time is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// PostgreSQL's fast shutdown (SIGINT) writes a checkpoint; beyond its time it is told to leave at once (SIGQUIT).
    Fast,
    /// A node of CockroachDB drains (SIGTERM). No signal but SIGKILL tells it to be quicker, and none loses anything.
    Drain,
}

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a server may take to leave at once before it is killed, and to be dead then.
const IMMEDIATE: Duration = Duration::from_secs(3);

impl Ending {
    fn steps(self) -> &'static [(Signal, Duration)] {
        match self {
            Self::Fast => &[
                (Signal::INT, PATIENCE),
                (Signal::QUIT, IMMEDIATE),
                (Signal::KILL, IMMEDIATE),
            ],
            Self::Drain => &[(Signal::TERM, PATIENCE), (Signal::KILL, IMMEDIATE)],
        }
    }
}

/// Runs what standard input says until it ends by itself or standard input does; gives its exit code.
///
/// # Errors
/// Where nothing could be run.
pub fn run() -> io::Result<u8> {
    let stdin = io::stdin();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let guarded: Guarded = serde_json::from_str(&line).map_err(io::Error::other)?;
    let mut command = Command::new(&guarded.program);
    command
        .args(&guarded.args)
        .current_dir(&guarded.folder)
        .stdin(Stdio::null());
    if let Some((uid, gid)) = guarded.account {
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);

    let (ended, events) = mpsc::channel();
    let input = ended.clone();
    thread::spawn(move || {
        // Whatever else comes is ignored: only the end matters.
        let mut rest = [0; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(1..)) {}
        let _ = input.send(Event::InputEnded);
    });
    thread::spawn(move || {
        let _ = ended.send(Event::ChildEnded(child.wait()));
    });
    let mut steps = guarded.ending.steps().iter().copied();
    let mut deadline: Option<Instant> = None;
    loop {
        let event = match deadline {
            None => events.recv().ok(),
            Some(at) => events
                .recv_timeout(at.saturating_duration_since(Instant::now()))
                .ok(),
        };
        match event {
            Some(Event::ChildEnded(status)) => return status.map(exit_code),
            // The end of the input, or of the patience with the last signal.
            Some(Event::InputEnded) | None => {
                let Some((signal, patience)) = steps.next() else {
                    return Err(io::Error::other("the guarded process cannot be killed"));
                };
                // It has not been waited for, so the pid is still its own; an error means it ended just now.
                let _ = kill_process(pid, signal);
                deadline = Some(Instant::now() + patience);
            }
        }
    }
}

enum Event {
    InputEnded,
    ChildEnded(io::Result<ExitStatus>),
}

/// As shells tell it: the code, or 128 + the signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}
