//! Gauss–Legendre nodes and weights on [0, 1].

/// A node of a quadrature rule with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Where, in [0, 1].
    pub position: f64,
    /// How much it counts; the weights of a rule sum to 1.
    pub weight: f64,
}

/// The rule with `count` nodes: exact for polynomials up to degree 2·count − 1. Nodes ascend.
///
/// Roots of the Legendre polynomial by Newton's method from Tricomi's estimate (Abramowitz & Stegun
/// 22.16.6), to double precision.
pub fn gauss_legendre(count: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..count)
        .map(|index| {
            let estimate = std::f64::consts::PI * (index as f64 + 0.75) / (count as f64 + 0.5);
            let mut root = estimate.cos();
            let mut slope = 0.0;
            // Newton doubles the digits each time; the estimate has three.
            for _ in 0..8 {
                let (value, derivative) = legendre(count, root);
                slope = derivative;
                root -= value / derivative;
            }
            let weight = 1.0 / ((1.0 - root * root) * slope * slope);
            Node { position: 0.5 * (1.0 + root), weight }
        })
        .collect();
    nodes.reverse();
    nodes
}

/// The Legendre polynomial of a degree ≥ 1 and its derivative, inside (−1, 1).
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=degree {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    let derivative = degree as f64 * (x * value - before) / (x * x - 1.0);
    (value, derivative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_node_rule_is_the_one_in_the_tables() {
        let nodes = gauss_legendre(3);
        let offset = 0.5 * 0.6f64.sqrt();
        let expected = [(0.5 - offset, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.5 + offset, 5.0 / 18.0)];
        for (node, (position, weight)) in nodes.iter().zip(expected) {
            assert!((node.position - position).abs() < 1e-15 && (node.weight - weight).abs() < 1e-15);
        }
    }

    #[test]
    fn every_rule_integrates_polynomials_of_its_degree_exactly() {
        for count in (1..=64).chain([128, 500, 1000]) {
            let nodes = gauss_legendre(count);
            for degree in [0, 1, 2, count, 2 * count - 1].into_iter().filter(|degree| *degree < 2 * count) {
                let sum: f64 = nodes.iter().map(|n| n.weight * n.position.powi(degree as i32)).sum();
                assert!(
                    (sum * (degree as f64 + 1.0) - 1.0).abs() < 1e-11,
                    "{count} nodes, degree {degree}: {sum}"
                );
            }
        }
    }
}
