//! One request of an operator or a tool deletes what consumers have not read.

use super::sent::send;
use super::{Way, asked};
use crate::support::kafka::{shared_cluster, unique};
use crate::support::raw::Raw;
use crate::support::rdk;

const EXPERIMENT: &str = "12 acks=all, then DeleteRecords up to the end";
const RECORDS: u64 = 1_000;

#[test]
fn one_request_deletes_all_records_direct() {
    let cluster = shared_cluster();
    let topic = unique("payments");
    cluster.create_topic_on(&topic, &[&[1, 2, 3]], &[]);
    let address = cluster.broker(1).addr();
    let direct = send(&address, &topic, 0, 0..RECORDS);
    let answer = asked::delete_records(&mut Raw::connect(&address).unwrap(), &topic);
    assert_eq!(answer.expect("an answer"), 0);
    let stored = rdk::ids(&cluster.read_all(&topic));
    let lost = direct.tell(EXPERIMENT, Way::Direct, &stored, "nobody");
    assert_eq!(lost, RECORDS as usize, "{:?}", direct.codes);
}
