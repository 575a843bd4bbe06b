//! Where a client of an experiment connects: the same code runs both ways.

use super::Way;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::Cluster;

#[derive(Clone, Copy)]
pub enum Route<'a> {
    Direct(&'a Cluster),
    Through(&'a Holdfast),
}

impl Route<'_> {
    pub fn way(&self) -> Way {
        match self {
            Route::Direct(_) => Way::Direct,
            Route::Through(_) => Way::Through,
        }
    }

    /// Bootstrap servers.
    pub fn servers(&self) -> String {
        match self {
            Route::Direct(cluster) => cluster.bootstrap(),
            Route::Through(holdfast) => holdfast.bootstrap(),
        }
    }

    /// Of the broker with this id.
    pub fn address(&self, node_id: i32) -> String {
        match self {
            Route::Direct(cluster) => cluster.broker(node_id).addr(),
            Route::Through(holdfast) => holdfast.broker_addr(node_id),
        }
    }
}
