//! What can be done to a hidden state, and the way back through it.

use candle_core::Result;

/// The most vectors that an affine edit reads along.
pub const MOST_EDIT_RANK: usize = 64;

/// What can be done to a hidden state.
#[derive(Debug, Clone, PartialEq)]
pub enum HiddenEdit {
    /// A vector `[hidden]` is added to every row.
    Add(Vec<f32>),
    /// The row of one token becomes this vector `[hidden]`.
    Replace {
        /// Index of the token.
        token: usize,
        /// Its new row.
        value: Vec<f32>,
    },
    /// The component along a **unit** vector `[hidden]` is taken out of every row: h − v vᵀh.
    Project(Vec<f32>),
    /// What some vectors read in a row is taken out of it along others: h − Σ_k write_k ⟨read_k, h − centre⟩, for
    /// every row h.
    Affine {
        /// `[rank, hidden]`, of 1 to [`MOST_EDIT_RANK`] vectors.
        read: Vec<Vec<f32>>,
        /// As many: `[rank, hidden]`.
        write: Vec<Vec<f32>>,
        /// `[hidden]`
        centre: Vec<f32>,
    },
}

impl HiddenEdit {
    pub(super) fn check(&self, hidden: usize) -> Result<()> {
        if let HiddenEdit::Affine { read, write, .. } = self
            && (read.len() != write.len() || !(1..=MOST_EDIT_RANK).contains(&read.len()))
        {
            candle_core::bail!(
                "an affine edit reads along {} vectors and writes along {}, expected as many of both, from 1 to {MOST_EDIT_RANK}",
                read.len(),
                write.len()
            );
        }
        match self.vectors().into_iter().find(|vector| vector.len() != hidden) {
            None => Ok(()),
            Some(vector) => {
                candle_core::bail!("a hidden-state edit has {} values, expected {hidden}", vector.len())
            }
        }
    }

    fn vectors(&self) -> Vec<&Vec<f32>> {
        match self {
            HiddenEdit::Add(vector) | HiddenEdit::Project(vector) => vec![vector],
            HiddenEdit::Replace { value, .. } => vec![value],
            HiddenEdit::Affine { read, write, centre } => {
                read.iter().chain(write).chain(std::iter::once(centre)).collect()
            }
        }
    }

    /// Edits the rows of a sequence, `[tokens, hidden]`.
    pub(super) fn apply(&self, rows: &mut [f32]) {
        match self {
            HiddenEdit::Add(vector) => {
                let add = |row: &mut [f32]| row.iter_mut().zip(vector).for_each(|(v, a)| *v += a);
                rows.chunks_exact_mut(vector.len()).for_each(add);
            }
            HiddenEdit::Replace { token, value } => {
                rows[token * value.len()..][..value.len()].copy_from_slice(value);
            }
            HiddenEdit::Project(direction) => {
                let direction = std::slice::from_ref(direction);
                take_out(rows, direction, direction, None);
            }
            HiddenEdit::Affine { read, write, centre } => take_out(rows, read, write, Some(centre)),
        }
    }

    /// The way back: gradients by the edited rows become those by the rows as they were.
    pub(super) fn hand_back(&self, rows: &mut [f32]) {
        match self {
            HiddenEdit::Add(_) => {}
            HiddenEdit::Replace { token, value } => rows[token * value.len()..][..value.len()].fill(0.0),
            // Symmetric, so its own transpose.
            HiddenEdit::Project(direction) => {
                let direction = std::slice::from_ref(direction);
                take_out(rows, direction, direction, None);
            }
            HiddenEdit::Affine { read, write, .. } => take_out(rows, write, read, None),
        }
    }
}

/// Every row h becomes h − Σ_k along_k ⟨read_k, h − centre⟩, in double precision and rounded once.
fn take_out(rows: &mut [f32], read: &[Vec<f32>], along: &[Vec<f32>], centre: Option<&Vec<f32>>) {
    let Some(width) = read.first().map(Vec::len) else { return };
    let (mut centred, mut taken) = (vec![0.0f64; width], vec![0.0f64; width]);
    for row in rows.chunks_exact_mut(width) {
        centred.iter_mut().zip(row.iter()).for_each(|(to, value)| *to = f64::from(*value));
        if let Some(centre) = centre {
            centred.iter_mut().zip(centre).for_each(|(to, value)| *to -= f64::from(*value));
        }
        taken.fill(0.0);
        for (read, along) in read.iter().zip(along) {
            let found: f64 = centred.iter().zip(read).map(|(value, entry)| value * f64::from(*entry)).sum();
            taken.iter_mut().zip(along).for_each(|(sum, entry)| *sum += found * f64::from(*entry));
        }
        row.iter_mut().zip(&taken).for_each(|(value, taken)| *value = (f64::from(*value) - taken) as f32);
    }
}
