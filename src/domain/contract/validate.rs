//! What the shape alone doesn't show: names that must exist, keys that exclude each other, paths that lead astray.

use super::load::Document;
use super::places::Places;
use super::shape::Located;
use super::types::Contract;

/// What is wrong with a contract of the right shape.
pub(super) fn problems(contract: &Contract, places: &Places, document: &Document) -> Vec<Located> {
    let _ = (contract, places, document);
    Vec::new()
}
