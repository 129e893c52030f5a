//! Tokens for the world in this folder.

use kernel::Clock;
use world::{Folder, Grant, Issuer};

use crate::{cli::TokenArgs, failure::Failure, print};

pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let grant = Grant {
        role: args.role,
        offices: args.offices.clone(),
        subject: args.sub.clone(),
        ttl: args.ttl,
    };
    let issuer = Issuer::load(&Folder::new(&args.state)).map_err(|error| Failure::of(&error))?;
    let token = issuer
        .mint(&grant, &Clock::System)
        .map_err(|error| Failure::of(&error))?;
    if args.json {
        let (sub, expires_in) = (grant.subject(), args.ttl.as_secs());
        let answer = serde_json::json!({ "token": token, "sub": sub, "expires_in": expires_in });
        print(&answer.to_string());
    } else {
        print(&token);
    }
    Ok(())
}
