//! A server whose guard was killed: found by the folder that it works in, and ended.

use std::{fs, path::Path, path::PathBuf, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::EngineError;
use crate::process::lock_within;

/// What is known of a server that nobody guards.
#[derive(Debug)]
pub(super) struct Orphan<'a> {
    /// Held as long as any of its processes lives.
    pub(super) lock: PathBuf,
    /// Where all of them work.
    pub(super) folder: &'a Path,
    /// What they are called.
    pub(super) program: &'a str,
    /// Begins with the number of the one that the others follow.
    pub(super) pid_file: PathBuf,
    /// What tells that one to end, and how long that may take.
    pub(super) told: (Signal, Duration),
}

impl Orphan<'_> {
    /// Ends it. Only for when its guard is gone, or has had its time.
    pub(super) async fn end(&self) -> Result<(), EngineError> {
        let free = |patience| lock_within(&self.lock, patience);
        let io = || EngineError::io(&self.lock);
        if free(Duration::ZERO).await.map_err(io())?.is_some() {
            return Ok(());
        }
        let (signal, patience) = self.told;
        let leader: Vec<_> = self.leader().into_iter().collect();
        // Who has not come as far as its pid file is there all the same.
        let told = if leader.is_empty() {
            self.processes()
        } else {
            leader
        };
        send(&told, signal);
        if free(patience).await.map_err(io())?.is_none() {
            send(&self.processes(), Signal::KILL);
        }
        // Whether it is free now, or somebody's beyond our reach, is seen by who starts the next one.
        free(Duration::from_secs(5)).await.map_err(io())?;
        Ok(())
    }

    /// The first line of the pid file.
    pub(super) fn leader(&self) -> Option<Pid> {
        let text = fs::read_to_string(&self.pid_file).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    /// All that work in the folder. Only Linux tells.
    pub(super) fn processes(&self) -> Vec<Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == self.folder)
            })
            // A person's shell may stand there too.
            .filter(|entry| {
                fs::read_to_string(entry.path().join("comm"))
                    .is_ok_and(|name| name.trim() == self.program)
            })
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }
}

fn send(to: &[Pid], signal: Signal) {
    for pid in to {
        // An error means that it has just ended.
        let _ = kill_process(*pid, signal);
    }
}
