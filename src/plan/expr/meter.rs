//! What an evaluation may cost.

use super::fault::Fault;

/// The most steps one evaluation may take: about 20 ms.
pub const MAX_STEPS: usize = 200_000;

/// Bytes of text that are read, compared or made in one step.
const BYTES_A_STEP: usize = 64;

/// The steps that are left to an evaluation.
///
/// Every node evaluated is a step, and so is every element of a list that is looked at or made, and every
/// 64 bytes of text. Work is paid for before it is done, so the budget bounds memory as well: some tens of
/// megabytes at the very worst.
pub(super) struct Meter {
    left: usize,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter { left: MAX_STEPS }
    }

    /// Pays for `steps`.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(steps).ok_or(Fault::TooCostly { max: MAX_STEPS })?;
        Ok(())
    }

    /// Pays for reading or making `bytes` of text.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spend(bytes.div_ceil(BYTES_A_STEP))
    }

    /// The steps taken so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> usize {
        MAX_STEPS - self.left
    }
}
