//! Who the client is: its SASL exchange passes untouched, and what it shows of the principal is believed once a broker answered
//! that it is accepted. Also how long it is accepted.
//!
//! Tokens that are not small pass unread, and so do mechanisms that show nobody: then no principal is known.

use super::event::{CloseCause, Event};
use super::lane::Lane;
use super::requests::whole;
use super::responses::Response;
use super::{Env, Session, Want, haste};
use crate::policy::standing::Standing;
use crate::policy::{Mode, Scenario};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::header::{self, Look, Start};
use crate::wire::principal::{Claim, Exchange, MAX_TOKEN_BYTES};
use crate::wire::sasl::{self, Authenticated, Mechanism};
use std::sync::Arc;

/// What stands before a token: a header, whose client id may be long.
const MOST_BEFORE_A_TOKEN: usize = 1024;

impl Session {
    /// At a SaslHandshake from version 1 on, behind which tokens come as requests.
    pub(super) fn begin_exchange(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        frame_len: usize,
    ) -> Result<(), Want> {
        let frame = small(env, lane, frame_len)?;
        let mechanism = frame.and_then(|frame| match header::header(frame, frame_len, false) {
            Look::Ready(header) => sasl::mechanism(1, &frame[header.body_at..]).ok(),
            _ => None,
        });
        self.sasl = Exchange::new(mechanism.and_then(Mechanism::from_name));
        Ok(())
    }

    /// Before it has logged in, a client is told nothing that Holdfast knows by its own login: as by a broker, what it asks for
    /// ends the connection. What comes behind a token waits for its answer.
    pub(super) fn demand_login(&mut self, env: &Env<'_>, api_key: ApiKey) -> Result<(), Want> {
        const BEFORE: [ApiKey; 3] = [
            ApiKey::API_VERSIONS,
            ApiKey::SASL_HANDSHAKE,
            ApiKey::SASL_AUTHENTICATE,
        ];
        let let_in = self.logged_in || !env.needs_login;
        if let_in || self.closing.is_some() || BEFORE.contains(&api_key) {
            return Ok(());
        }
        if !self.in_flight.is_empty() {
            self.paused_by = None;
            return Err(Want::Answers);
        }
        let detail = format!("{} before a login", api_key.name());
        self.misdeed(CloseCause::Unauthenticated, detail);
        Ok(())
    }

    /// At a SaslAuthenticate.
    pub(super) fn sasl_token(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<Claim, Want> {
        let flexible = sasl::authenticate_is_flexible(start.api_version);
        let frame = small(env, lane, frame_len)?;
        let token = frame.and_then(|frame| match header::header(frame, frame_len, flexible) {
            Look::Ready(header) => {
                sasl::auth_bytes(start.api_version, &frame[header.body_at..]).ok()
            }
            _ => None,
        });
        Ok(self.sasl.token(token))
    }

    /// At a token of `size` bytes behind its prefix.
    pub(super) fn raw_token(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        size: usize,
    ) -> Result<Claim, Want> {
        let token = small(env, lane, size + 4)?;
        Ok(self.sasl.token(token.and_then(|frame| frame.get(4..))))
    }

    /// The broker's token, of `size` bytes behind its prefix. A broker that refuses a raw token hangs up.
    pub(super) fn raw_token_answered(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        claim: &Claim,
        size: u32,
    ) -> Result<(), Want> {
        let frame_len = u64::from(size) + 4;
        let held = usize::try_from(frame_len).unwrap_or(usize::MAX);
        match small(env, lane, held)? {
            Some(frame) => {
                if let Some(principal) = claim.accepted(&frame[4..]) {
                    self.accepted_as(env, principal.cloned());
                }
            }
            // Nobody is shown by it; the broker goes on.
            None => self.logged_in = true,
        }
        self.response = Response::Pass(frame_len);
        Ok(())
    }

    /// `answer`: a SaslAuthenticate response behind its correlation id. The client is told of a shorter session than the broker
    /// has given it: its backlog of acks=0 needs time to pass before its next handshake. What cannot be read, whatever it is,
    /// passes as it is, limits nothing and makes nobody known.
    pub(super) fn authenticated(
        &mut self,
        env: &Env<'_>,
        answer: &mut [u8],
        version: i16,
        claim: &Claim,
    ) {
        let Ok(said) = Authenticated::of_answer(version, answer) else {
            return;
        };
        if said.error_code == ErrorCode::NONE
            && let Some(principal) = claim.accepted(said.auth_bytes)
        {
            self.accepted_as(env, principal.cloned());
        }
        let Some(lifetime) = said.lifetime else {
            return;
        };
        let raises = env.policy.mode(Scenario::AcksNone) == Mode::Enforce;
        let told_ms = match lifetime.ms > 0 && raises {
            true => haste::told_lifetime_ms(lifetime.ms),
            false => lifetime.ms,
        };
        self.haste.authenticated(env.clock_us, told_ms);
        if told_ms != lifetime.ms {
            let told = told_ms.to_be_bytes();
            answer[lifetime.at..][..told.len()].copy_from_slice(&told);
        }
    }

    /// A broker takes the client for that one from now on: what is decided by who it is, is decided anew.
    fn accepted_as(&mut self, env: &Env<'_>, shown: Option<Arc<str>>) {
        self.logged_in = true;
        let principal = shown.or_else(|| self.given_principal.clone());
        if principal == self.principal {
            return;
        }
        // What was tallied was judged as another's.
        self.tell_tally();
        self.tally = None;
        if self.standing.is_some() {
            let client_id = self.client_id.as_deref();
            self.standing = Some(Standing::of(env.policy, client_id, principal.clone()));
        }
        self.events.push(Event::Principal(principal.clone()));
        self.principal = principal;
        self.reader = None;
    }
}

/// The whole frame at the front, unless it is too large to be a token's or to be held without asking for room.
fn small<'a>(
    env: &Env<'_>,
    lane: &'a mut Lane,
    frame_len: usize,
) -> Result<Option<&'a [u8]>, Want> {
    let most = (MAX_TOKEN_BYTES + MOST_BEFORE_A_TOKEN).min(env.limits.relay_buffer_bytes);
    match frame_len <= most {
        true => whole(env, lane, frame_len).map(Some),
        false => Ok(None),
    }
}
