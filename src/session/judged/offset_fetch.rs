//! OffsetFetch: `offsets_expired`, `new_partition_skip`. The request is only read for the group that it names.

use super::{Judge, Open, Verdict, offsets};
use crate::wire::offsets::fetching_group;

pub(super) fn judge(judge: &mut Judge<'_>, version: i16, body: &[u8]) -> Result<Verdict, Open> {
    let group = fetching_group(version, body).map_err(|_| Open::Malformed)?;
    let group = group.map(String::from_utf8_lossy);
    judge.awaited = Some(offsets::Of::Fetch {
        group: group.map(|group| group.as_ref().into()),
    });
    Ok(Verdict::Pass)
}
