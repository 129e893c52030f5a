//! Processes of the machine: who listens where, who is alive, and how to end them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The numbers of all processes.
fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("this runs on Linux");
    let mut pids: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// The process that listens on a port of the loopback interface.
pub(crate) fn listener(port: u16) -> Option<u32> {
    let wanted = format!(":{port:04X}");
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let table = fs::read_to_string(table).ok()?;
            table.lines().find_map(|line| {
                let fields: Vec<_> = line.split_ascii_whitespace().collect();
                // Local address, state (0A is listening), inode.
                (fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A")
                    .then(|| fields[9].to_owned())
            })
        })?;
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    all().into_iter().find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .map(|file| fs::read_link(file.path()))
            .any(|target| target.is_ok_and(|target| target == socket))
    })
}

/// Whether a process runs; one that has ended and was not waited for does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    })
}

/// Everything that runs below a process, by its parents.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_ascii_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    let links: Vec<_> = all()
        .into_iter()
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(
            links
                .iter()
                .filter(|(_, parent)| *parent == pid)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Sends a signal: `KILL`, `INT`, `TERM`.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "could not send {name} to {pid}"
    );
}

/// Whether this process may act as another user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}
