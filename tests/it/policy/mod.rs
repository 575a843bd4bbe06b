//! Floor 2 as a client sees it: one file per scenario, each tried with acks 0, 1 and −1 in every mode.
