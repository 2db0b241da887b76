//! The plane that parts two sides, as a sum over the rows that it was learnt from.

use super::{Fitting, Learner, Part};
use crate::explain::concept::ConceptError;

/// Newton steps after which logistic regression is given up. It takes about ten.
const STEPS: usize = 200;

/// Halvings of a step after which it counts as no way down.
const HALVINGS: usize = 60;

/// A last step that moves no value by more than this, relative to the largest (at least 1), ends the search: the steps
/// shrink quadratically, so that the next would be lost in rounding.
const TOLERANCE: f64 = 1e-10;

/// Steps smaller than this, relative as above, that no longer shrink are rounding, and end the search too: at large
/// regularisations rounding is that large.
const STALLED: f64 = 1e-5;

/// What two numbers may differ by, as a share of them, from rounding.
const ROUNDING: f64 = 1e-12;

/// f(x) = ⟨weights, x − centre⟩ + offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// `[hidden]`, never all 0.
    pub weights: Vec<f64>,
    /// Their length.
    pub length: f64,
    /// The value at the centre.
    pub offset: f64,
    /// The coefficients of the rows that the weights are the sum of, themselves of sum 0.
    pub dual: Vec<f64>,
}

/// f(x) = Σ a_i ⟨x_i − centre, x − centre⟩ + offset over the rows x_i of a part.
pub struct Dual {
    /// One coefficient a_i a row; they sum up to 0.
    pub coefficients: Vec<f64>,
    /// The value at the centre.
    pub offset: f64,
}

impl Plane {
    /// The plane of a learner.
    ///
    /// # Errors
    /// [`ConceptError::NoDifference`]; [`ConceptError::Singular`].
    pub fn fit(fitting: &Fitting, part: &Part) -> Result<Plane, ConceptError> {
        part.plane(match fitting.learner {
            Learner::Logistic => logistic(part, fitting.regularisation)?,
            Learner::Ridge => ridge(part, fitting.regularisation)?,
            Learner::DifferenceOfMeans => difference_of_means(part),
        })
    }
}

/// w = mean of the concept − mean of the others; 0 half way between them.
fn difference_of_means(part: &Part) -> Dual {
    let half: f64 = part.weights.iter().sum::<f64>() / 2.0;
    let shares: Vec<f64> = part.weights.iter().map(|weight| weight / half).collect();
    let coefficients: Vec<f64> =
        part.targets.iter().zip(&shares).map(|(target, share)| target * share).collect();
    let values = part.values(&coefficients);
    let offset = -values.iter().zip(&shares).map(|(value, share)| value * share).sum::<f64>() / 2.0;
    Dual { coefficients, offset }
}

/// At the minimum a = C s (y − f): one linear system.
fn ridge(part: &Part, regularisation: f64) -> Result<Dual, ConceptError> {
    let strengths: Vec<f64> = part.weights.iter().map(|weight| regularisation * weight).collect();
    let targets: Vec<f64> = strengths.iter().zip(&part.targets).map(|(by, target)| by * target).collect();
    let dual = part.system(&strengths).and_then(|system| system.dual(&targets));
    dual.ok_or(ConceptError::Singular)
}

/// Newton's method in the span of the rows: each step is a ridge regression on where the loss's curve points to.
fn logistic(part: &Part, regularisation: f64) -> Result<Dual, ConceptError> {
    let loss = Loss { part, regularisation };
    let mut here = Point::new(part, Dual { coefficients: vec![0.0; part.rows.len()], offset: 0.0 });
    let mut last = f64::INFINITY;
    for _ in 0..STEPS {
        let (pulls, strengths) = loss.slopes(&here);
        let targets: Vec<f64> = (0..pulls.len()).map(|i| strengths[i] * here.value(i) + pulls[i]).collect();
        let dual = part.system(&strengths).and_then(|system| system.dual(&targets));
        let aim = Point::new(part, dual.ok_or(ConceptError::Singular)?);
        let size = (0..pulls.len()).map(|i| aim.value(i).abs()).fold(1.0, f64::max);
        let moved = (0..pulls.len()).map(|i| (aim.value(i) - here.value(i)).abs()).fold(0.0, f64::max);
        let step = moved / size;
        if step <= TOLERANCE || (step <= STALLED && step > last / 2.0) {
            return Ok(aim.dual);
        }
        last = step;
        here = loss.downhill(&here, aim, &pulls).ok_or(ConceptError::Singular)?;
    }
    Err(ConceptError::Singular)
}

/// A dual and the values of the part's rows, without the offset.
struct Point {
    dual: Dual,
    values: Vec<f64>,
}

impl Point {
    fn new(part: &Part, dual: Dual) -> Self {
        Point { values: part.values(&dual.coefficients), dual }
    }

    fn value(&self, row: usize) -> f64 {
        self.values[row] + self.dual.offset
    }

    /// A share of the way to another.
    fn towards(&self, aim: &Point, share: f64) -> Point {
        let between = |from: f64, to: f64| from + share * (to - from);
        let mixed = |from: &[f64], to: &[f64]| from.iter().zip(to).map(|(a, b)| between(*a, *b)).collect();
        let coefficients = mixed(&self.dual.coefficients, &aim.dual.coefficients);
        let dual = Dual { coefficients, offset: between(self.dual.offset, aim.dual.offset) };
        Point { dual, values: mixed(&self.values, &aim.values) }
    }
}

/// ½‖w‖² + C Σ s_i log(1 + exp(−y_i f_i)).
struct Loss<'a> {
    part: &'a Part<'a>,
    regularisation: f64,
}

impl Loss<'_> {
    fn at(&self, point: &Point) -> f64 {
        let squared: f64 =
            point.dual.coefficients.iter().zip(&point.values).map(|(by, value)| by * value).sum();
        let of_row = |row: usize| {
            let margin = self.part.targets[row] * point.value(row);
            self.part.weights[row] * ((-margin).max(0.0) + (-margin.abs()).exp().ln_1p())
        };
        squared / 2.0 + self.regularisation * (0..point.values.len()).map(of_row).sum::<f64>()
    }

    /// For each row how hard it pulls its value towards its side, and how fast that slackens: minus the first and the
    /// second derivative of its loss.
    fn slopes(&self, point: &Point) -> (Vec<f64>, Vec<f64>) {
        let of_row = |row: usize| {
            let (target, weight) = (self.part.targets[row], self.regularisation * self.part.weights[row]);
            let margin = target * point.value(row);
            let small = (-margin.abs()).exp();
            let doubt = if margin < 0.0 { 1.0 } else { small } / (1.0 + small);
            (weight * target * doubt, weight * small / (1.0 + small).powi(2))
        };
        (0..point.values.len()).map(of_row).unzip()
    }

    /// The first point on the way to an aim, halving it each time, at which the loss is less by a share of what its slope
    /// promises.
    fn downhill(&self, here: &Point, aim: Point, pulls: &[f64]) -> Option<Point> {
        let start = self.at(here);
        let slope: f64 = (0..pulls.len())
            .map(|row| {
                let step = aim.values[row] - here.values[row];
                (here.dual.coefficients[row] - pulls[row]) * step
            })
            .sum::<f64>()
            - pulls.iter().sum::<f64>() * (aim.dual.offset - here.dual.offset);
        let is_lower = |point: &Point, share: f64| {
            self.at(point) <= start + 1e-4 * share * slope + ROUNDING * start.abs()
        };
        if is_lower(&aim, 1.0) {
            return Some(aim);
        }
        (1..=HALVINGS).map(|halvings| 0.5f64.powi(halvings as i32)).find_map(|share| {
            let point = here.towards(&aim, share);
            is_lower(&point, share).then_some(point)
        })
    }
}
