//! The forward passes that a search may take.

/// What has been spent, and what may be.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    most: usize,
    spent: usize,
    /// Kept back for the figures of what has been found.
    reserve: usize,
    was_short: bool,
}

impl Budget {
    pub fn new(most: usize) -> Self {
        Budget { most, spent: 0, reserve: 0, was_short: false }
    }

    /// Passes that were made.
    pub fn spent(&self) -> usize {
        self.spent
    }

    /// Passes that are left for the search.
    pub fn left(&self) -> usize {
        self.most.saturating_sub(self.spent + self.reserve)
    }

    /// Whether something had to be left out.
    pub fn was_short(&self) -> bool {
        self.was_short
    }

    /// Whether nothing is left of it where there would be more to do.
    pub fn is_over(&mut self) -> bool {
        let is_over = self.left() == 0;
        self.was_short |= is_over;
        is_over
    }

    /// Keeps so many back, but never more than half of all.
    pub fn keep_back(&mut self, passes: usize) {
        self.reserve = passes.min(self.most / 2);
    }

    /// Sets free what was kept back.
    pub fn open(&mut self) {
        self.reserve = 0;
    }

    /// Takes from as many things as wanted, of so many passes each, what is left; says for how many.
    pub fn take(&mut self, wanted: usize, passes: usize) -> usize {
        let taken = wanted.min(self.left() / passes.max(1));
        self.was_short |= taken < wanted;
        self.spent += taken * passes;
        taken
    }

    /// Takes passes for all or for nothing.
    pub fn take_all(&mut self, passes: usize) -> bool {
        let is_enough = passes <= self.left();
        match is_enough {
            true => self.spent += passes,
            false => self.was_short = true,
        }
        is_enough
    }
}
