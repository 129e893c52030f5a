//! The newest consistency token that a process has seen: what answers carry that read nothing themselves.

use std::sync::{PoisonError, RwLock};

use kernel::Token;

#[derive(Debug)]
pub(crate) struct Newest(RwLock<Token>);

impl Default for Newest {
    /// The epoch, which every state is newer than.
    fn default() -> Self {
        Self(RwLock::new(Token::new(0, 0)))
    }
}

impl Newest {
    pub(crate) fn get(&self) -> Token {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observe(&self, token: Token) {
        if self.get() < token {
            let mut newest = self.0.write().unwrap_or_else(PoisonError::into_inner);
            *newest = (*newest).max(token);
        }
    }
}
