//! A question where the model looked, checked against the model before any text is looked at.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::engine::altered::Altered;
use crate::engine::plan::Invalid;
use crate::explain::method::listed;
use crate::model::Model;

/// The most decimal digits that weights can be asked for: single precision has no more.
const MOST_DIGITS: usize = 7;

/// The most routes of an answer.
const MOST_ROUTES: usize = 100;

/// What is shown of special tokens, in rows and columns: `include` (they are shown as all others), `exclude` (they are
/// left out, and the rest is as it is), `renormalise` (they are left out, and rows are scaled to sum 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "include")]
pub enum SpecialTokenRows {
    /// Shown as all others.
    #[default]
    Include,
    /// Left out, and the rest is as it is.
    Exclude,
    /// Left out, and rows are scaled to sum 1.
    Renormalise,
}

/// What can be asked for beside the maps: `norms` (how much each token's values give to each other token), `routes` (the
/// strongest ways through all layers), `groups` (heads that attend alike).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "routes")]
pub enum Extra {
    /// How much each token's values give to each other token.
    Norms,
    /// The strongest ways through all layers.
    Routes,
    /// Heads that attend alike.
    Groups,
}

impl Extra {
    const ALL: [Extra; 3] = [Extra::Norms, Extra::Routes, Extra::Groups];

    fn name(self) -> &'static str {
        match self {
            Extra::Norms => "norms",
            Extra::Routes => "routes",
            Extra::Groups => "groups",
        }
    }
}

/// Which routes through the layers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"k": 5, "token": 2}))]
pub struct RouteOptions {
    /// How many: the strongest ones. 5 by default.
    #[schema(example = 5, minimum = 1, maximum = 100, default = 5)]
    pub k: usize,
    /// The token that they begin at, by its index; any token by default.
    #[schema(example = 2)]
    pub token: Option<usize>,
}

/// How groups of heads are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"threshold": 0.1}))]
pub struct GroupOptions {
    /// The largest mean divergence between the heads of two groups that become one: 0 (only equal heads) to 1.
    /// 0.1 by default.
    #[schema(example = 0.1, minimum = 0, maximum = 1, default = 0.1)]
    pub threshold: f64,
}

impl Default for RouteOptions {
    fn default() -> Self {
        RouteOptions { k: 5, token: None }
    }
}

impl Default for GroupOptions {
    fn default() -> Self {
        GroupOptions { threshold: 0.1 }
    }
}

/// The fields of a question where the model looked, as yet unchecked.
#[derive(Debug, Clone, Default)]
pub struct AttentionRequest {
    /// The layers to show; none means all.
    pub layers: Option<Vec<usize>>,
    /// The heads to show; none means all.
    pub heads: Option<Vec<usize>>,
    /// How many weights of each row; none means all.
    pub top_k: Option<usize>,
    /// Decimal digits of weights; none means all there are.
    pub precision: Option<usize>,
    /// What is shown of special tokens.
    pub special_tokens: SpecialTokenRows,
    /// What is asked for beside the maps.
    pub include: Vec<String>,
    /// Which routes; only with `routes` among what is asked for.
    pub routes: Option<RouteOptions>,
    /// How groups are told apart; only with `groups` among what is asked for.
    pub groups: Option<GroupOptions>,
    /// Whether a long text may be cut.
    pub truncate: bool,
    /// How the network is altered; none where it is looked at as it is.
    pub altered: Option<Altered>,
}

/// Everything about an attention request but the text.
#[derive(Clone)]
pub struct AttentionPlan {
    pub(in crate::engine) model: Arc<Model>,
    pub(in crate::engine) truncate: bool,
    pub(in crate::engine) altered: Option<Altered>,
    pub(super) layers: Vec<usize>,
    pub(super) heads: Vec<usize>,
    pub(super) top_k: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) special_tokens: SpecialTokenRows,
    pub(in crate::engine) norms: bool,
    pub(super) routes: Option<RouteOptions>,
    pub(super) groups: Option<GroupOptions>,
}

impl AttentionPlan {
    /// Checks a request against a model: all layers and heads where none are named.
    ///
    /// # Errors
    /// The first field that is not valid.
    pub fn new(model: Arc<Model>, request: AttentionRequest) -> Result<Self, Invalid> {
        let config = model.config();
        let layers = chosen("layers", request.layers, config.layers, "layers")?;
        let heads = chosen("heads", request.heads, config.heads, "heads")?;
        if request.top_k == Some(0) {
            let remedy = "send a number from 1 to the tokens of the text, or leave it out for all weights";
            return Err(Invalid::new("/top_k", "is 0: no weight of any row would be shown", remedy));
        }
        within("/precision", request.precision, 1..=MOST_DIGITS, "all digits that there are")?;
        let extras = extras(&request.include)?;
        let asked = |extra: Extra| extras.contains(&extra);
        if let (Some(_), Some(place)) = (&request.altered, extras.iter().position(|e| *e == Extra::Norms)) {
            return Err(Invalid::new(
                format!("/include/{place}"),
                "`norms` cannot be told of an altered network",
                "leave it out, or leave `interventions` out",
            ));
        }
        unasked_for("routes", request.routes.is_some() && !asked(Extra::Routes))?;
        unasked_for("groups", request.groups.is_some() && !asked(Extra::Groups))?;
        let routes = asked(Extra::Routes).then(|| request.routes.unwrap_or_default());
        let groups = asked(Extra::Groups).then(|| request.groups.unwrap_or_default());
        within("/routes/k", routes.map(|routes| routes.k), 1..=MOST_ROUTES, "5")?;
        if let Some(threshold) = groups.map(|groups| groups.threshold).filter(|t| !(0.0..=1.0).contains(t)) {
            let remedy = "send a number from 0 to 1, or leave it out for 0.1";
            return Err(Invalid::new(
                "/groups/threshold",
                format!("is {threshold}; expected 0 to 1"),
                remedy,
            ));
        }
        Ok(AttentionPlan {
            truncate: request.truncate,
            altered: request.altered,
            layers,
            heads,
            top_k: request.top_k,
            precision: request.precision,
            special_tokens: request.special_tokens,
            norms: asked(Extra::Norms),
            routes,
            groups,
            model,
        })
    }

    /// All that the maps depend on beside model and text, in one form: equal questions give equal strings.
    pub(in crate::engine) fn canonical_options(&self) -> String {
        json!({
            "layers": self.layers,
            "heads": self.heads,
            "top_k": self.top_k,
            "precision": self.precision,
            "special_tokens": self.special_tokens,
            "norms": self.norms,
            "routes": self.routes,
            "groups": self.groups,
        })
        .to_string()
    }
}

/// The indices that a field asks for, below `count` and each once; all where it asks for none. `what` there is so much
/// of, in words.
///
/// # Errors
/// An empty list, an index that there is not, or one that stands twice.
pub(in crate::engine) fn chosen(
    field: &str,
    asked: Option<Vec<usize>>,
    count: usize,
    what: &str,
) -> Result<Vec<usize>, Invalid> {
    let Some(asked) = asked else { return Ok((0..count).collect()) };
    let remedy = format!("list indices from 0 to {}, each once, or leave the field out for all", count - 1);
    if asked.is_empty() {
        return Err(Invalid::new(format!("/{field}"), format!("the list of {field} is empty"), remedy));
    }
    for (position, index) in asked.iter().enumerate() {
        let pointer = format!("/{field}/{position}");
        if *index >= count {
            return Err(Invalid::new(
                pointer,
                format!("{index} is out of range: the model has {count} {what}"),
                remedy,
            ));
        }
        if asked[..position].contains(index) {
            return Err(Invalid::new(pointer, format!("{index} is listed twice"), remedy));
        }
    }
    Ok(asked)
}

fn within(
    pointer: &str,
    number: Option<usize>,
    range: std::ops::RangeInclusive<usize>,
    default: &str,
) -> Result<(), Invalid> {
    match number.filter(|number| !range.contains(number)) {
        None => Ok(()),
        Some(number) => {
            let (least, most) = range.into_inner();
            let detail = format!("is {number}; expected {least} to {most}");
            let remedy = format!("send a whole number from {least} to {most}, or leave it out for {default}");
            Err(Invalid::new(pointer, detail, remedy))
        }
    }
}

fn extras(asked: &[String]) -> Result<Vec<Extra>, Invalid> {
    let mut extras = Vec::new();
    for (position, name) in asked.iter().enumerate() {
        let fault = |detail: String| {
            let known = listed(Extra::ALL.map(Extra::name));
            let remedy = format!("list {known}, each at most once, or leave the field out");
            Invalid::new(format!("/include/{position}"), detail, remedy)
        };
        let extra = Extra::ALL.into_iter().find(|extra| extra.name() == name);
        let extra = extra.ok_or_else(|| fault(format!("there is no `{name}` to include")))?;
        if extras.contains(&extra) {
            return Err(fault(format!("`{name}` is listed twice")));
        }
        extras.push(extra);
    }
    Ok(extras)
}

fn unasked_for(field: &str, is_stray: bool) -> Result<(), Invalid> {
    match is_stray {
        false => Ok(()),
        true => Err(Invalid::new(
            format!("/{field}"),
            format!("options are given for {field}, which are not asked for"),
            format!("add \"{field}\" to `include`, or leave the field out"),
        )),
    }
}
