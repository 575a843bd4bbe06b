//! Clients that prove who they are by Kerberos, with a KDC, brokers behind TLS and Java's client: the tickets pass untouched,
//! what is wrong is told as it is direct, and no rule ends behind the exchange.

use super::secured::{Place, by_name, value, wait_count};
use super::tls_joined::principals;
use super::ways::Said;
use crate::support::holdfast::Holdfast;
use crate::support::kerberos::Kdc;
use crate::support::process::Output;
use std::collections::BTreeSet;

const RAISED: [(&str, &str); 2] = [("scenario", "acks_none"), ("mode", "enforce")];

/// In front of a listener of the brokers. Holdfast has no ticket of its own, so that it cannot look at them by itself.
fn gateway(place: &Place, listener: &str) -> Holdfast {
    let config = place.listener("gateway", "") + &place.towards("");
    let holdfast = Holdfast::launch(place.holdfast(listener, &config));
    holdfast.wait_bound();
    holdfast
}

/// So many records, by whoever has the key of a keytab.
fn produce(
    (place, kdc): (&Place, &Kdc),
    bootstrap: &str,
    (topic, records): (&str, &str),
    (principal, keytab): (&str, &str),
    more: &[&str],
) -> Output {
    let jaas = kdc.jaas(principal, keytab);
    let mut settings = place.java(None);
    settings.extend([
        "security.protocol=SASL_SSL".to_owned(),
        "sasl.mechanism=GSSAPI".to_owned(),
        format!("sasl.jaas.config={jaas}"),
        // One that nobody lets in gives up.
        "max.block.ms=5000".to_owned(),
    ]);
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    let records = ["--records", records];
    place.run_java("IdempotentProducer", bootstrap, topic, &settings, &records)
}

#[test]
fn clients_authenticate_by_kerberos_through_holdfast_as_direct_and_rules_hold_behind_it() {
    let kdc = Kdc::start(&[
        ("kafka/localhost", "brokers.keytab"),
        ("kafka/elsewhere.test", "brokers.keytab"),
        ("alice", "alice.keytab"),
        // The key was changed since; and one that is not known any more.
        ("stale", "stale.keytab"),
        ("stale", "fresh.keytab"),
        ("ghost", "ghost.keytab"),
        ("ghost", ""),
    ]);
    let place = Place::kerberos(
        &kdc,
        &[("HERE", "localhost"), ("ELSEWHERE", "elsewhere.test")],
    );
    let alice = ("alice", "alice.keytab");
    let here = gateway(&place, "HERE");
    let elsewhere = gateway(&place, "ELSEWHERE");
    let routes = [
        (
            "direct",
            place.bootstrap("HERE"),
            place.bootstrap("ELSEWHERE"),
        ),
        (
            "through",
            by_name(&here.bootstrap()),
            by_name(&elsewhere.bootstrap()),
        ),
    ];
    let all: BTreeSet<u64> = (0..100).collect();
    let all_by = (&place, &kdc);
    for (way, bootstrap, other) in &routes {
        let topic = place.topic("kerberos");
        let said = Said::by(&produce(all_by, bootstrap, (&topic, "100"), alice, &[]));
        assert_eq!(said.ok(), all, "{way}");
        place.wait_stored(&topic, &all);

        let topic = place.topic("kerberos-acks0");
        let silent = ["acks=0", "enable.idempotence=false"];
        produce(all_by, bootstrap, (&topic, "100"), alice, &silent).ok();
        place.wait_stored(&topic, &all);

        for who in [("stale", "stale.keytab"), ("ghost", "ghost.keytab")] {
            let refused = produce(all_by, bootstrap, ("none", "1"), who, &[]);
            assert!(!refused.status.success(), "{way} {who:?}: {refused:?}");
            assert!(
                refused.stderr.contains("LoginException"),
                "{way}: {refused:?}"
            );
        }
        // A ticket is for the host that the client dialled, and these brokers are another.
        let refused = produce(all_by, other, ("none", "1"), alice, &[]);
        let told = refused.stdout.contains("SaslAuthenticationException");
        assert!(told, "{way}: {refused:?}");
    }
    wait_count(&here, "holdfast_overrides_total", &RAISED, 1.0);
    let confirmed = value(
        &here,
        "holdfast_acks0_records_total",
        &[("outcome", "confirmed")],
    );
    assert_eq!(confirmed, 100.0);
    assert_eq!(
        principals(&here),
        BTreeSet::new(),
        "only brokers know who that is"
    );
}
