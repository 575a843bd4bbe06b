//! The page at the admin port's root, in a browser that people use, in front of real brokers.

use crate::support::browser::{dump_dom, screenshot};
use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{shared_cluster, unique};
use crate::support::raw::{Batch, PRODUCE, Produce, Raw};
use std::time::Duration;

/// As a client id it is a name like any other.
const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">";

const CONFIG: &str = r#"
[exemptions.metrics_pipeline]
scenarios = ["acks_none"]
client_ids = ["telegraf-*"]
owner = "team-observability"
reason = "losing samples is fine"
expires = "2099-01-31"
"#;

#[test]
fn the_page_tells_what_needs_a_human_and_shows_hostile_names_as_text() {
    let cluster = shared_cluster();
    // The third broker is left out: its clients cannot reach it.
    let options = Options::new(&cluster.bootstrap()).broker_ids("1-2");
    let holdfast = Holdfast::start_with(options.config(CONFIG));
    let topic = unique("page");
    cluster.create_topic_on(&topic, &[&[1]], &[]);
    let mut clients = Vec::new();
    for client_id in [HOSTILE, "telegraf-7"] {
        let mut client = Raw::connect(&holdfast.broker_addr(1)).expect("connected");
        client.client_id = Some(client_id.to_owned());
        for acks in [0, 1, -1] {
            let produce = Produce::new(9, acks, &topic, 0, Batch::of_ids(0, 3, 10).bytes());
            client.send(PRODUCE, 9, &produce.body()).expect("sent");
        }
        clients.push(client);
    }
    let report = || holdfast.get("/report").expect("the admin port answers").1;
    eventually("the report has all of it", Duration::from_secs(30), || {
        let report = report();
        let has = |words: &str| report.contains(words);
        let all = has("telegraf-7") && has("replication factor 1") && has("\"hits\": 1");
        if all { Ok(()) } else { Err(report.clone()) }
    });

    let url = format!("http://{}/", holdfast.admin_addr());
    let dom = dump_dom(&url, 2000);
    for words in [
        "things need a human.",
        "1 broker id is outside listener.broker_ids: 3.",
        "2 clients send acks=0; raised, but for 1 request.",
        "<title>▲ Holdfast: ready</title>",
        "▲ unmapped: outside broker_ids",
        "replication factor 1, wanted 3 or more",
        "metrics_pipeline",
        "<span class=\"word\">2099-01-31</span>",
        "data-head=\"Scenario\">acks_none</td>",
        "■ enforce",
        "<polyline",
        "Records sent with acks=0: ",
        "owner = \"team-observability\"",
        "&lt;img src=x onerror=",
        &topic,
    ] {
        assert!(dom.contains(words), "{words:?} in\n{dom}");
    }
    assert!(
        !dom.contains("<img") && !dom.contains("<title>owned"),
        "{dom}"
    );

    let pictures = std::env::temp_dir();
    for (name, size, dark) in [
        ("holdfast-page-phone.png", (360, 800), false),
        ("holdfast-page-dark.png", (1280, 900), true),
    ] {
        let file = pictures.join(name);
        screenshot(&url, &file, size, dark);
        let length = std::fs::metadata(&file).expect("a picture").len();
        assert!(length > 10_000, "{} has {length} bytes", file.display());
    }
}
