//! Asking the hosts that are in use whether they live, and leaving those that do not.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{At, Hosts, Opened, Place, State};
use crate::connection::Failure;

/// How often an address in use is asked whether it lives.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that does not answer an empty query for this long is silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Hosts {
    /// Changes what is known of a place, which is watched from now on if there is another to go to.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends by itself, a second after the last of those who would want to know"
    )]
    pub(super) fn watched(self: &Arc<Self>, place: Place, change: impl FnOnce(&mut State)) {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        change(state);
        if self.are_several() && !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self), place));
        }
    }

    /// Whether nobody needs to know of the place any more; then it is not watched any more.
    fn is_forgotten(&self, place: Place) -> bool {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        state.is_watched = state.is_used() || state.is_down;
        !state.is_watched
    }

    /// Whether the name of a place that is down leads to others now: nobody wants it back.
    async fn is_gone(&self, place: Place) -> bool {
        let is_name = matches!(self.hosts[place.host].at, At::Name);
        if !is_name || !self.is_down(place) {
            return false;
        }
        let places = self.places_of(place.host).await;
        let is_gone = places.is_ok_and(|places| !places.contains(&place));
        if is_gone {
            self.places().remove(&place);
        }
        is_gone
    }

    /// Asks a place whether it lives: on the connection of last time, and on a new one where it gave none when it was last
    /// tried. As long as it lives by the old one, those that it has are left to it.
    async fn ask(self: &Arc<Self>, place: Place, last: Option<Opened>) -> Option<Opened> {
        let mut living = None;
        if let Some((client, task)) = last {
            match timeout(ANSWER_WITHIN, client.simple_query("")).await {
                Ok(Ok(_)) => living = Some((client, task)),
                Ok(Err(_)) => {} // it was closed: a new one shows more
                Err(_) => {
                    self.leave(place).await;
                    return None;
                }
            }
        }
        if living.is_some() && !self.is_down(place) {
            return living;
        }
        match self.open(place).await {
            Ok(opened) => {
                self.is_up_now(place);
                return Some(opened);
            }
            Err(error) if living.is_none() && matches!(error.failure, Failure::Silent) => {
                self.leave(place).await;
            }
            Err(_) => self.is_down_now(place),
        }
        living
    }

    /// Leaves a place that is silent, if another one answers.
    async fn leave(self: &Arc<Self>, place: Place) {
        let is_left = self
            .places()
            .get_mut(&place)
            .is_some_and(|state| state.is_down && !state.is_used());
        if is_left || !self.is_another_there(Some(place)).await {
            return;
        }
        self.is_down_now(place);
        let tasks = std::mem::take(&mut self.places().entry(place).or_default().tasks);
        if !tasks.is_empty() {
            let connections = tasks.len();
            tracing::warn!(
                host = self.told(place),
                connections,
                "database.host_is_left"
            );
        }
        for task in tasks {
            task.abort();
        }
    }
}

/// Asks a place every second, for as long as somebody uses it or wants it back.
async fn watch(hosts: Weak<Hosts>, place: Place) {
    let mut last = None;
    loop {
        sleep(ASK_EVERY).await;
        let Some(hosts) = hosts.upgrade() else { return };
        if hosts.is_forgotten(place) || hosts.is_gone(place).await {
            return;
        }
        last = hosts.ask(place, last).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_remembered_where_its_name_cannot_be_looked_up() {
        let hosts = Hosts::new("postgres://app@nowhere.invalid,127.0.0.1/x", "test");
        let hosts = Arc::new(hosts.unwrap());
        assert!(hosts.places_of(0).await.is_err());
        let place = Place {
            host: 0,
            address: Some([127, 0, 0, 2].into()),
        };
        hosts.is_up_now(place);
        assert_eq!(hosts.places_of(0).await.unwrap(), [place]);
        assert!(!hosts.is_gone(place).await);
    }
}
