//! Concepts in a database.
//!
//! A concept is never changed: another definition under the same name is another version of it. Versions of a name
//! are numbered from 1 on. A number that was given is not given again, also where its concept was deleted, as long as
//! there is any concept of that name; when the last of them is deleted, the name is forgotten and begins anew at 1.

use async_trait::async_trait;

use super::{Milliseconds, StoreError};
use crate::identity::ConceptId;

/// A concept that is to be kept, and gets its version by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConcept {
    /// Its identity, which its name is part of.
    pub id: ConceptId,
    /// What people call it: any characters but zeros.
    pub name: String,
    /// The id of the model whose states it is a direction of.
    pub model: String,
    /// That model's fingerprint.
    pub fingerprint: String,
    /// When it was made.
    pub created_at: Milliseconds,
    /// What is told of it: JSON.
    pub summary: Vec<u8>,
    /// Its vectors and examples: JSON.
    pub body: Vec<u8>,
}

impl NewConcept {
    /// As it is kept under a version.
    pub(super) fn numbered(&self, version: u32) -> StoredConcept {
        StoredConcept {
            id: self.id,
            name: self.name.clone(),
            version,
            model: self.model.clone(),
            fingerprint: self.fingerprint.clone(),
            created_at: self.created_at,
            summary: self.summary.clone(),
            body: self.body.clone(),
        }
    }
}

/// A concept as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConcept {
    /// Its identity.
    pub id: ConceptId,
    /// What people call it.
    pub name: String,
    /// Tells those of one name apart, from 1.
    pub version: u32,
    /// The id of the model whose states it is a direction of.
    pub model: String,
    /// That model's fingerprint.
    pub fingerprint: String,
    /// When it was first kept.
    pub created_at: Milliseconds,
    /// What is told of it: JSON.
    pub summary: Vec<u8>,
    /// Its vectors and examples: JSON.
    pub body: Vec<u8>,
}

impl StoredConcept {
    /// The same without its body.
    pub fn head(self) -> ConceptHead {
        ConceptHead {
            id: self.id,
            name: self.name,
            version: self.version,
            model: self.model,
            fingerprint: self.fingerprint,
            created_at: self.created_at,
            summary: self.summary,
        }
    }
}

/// A concept without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConceptHead {
    /// Its identity.
    pub id: ConceptId,
    /// What people call it.
    pub name: String,
    /// Tells those of one name apart, from 1.
    pub version: u32,
    /// The id of the model whose states it is a direction of.
    pub model: String,
    /// That model's fingerprint.
    pub fingerprint: String,
    /// When it was first kept.
    pub created_at: Milliseconds,
    /// What is told of it: JSON.
    pub summary: Vec<u8>,
}

impl ConceptHead {
    /// Where it stands in the list.
    pub fn place(&self) -> ConceptPlace {
        ConceptPlace { created_at: self.created_at, id: self.id }
    }

    /// The whole concept.
    pub(super) fn with_body(self, body: Vec<u8>) -> StoredConcept {
        StoredConcept {
            id: self.id,
            name: self.name,
            version: self.version,
            model: self.model,
            fingerprint: self.fingerprint,
            created_at: self.created_at,
            summary: self.summary,
            body,
        }
    }
}

/// A place in the list of concepts, which begins with the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConceptPlace {
    /// When the concept there was first kept.
    pub created_at: Milliseconds,
    /// Tells those apart that came at the same time.
    pub id: ConceptId,
}

/// What became of a concept that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConcept {
    /// The concept as it is now: older than the one that was given, if the same was there before.
    pub head: ConceptHead,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// A concept as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundConcept {
    /// As it was once kept.
    Whole(StoredConcept),
    /// It is no longer what was once kept: it can be deleted, or kept again.
    Damaged,
}

/// A database of concepts.
#[async_trait]
pub trait ConceptStore: Send + Sync {
    /// Keeps a concept under the next version of its name. If there is one of the same id already, that one stays with
    /// its version, whichever it is; where it was damaged, it is put right.
    ///
    /// # Errors
    /// Nothing was kept.
    async fn keep_concept(&self, new: &NewConcept) -> Result<KeptConcept, StoreError>;

    /// One version of a concept; the newest one there is, if none is given.
    ///
    /// # Errors
    /// The database does not answer.
    async fn concept(&self, name: &str, version: Option<u32>) -> Result<Option<FoundConcept>, StoreError>;

    /// Concepts, all versions of all names, the newest first, from the one behind `after` on. Without its body, none can
    /// be told from a damaged one.
    ///
    /// # Errors
    /// The database does not answer.
    async fn concepts(&self, after: Option<ConceptPlace>, most: u32) -> Result<Vec<ConceptHead>, StoreError>;

    /// Removes one version of a concept, damaged or not; all versions, if none is given. False if there was nothing to
    /// remove.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete_concept(&self, name: &str, version: Option<u32>) -> Result<bool, StoreError>;
}

/// A version, from SQL.
pub(super) fn version(number: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
