//! What passes work in, kept from one to the next.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::backward::Gradients;
use super::encoder::{Batch, Encoder};
use super::trace::Trace;

/// Room for a batch, its way through the network, and the way back.
pub struct Workspace {
    /// What goes in.
    pub batch: Batch,
    /// What the way through leaves.
    pub trace: Trace,
    /// What the way back finds.
    pub gradients: Gradients,
}

/// Workspaces that nobody is in: as many as there ever were passes at one time.
#[derive(Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

/// A workspace that is one's own for a while.
pub struct Lent<'a> {
    /// None only while it is given back.
    workspace: Option<Workspace>,
    home: &'a Workspaces,
}

impl Encoder {
    /// A workspace whose batch is empty.
    pub fn workspace(&self) -> Lent<'_> {
        let home = self.workspaces();
        let used = home.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let workspace = used.unwrap_or_else(|| Workspace {
            batch: Batch::default(),
            trace: self.trace(),
            gradients: Gradients::default(),
        });
        Lent { workspace: Some(workspace), home }
    }
}

impl Deref for Lent<'_> {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        self.workspace.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Workspace {
        self.workspace.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut workspace) = self.workspace.take() {
            // Nothing of one text is there for the next; what is large goes where all passes take theirs from.
            workspace.trace.forget();
            workspace.batch.clear();
            self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        }
    }
}
