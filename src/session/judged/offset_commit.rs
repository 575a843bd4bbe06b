//! OffsetCommit: `commit_retention`.

use super::{Judge, Of, Open, Verdict};
use crate::policy::commit_retention::{self, Retention};
use crate::policy::{Mode, Scenario};
use crate::wire::edit::Edits;
use crate::wire::offsets::Commit;

pub(super) fn judge(judge: &mut Judge<'_>, version: i16, body: &[u8]) -> Result<Verdict, Open> {
    let commit = Commit::read(version, body).map_err(|_| Open::Malformed)?;
    let group = String::from_utf8_lossy(commit.group);
    let mut edits = Edits::default();
    retention(judge, &commit, &group, &mut edits);
    Ok(match edits.is_empty() {
        true => Verdict::Pass,
        false => Verdict::Changed {
            body: edits.apply(body.to_vec()),
            ours: None,
        },
    })
}

fn retention(judge: &mut Judge<'_>, commit: &Commit<'_>, group: &str, edits: &mut Edits) {
    let Some((time_ms, range)) = &commit.retention else {
        return;
    };
    let most = match commit_retention::judge(*time_ms, judge.env.view.offsets_retention_ms) {
        Retention::Kept => return,
        Retention::Shorter => Mode::Enforce,
        Retention::Unknown => Mode::Observe,
    };
    if judge.overrides_at_most(Scenario::CommitRetention, most, Of::group(group)) {
        edits.replace(range.clone(), &commit_retention::BROKERS_OWN.to_be_bytes());
    }
}
