//! All concepts there are: those of the database, and those that come with the program.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::Exported;
use super::{Concept, Fault, bundled};
use crate::cache::durable::Durable;
use crate::cache::now;
use crate::engine::{Engine, Failure};
use crate::explain::concept::known::KnownConcept;
use crate::explain::concept::stability::cosine;
use crate::identity::ConceptId;
use crate::model::Model;
use crate::store::StoreError;
use crate::store::concepts::{ConceptHead, ConceptPlace, FoundConcept, NewConcept, StoredConcept};

/// The longest that the database is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Concepts that another one is compared with, at most: the newest.
const MOST_COMPARED: u32 = 50;

/// The concepts of a server.
#[derive(Clone, Copy)]
pub struct Concepts<'a> {
    engine: &'a Engine,
}

/// Some concepts, in the order of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptPage {
    /// The concepts, without what they are made of.
    pub concepts: Vec<Concept>,
    /// The place behind which the rest stands; none if this is all.
    pub next: Option<ConceptPlace>,
}

/// Another concept of the same model, and how nearly its direction is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The cosine of the two directions at the layer of the first one, −1 to 1.
    pub cosine: f64,
}

impl<'a> Concepts<'a> {
    /// Those of an engine's models and database.
    pub fn of(engine: &'a Engine) -> Self {
        Concepts { engine }
    }

    /// Some concepts from behind a place on: those of the program first, then the newest.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, after: Option<ConceptPlace>, most: u32) -> Result<ConceptPage, Fault> {
        let bundled: Vec<&Concept> = self.bundled().collect();
        let begun = after.and_then(|place| bundled.iter().position(|concept| concept.place() == place));
        let (own, after) = match (after, begun) {
            (None, _) => (&bundled[..], None),
            (Some(_), Some(place)) => (&bundled[place + 1..], None),
            (Some(place), None) => (&[][..], Some(place)),
        };
        let most = most as usize;
        let mut concepts: Vec<Concept> =
            own.iter().take(most).map(|concept| concept.without_body()).collect();
        let room = most - concepts.len();
        let are_more_of_its_own = own.len() > concepts.len();
        // One more than is shown tells whether there are any more.
        let stored = match self.durable() {
            Some(durable) if !are_more_of_its_own => {
                let one_more = u32::try_from(room + 1).unwrap_or(u32::MAX);
                attend(durable, durable.store().concepts(after, one_more)).await?
            }
            _ => Vec::new(),
        };
        let are_more = are_more_of_its_own || stored.len() > room;
        for head in stored.into_iter().take(room) {
            concepts.push(of_head(head)?);
        }
        let next = concepts.last().filter(|_| are_more).map(Concept::place);
        Ok(ConceptPage { concepts, next })
    }

    /// One version of a concept; the newest if none is given. None if there is no such concept.
    ///
    /// # Errors
    /// The database does not answer, or the concept is damaged.
    pub async fn find(&self, name: &str, version: Option<u32>) -> Result<Option<Concept>, Fault> {
        if let Some(concept) = self.bundled().find(|concept| concept.name == name) {
            return Ok(version.is_none_or(|version| version == concept.version).then(|| concept.clone()));
        }
        let Some(durable) = self.durable() else { return Ok(None) };
        match attend(durable, durable.store().concept(name, version)).await? {
            None => Ok(None),
            Some(FoundConcept::Damaged) => Err(Fault::Damaged(name.to_owned())),
            Some(FoundConcept::Whole(stored)) => of_stored(stored).map(Some),
        }
    }

    /// A concept that a request names, `name` or `name@version`, for work on a model.
    ///
    /// # Errors
    /// There is none, or it is one of another model.
    pub async fn known(&self, reference: &str, model: &Model) -> Result<Arc<KnownConcept>, Fault> {
        self.of_model(reference, model).await.map(|(_, known)| known)
    }

    /// The same with all that is known of it.
    ///
    /// # Errors
    /// As [`Self::known`].
    pub async fn of_model(
        &self,
        reference: &str,
        model: &Model,
    ) -> Result<(Concept, Arc<KnownConcept>), Fault> {
        let unknown = || Fault::Unknown(reference.to_owned());
        let (name, version) = match reference.split_once('@') {
            None => (reference, None),
            Some((name, version)) => {
                let is_plain = version.bytes().all(|byte| byte.is_ascii_digit());
                let version = version.parse::<u32>().ok().filter(|_| is_plain).ok_or_else(unknown)?;
                (name, Some(version))
            }
        };
        let concept = self.find(name, version).await?.ok_or_else(unknown)?;
        if concept.fingerprint != model.fingerprint() {
            return Err(Fault::OfAnotherModel {
                concept: concept.reference(),
                model: model.id().to_owned(),
                learnt_from: concept.fingerprint,
            });
        }
        let known = concept.known().ok_or_else(|| Fault::Damaged(concept.name.clone()))?;
        Ok((concept, Arc::new(known)))
    }

    /// The other concepts of the same model, the most similar first: of each name the newest version.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn similar(&self, concept: &Concept) -> Result<Vec<Similar>, Fault> {
        let Some(known) = concept.known() else { return Ok(Vec::new()) };
        let mut others: Vec<Concept> =
            self.bundled().filter(|other| other.fingerprint == concept.fingerprint).cloned().collect();
        if let Some(durable) = self.durable() {
            for head in attend(durable, durable.store().concepts(None, MOST_COMPARED)).await? {
                let is_told = others.iter().any(|other| other.name == head.name);
                if head.fingerprint == concept.fingerprint && !is_told {
                    // One that is damaged, or was deleted since, is compared with nothing.
                    others.extend(self.find(&head.name, None).await.ok().flatten());
                }
            }
        }
        let wide = |vector: &[f32]| vector.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let along = known.direction().map(|direction| wide(&direction.vector)).unwrap_or_default();
        let mut similar: Vec<Similar> = others
            .iter()
            .filter(|other| other.name != concept.name)
            .filter_map(|other| {
                let body = other.body.as_ref()?;
                let at = body.directions.iter().find(|at| at.layer == known.layer)?;
                let cosine = cosine(&along, &wide(&at.direction.vector));
                Some(Similar { name: other.name.clone(), version: other.version, cosine })
            })
            .collect();
        similar.sort_by(|a, b| b.cosine.abs().total_cmp(&a.cosine.abs()).then(a.name.cmp(&b.name)));
        Ok(similar)
    }

    /// Whether a name belongs to a concept that comes with the program.
    pub fn is_taken(&self, name: &str) -> bool {
        self.bundled().any(|concept| concept.name == name)
    }

    /// Whether there is a database to keep concepts in.
    ///
    /// # Errors
    /// There is none.
    pub fn check_can_keep(&self, name: &str) -> Result<(), Fault> {
        match (self.is_taken(name), self.durable()) {
            (true, _) => Err(Fault::Bundled(name.to_owned())),
            (false, None) => Err(Fault::NoDatabase),
            (false, Some(_)) => Ok(()),
        }
    }

    /// Keeps a concept; tells whether it was not there before.
    ///
    /// # Errors
    /// Its name is taken, there is no database, or it does not answer.
    pub async fn keep(&self, exported: Exported, id: ConceptId) -> Result<(Concept, bool), Fault> {
        self.check_can_keep(&exported.name)?;
        let durable = self.durable().ok_or(Fault::NoDatabase)?;
        let json = |fault: serde_json::Error| Failure::Internal(fault.to_string());
        let new = NewConcept {
            id,
            name: exported.name,
            model: exported.model.id,
            fingerprint: exported.model.fingerprint,
            created_at: now(),
            summary: serde_json::to_vec(&exported.summary).map_err(json)?,
            body: serde_json::to_vec(&exported.body).map_err(json)?,
        };
        let kept = attend(durable, durable.store().keep_concept(&new)).await?;
        let mut concept = of_head(kept.head)?;
        concept.body = Some(exported.body);
        Ok((concept, kept.is_new))
    }

    /// Removes one version of a concept, or all; false if there was nothing to remove.
    ///
    /// # Errors
    /// It comes with the program, or the database does not answer.
    pub async fn delete(&self, name: &str, version: Option<u32>) -> Result<bool, Fault> {
        if self.is_taken(name) {
            return Err(Fault::Bundled(name.to_owned()));
        }
        let Some(durable) = self.durable() else { return Ok(false) };
        attend(durable, durable.store().delete_concept(name, version)).await
    }

    fn durable(&self) -> Option<&'a Durable> {
        self.engine.cache().durable()
    }

    /// The concepts of the program for the models that are served.
    fn bundled(&self) -> impl Iterator<Item = &'static Concept> + use<'a> {
        self.engine.models().iter().flat_map(|model| bundled::of_model(model.fingerprint()))
    }
}

impl Concept {
    /// Where it stands in the list.
    pub fn place(&self) -> ConceptPlace {
        ConceptPlace { created_at: self.created_at, id: self.id }
    }

    fn without_body(&self) -> Self {
        Concept {
            body: None,
            summary: self.summary.clone(),
            name: self.name.clone(),
            model: self.model.clone(),
            fingerprint: self.fingerprint.clone(),
            ..*self
        }
    }
}

fn of_stored(stored: StoredConcept) -> Result<Concept, Fault> {
    let body = serde_json::from_slice(&stored.body).map_err(|_| Fault::Damaged(stored.name.clone()))?;
    let concept = of_head(stored.head())?;
    Ok(Concept { body: Some(body), ..concept })
}

fn of_head(head: ConceptHead) -> Result<Concept, Fault> {
    let summary = serde_json::from_slice(&head.summary).map_err(|_| Fault::Damaged(head.name.clone()))?;
    Ok(Concept {
        id: head.id,
        name: head.name,
        version: head.version,
        model: head.model,
        fingerprint: head.fingerprint,
        created_at: head.created_at,
        is_bundled: false,
        summary,
        body: None,
    })
}

/// Does something with the database, with the patience of whoever cannot do without it.
async fn attend<T>(durable: &Durable, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Fault> {
    Ok(durable.attend(PATIENCE, work).await?)
}
